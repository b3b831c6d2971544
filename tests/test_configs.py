"""Every configuration that ships: it says what it is for, and it works."""

import csv
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from stylewav_pl.cli import main
from stylewav_pl.commands.data import load_data
from stylewav_pl.installed import configs_directory
from stylewav_pl.weights.registry import ENTRIES

CONFIGS = sorted(configs_directory().glob("*.yaml"))
OVERLAYS = sorted((configs_directory() / "overlays").glob("*.yaml"))
COMMON_VOICE = {"sex.yaml": 200, "age.yaml": 400, "locale.yaml": 250, "vqgan.yaml": 200}  # clips
OFFLINE = [path for path in CONFIGS if "generator: pocket" in path.read_text("utf-8")]
LOGGING = sorted((configs_directory() / "logging").glob("*.yaml"))


def opening(path: Path) -> str:
    lines = path.read_text("utf-8").splitlines()
    end = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:end])


def test_the_demo_and_the_one_line_use_are_there() -> None:
    assert {"demo.yaml", "generate.yaml"} <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_configuration_opens_with_purpose_data_time_and_result(path: Path) -> None:
    lines = opening(path).splitlines()
    assert lines
    assert len(lines[0]) > 20
    assert lines[0][-1] in "?.,"  # a question, or what it does
    for word in ("Data:", "Time:", "Result:"):
        assert any(line.startswith(word) and len(line) > len(word) + 5 for line in lines), (
            f"{path.name} does not tell its {word}"
        )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_configuration_is_complete_and_short(path: Path) -> None:
    text = path.read_text("utf-8")
    settings = yaml.safe_load(text)
    assert {"seed_everything", "model", "data"} <= settings.keys()
    assert {"generator", "guide", "audio", "preprocess", "num_steps"} <= settings["model"].keys()
    assert len(text.splitlines()) <= 70


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_recordings_are_cleaned_but_where_embeddings_equal_the_reference(path: Path) -> None:
    data = yaml.safe_load(path.read_text("utf-8"))["data"]
    assert data["high_pass"] == (None if path.name in COMMON_VOICE else 40)


