"""Guidance through whole runs: what is kept of it, and that it leaves a clip alone."""

import json
from pathlib import Path

import pytest

from stylewav_pl.cli import main
from stylewav_pl.evaluation.objective import read_terms
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import sha256_of

LINEAR = [
    "--model.generator",
    "linear",
    "--model.guide",
    "linear",
    "--model.audio",
    "linear",
    "--model.num_steps",
    "5",
]
PROMPTS = '[{"audio": "clip"}, {"text": "a smile", "weight": 0.5}, {"column": "sex", "weight": -1.0}]'
DIRECTED = ["--model.prompts", PROMPTS, "--model.objective", '{"direction": 0.0, "distance_to_start": 0.1}']
VIEWED = ["--model.views", '{"count": 2}', "--model.latent_space", "WPlus", "--model.layers", '{"count": 2}']


def voices(count: int, seed: int = 0) -> list[str]:
    source = {"class_path": "BuiltinVoices", "init_args": {"per_sex": count, "seconds": 0.6, "seed": seed}}
    return ["--data.sources", json.dumps([source])]


def fit(run: Path, *words: str, clips: int = 2) -> int:
    places = ["--run", str(run), "--trainer.accelerator", "cpu", "--data.num_workers", "0", "--threads", "1"]
    return main(["fit", *places, *LINEAR, *voices(clips), "--data.cohort_size", "3", *words])


def files(run: Path) -> dict[str, bytes]:
    found = [
        *(run / "images").iterdir(),
        *(run / "latents").iterdir(),
        run / "results.csv",
        run / "curves.csv",
    ]
    return {path.name: path.read_bytes() for path in found}


def test_each_term_is_kept_and_shown(tmp_path: Path) -> None:
    assert fit(tmp_path / "run", *DIRECTED) == 0
    terms = read_terms(FinishedRun(tmp_path / "run"))
    assert [term.name for term in terms] == ["voice", "text: a smile", "column: sex", "distance_to_start"]
    assert [term.clips for term in terms] == [4, 4, 4, 4]
    assert sum(term.share for term in terms) == pytest.approx(1)
    kept = json.loads((tmp_path / "run/statistics.json").read_text())["objective"]
    assert [term["mean"] for term in kept] == [term.mean for term in terms]
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert "What moved the faces" in page and "text: a smile" in page


def test_a_loss_of_one_term_leaves_no_trace(tmp_path: Path) -> None:
    assert fit(tmp_path / "run") == 0
    assert "objective" not in json.loads((tmp_path / "run/statistics.json").read_text())
    assert "What moved the faces" not in (tmp_path / "run/report.html").read_text("utf-8")
    journal = next((tmp_path / "run/journal").glob("rank-*.jsonl")).read_text()
    assert '"curve"' in journal and '"terms"' not in journal


def test_an_interrupted_run_ends_with_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first start measures the bank, the second reads it; views follow seed and step alone."""
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    words = [*DIRECTED, *VIEWED, "--model.guides", '[{"source": "linear", "weight": 2}]']
    assert fit(tmp_path / "whole", *words) == 0
    assert fit(tmp_path / "parts", *words) == 0
    index = next((tmp_path / "parts/journal").glob("rank-*.index"))
    index.write_bytes(index.read_bytes().splitlines(keepends=True)[0])  # the second cohort was not finished
    assert fit(tmp_path / "parts", *words) == 0
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_prompts_belong_to_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "picture.png"
    from PIL import Image

    Image.new("RGB", (8, 8), (200, 0, 0)).save(picture)
    words = ["--model.prompts", json.dumps([{"audio": "clip"}, {"image": str(picture)}])]
    assert fit(tmp_path / "run", *words) == 0
    other = ["--model.prompts", json.dumps([{"audio": "clip"}, {"image": str(picture), "weight": 2.0}])]
    assert fit(tmp_path / "run", *other) == 5
    assert "model.prompts.1.weight: 1.0 -> 2.0" in capsys.readouterr().err
    Image.new("RGB", (8, 8), (0, 200, 0)).save(picture)
    assert fit(tmp_path / "run", *words) == 5
    assert "picture.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model.prompts", '[{"text": "a", "audio": "clip"}]'], "found audio and text"),
        (
            ["--model.prompts", '[{"column": "look"}]'],
            "column look, which no clip has; found age, age_group, sex",
        ),
        (["--model.layers", '["0-3"]'], "one vector is for all"),
        (["--model.layers", "adaptive"], "model.layers is adaptive"),
        (["--model.objective.identity", "0.1"], "Expected an identity network"),
        (["--model.guides", '[{"source": "linear"}]'], "model.guides (linear) see texts and pictures"),
        (["--model.combine", "embeddings"], "fewer than two to combine"),
        (["--model.views.count", "100"], "model.views.count"),
    ],
)
def test_what_contradicts_itself_ends_with_2(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path / "run", *words) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_generate_refuses_a_weight_without_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.wav").touch()
    out = ["-o", str(tmp_path / "out")]
    assert main(["generate", str(tmp_path / "a.wav"), *out, "--text-weight", "2"]) == 2
    assert "--text-weight is that of --text" in capsys.readouterr().err
    both = ["--text", "a man", "--model.prompts", "[]"]
    assert main(["generate", str(tmp_path / "a.wav"), *out, *both]) == 2
    assert "contradict" in capsys.readouterr().err


def test_the_direction_of_a_voice_needs_no_words(tmp_path: Path) -> None:
    words = ["--model.objective", '{"similarity": 0.0, "direction": 1.0, "distance_to_start": 0.001}']
    assert fit(tmp_path / "run", *words, "--model.start.truncation", "0.5") == 0
    terms = {term.name: term.mean for term in read_terms(FinishedRun(tmp_path / "run"))}
    assert list(terms) == ["direction, voice", "distance_to_start"]
    assert terms["direction, voice"] < 0.9  # 1 where nothing has moved


def test_the_identity_network_belongs_to_the_run(tmp_path: Path) -> None:
    words = ["--model.identity", "pocket-identity", "--model.objective.identity", "0.5"]
    assert fit(tmp_path / "run", *words, clips=1) == 0
    kept = json.loads((tmp_path / "run/manifest.json").read_text())["weights"]["identity"]
    path = resolve("pocket-identity", "identity")
    assert kept == {"source": "pocket-identity", "sha256": sha256_of(path)}
    terms = {term.name: term.mean for term in read_terms(FinishedRun(tmp_path / "run"))}
    assert 0 < terms["identity"] < 0.5  # something has moved, and it is the same face still