@pytest.mark.parametrize("path", OFFLINE, ids=lambda path: path.name)
def test_validate_accepts_a_configuration(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # few: every clip is decoded
    voices = '[{"class_path": "BuiltinVoices", "init_args": {"per_sex": 1, "children": 0}}]'
    run = tmp_path / "run"
    options = [
        "--config",
        path.name,
        "--run",
        str(run),
        "--data.sources",
        voices,
        "--trainer.accelerator",
        "cpu",
    ]
    assert main(["validate", *options]) == 0
    out = capsys.readouterr().out
    count = yaml.safe_load(path.read_text("utf-8"))["data"].get("count", 1)  # faces of each voice
    assert f"plan: {2 * count} clips in 1 cohorts" in out
    assert "network: generator pocket (SHA-256 " in out
    assert not run.exists()


def test_the_demo_compares_eighty_speakers() -> None:
    sources = yaml.safe_load((configs_directory() / "demo.yaml").read_text("utf-8"))["data"]["sources"]
    assert sources[0]["init_args"]["optional"] is True  # without a folder of recordings it still works
    assert sources[1] == {"class_path": "BuiltinVoices", "init_args": {"per_sex": 32, "children": 8}}


@pytest.fixture(scope="module")
def common_voice(
    tmp_path_factory: pytest.TempPathFactory, spoken: dict[str, Path], release: Any, recording: Any
) -> Path:
    """A folder in which ``common-voice`` is a release with enough speakers for every configuration; a few
    sounds under many names."""
    folder = tmp_path_factory.mktemp("experiment")
    new = release(folder / "cv-corpus-25.0-2026-03-09", 25)
    people = [
        (sex, age, place)
        for sex in ("female", "male")
        for age in ("twenties", "thirties", "fourties", "fifties")
        for place in range(51)
    ]
    for locale in ("de", "en", "es", "fr", "it"):
        rows = [
            recording(f"common_voice_{locale}_{sex}_{age}_{place}", f"{locale}-{sex}-{age}-{place}", sex, age)
            for sex, age, place in people
        ]
        for split in ("train", "validated"):
            new.write(rows, locale, split)
        for row in rows:
            os.link(spoken[f"{row.gender}.mp3"], new.folder(locale) / "clips" / f"{row.name}.mp3")
    (folder / "common-voice").symlink_to(new.root)
    return folder


@pytest.mark.parametrize("name", COMMON_VOICE)
def test_the_selection_of_an_experiment(
    name: str, common_voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(common_voice)
    clips = load_data([str(configs_directory() / name)]).list_clips()
    assert len({clip.speaker for clip in clips}) == len(clips) == COMMON_VOICE[name]
    scored = yaml.safe_load((configs_directory() / name).read_text("utf-8"))["clip_score"]["prompts"]
    trait, prompts = next(iter(scored.items()))  # the first question is the one that clips are chosen for
    labels = Counter(clip.labels[trait] for clip in clips)
    assert labels == dict.fromkeys(prompts, len(clips) // len(prompts))
    assert Counter(clip.labels["sex"] for clip in clips) == {
        "female": len(clips) // 2,
        "male": len(clips) // 2,
    }


@pytest.mark.parametrize("name", COMMON_VOICE)
def test_the_networks_of_an_experiment_are_known(name: str) -> None:
    model = yaml.safe_load((configs_directory() / name).read_text("utf-8"))["model"]
    known = {(entry.kind, entry.name) for entry in ENTRIES}
    assert {
        ("generator", model["generator"]),
        ("image_text", model["guide"]),
        ("audio", model["audio"]),
    } <= known


def test_the_notebook_overlay_differs_from_the_text_where_it_says() -> None:
    text, notebook = (
        yaml.safe_load((configs_directory() / name).read_text("utf-8"))
        for name in ("sex.yaml", "overlays/notebook.yaml")
    )
    (told,), (changed,) = text["data"]["sources"], notebook["data"]["sources"]
    assert told["init_args"] | {"min_words": 5} == changed["init_args"]
    assert told["init_args"]["min_words"] == 7
    assert notebook["model"] == {
        "latent_space": {"class_path": "S", "init_args": {"to_rgb": False}},
        "num_steps": 61,
        "objective": {"logit_scale": 0.142857},
    }


def test_what_differs_from_the_authors_runs_is_said() -> None:
    said = " ".join(opening(configs_directory() / "sex.yaml").split())
    for difference in ("4096", "rosinality", "float16", "80 steps", "30 women", "one clip each", "teens"):
        assert difference in said
    assert "sex.yaml" in opening(configs_directory() / "overlays" / "notebook.yaml")


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_says_what_it_is_for_and_how_it_is_used(path: Path) -> None:
    assert "stylewav-pl fit --config configs/" in opening(path)
    assert f"--config configs/overlays/{path.name}" in opening(path)


# The official networks are not needed to see that an experiment's settings are understood and its data arrive
# at the end.
PROMPTS = {
    "sex.yaml": [],
    "age.yaml": ['{"age": {"20s": "a young man", "50s": "an old man"}}'],
    "locale.yaml": ['{"sex": {"male": "man", "female": "lady"}}'],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "overlays", [("sex.yaml", "notebook.yaml"), ("sex.yaml",), ("age.yaml",), ("locale.yaml",)], ids="+".join
)
def test_from_the_table_to_the_results(
    overlays: tuple[str, ...], common_voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(common_voice)
    name, *more = overlays
    words = [
        word
        for overlay in (*more, "pocket.yaml", "quick.yaml")
        for word in ("--config", f"overlays/{overlay}")
    ]
    prompts = [word for given in PROMPTS[name] for word in ("--clip_score.prompts", given)]
    options = [
        "--config",
        name,
        *words,
        *prompts,
        "--run",
        str(tmp_path),
        "--trainer.accelerator",
        "cpu",
        "--data.num_workers",
        "0",
    ]
    assert main(["fit", *options]) == 0
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["done"] * 8
    assert Counter(row["sex"] for row in rows) == {"female": 4, "male": 4}
    assert name != "age.yaml" or Counter(row["age"] for row in rows) == dict.fromkeys(
        ["20s", "30s", "40s", "50s"], 2
    )
    funnel = json.loads((tmp_path / "funnel.json").read_text("utf-8"))
    assert {stage["stage"] for stage in funnel} >= {
        "rows",
        "labelled",
        "5 to 5.5 s",
        "one clip per speaker",
        "sampled",
    }
    assert sum(stage["count"] for stage in funnel if stage["stage"] == "sampled") == COMMON_VOICE[name]


@pytest.mark.slow
def test_a_release_may_move_but_not_change(
    common_voice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").symlink_to(common_voice / "common-voice")
    words = [
        "--config",
        "sex.yaml",
        "--config",
        "overlays/pocket.yaml",
        "--config",
        "overlays/quick.yaml",
        "--model.num_steps",
        "1",
    ]
    options = [
        *words,
        "--run",
        str(tmp_path / "run"),
        "--trainer.accelerator",
        "cpu",
        "--data.num_workers",
        "0",
    ]
    assert main(["fit", *options, "--data.sources.root", str(tmp_path / "here")]) == 0
    (tmp_path / "here").rename(tmp_path / "there")
    capsys.readouterr()
    assert main(["fit", *options, "--data.sources.root", str(tmp_path / "there")]) == 0
    assert "8 faces are there already" in capsys.readouterr().out
    (tmp_path / "there").unlink()
    (tmp_path / "there" / "en" / "clips").mkdir(parents=True)
    kept = (common_voice / "common-voice" / "en" / "train.tsv").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "there" / "en" / "train.tsv").write_text("".join([kept[0], *kept[60:]]), "utf-8")
    (tmp_path / "there" / "en" / "clip_durations.tsv").symlink_to(
        common_voice / "common-voice" / "en" / "clip_durations.tsv"
    )
    assert main(["fit", *options, "--data.sources.root", str(tmp_path / "there")]) == 5
    assert "samples.0" in capsys.readouterr().err


@pytest.mark.parametrize("path", LOGGING, ids=lambda path: path.name)
def test_an_overlay_for_logging_says_how_to_use_it_and_is_understood(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = opening(path).splitlines()
    assert any(line == f"stylewav-pl fit --config demo.yaml --config logging/{path.name}" for line in lines)
    for word in ("Shown:", "Again:", "Note:"):
        assert any(line.startswith(word) for line in lines), f"{path.name} does not tell its {word}"
    voices = '[{"class_path": "BuiltinVoices", "init_args": {"per_sex": 1}}]'
    options = [
        "--config",
        "demo.yaml",
        "--config",
        f"logging/{path.name}",
        "--run",
        str(tmp_path / "run"),
        "--data.sources",
        voices,
    ]
    assert main(["validate", *options, "--trainer.accelerator", "cpu"]) == 0
    assert "plan: 2 clips" in capsys.readouterr().out
    assert not (tmp_path / "run").exists(), "a logger that nobody used has written nothing"


def test_there_is_an_overlay_for_every_dashboard() -> None:
    assert {"wandb.yaml", "tensorboard.yaml"} <= {path.name for path in LOGGING}
