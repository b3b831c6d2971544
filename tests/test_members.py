"""Several faces of each voice, from the command to the report."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stylewav_pl.cli import main
from stylewav_pl.evaluation.diversity import diversity

LINEAR = ["--model.generator", "linear", "--model.guide", "linear", "--model.audio", "linear"]
START = json.dumps({"truncation": 1.0})


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    for number, name in enumerate(["a", "b", "c", "a#1"]):
        soundfile.write(
            folder / f"{name}.wav", np.random.default_rng(number).uniform(-0.3, 0.3, 8000), 16_000
        )
    return folder


def fit(voices: Path, run: Path, *words: str, start: str = START) -> int:
    source = json.dumps([{"class_path": "Folder", "init_args": {"path": str(voices)}}])
    data = ["--data.sources", source, "--data.num_workers", "0", "--data.cohort_size", "3"]
    steps = ["--model.num_steps", "2", "--model.start", start, "--trainer.accelerator", "cpu"]
    return main(["fit", "--run", str(run), *LINEAR, *data, *steps, *words])


def rows(run: Path) -> dict[str, dict[str, str]]:
    with (run / "results.csv").open() as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def test_each_voice_gets_several_faces_exactly_once(voices: Path, tmp_path: Path, capsys) -> None:
    assert fit(voices, tmp_path / "one") == 0
    assert fit(voices, tmp_path / "three", "--data.count", "3") == 0
    assert "4 voices have 12 faces" in " ".join(capsys.readouterr().out.split())
    alone, found = rows(tmp_path / "one"), rows(tmp_path / "three")
    expected = [f"{voice}#{number}" for voice in ("a#1", "a", "b", "c") for number in (1, 2, 3)]
    assert list(found) == expected
    for voice in ("a", "a#1", "b", "c"):
        assert found[f"{voice}#1"]["seed"] == alone[voice]["seed"], "the face that the voice has alone"
        assert float(found[f"{voice}#1"]["similarity_end"]) == pytest.approx(
            float(alone[voice]["similarity_end"]), abs=1e-4
        )
        assert found[f"{voice}#2"]["speaker"] == voice and not alone[voice]["speaker"]
    assert len({row["seed"] for row in found.values()}) == 12
    assert main(["verify", str(tmp_path / "three")]) == 0
    numbers = json.loads((tmp_path / "three/statistics.json").read_text())["diversity"]
    assert (numbers["voices"], numbers["faces"]) == (4, 12) and 0 < numbers["within"] < 2
    assert "diversity" not in json.loads((tmp_path / "one/statistics.json").read_text())
    assert "4 voices have 12 faces" in (tmp_path / "three/report.html").read_text("utf-8")


def test_an_interrupted_run_goes_on_to_the_same_results(voices: Path, tmp_path: Path) -> None:
    whole, again = tmp_path / "whole", tmp_path / "again"
    assert fit(voices, whole, "--data.count", "2") == 0
    assert fit(voices, again, "--data.count", "2") == 0
    for line in list((again / "journal").glob("*.jsonl")):
        kept = line.read_text().splitlines(keepends=True)[:1]
        line.write_text("".join(kept))
    before = (whole / "results.csv").read_bytes()
    (again / "results.csv").unlink()
    assert fit(voices, again, "--data.count", "2") == 0
    assert (again / "results.csv").read_bytes() == before
    for image in sorted((whole / "images").iterdir()):
        assert (again / "images" / image.name).read_bytes() == image.read_bytes()


def test_faces_that_would_all_be_the_same_are_refused(voices: Path, tmp_path: Path, capsys) -> None:
    mean = json.dumps({"truncation": 0.0})
    assert fit(voices, tmp_path / "same", "--data.count", "2", start=mean) == 2
    said = capsys.readouterr().err
    assert "data.count" in said and "model.start" in said
    assert not (tmp_path / "same").exists()


def test_a_folder_of_latents_has_one_for_each_member(voices: Path, tmp_path: Path) -> None:
    assert fit(voices, tmp_path / "first", "--data.count", "2") == 0
    start = json.dumps({"latent": str(tmp_path / "first/latents")})
    assert fit(voices, tmp_path / "second", "--data.count", "2", start=start) == 0
    first, second = rows(tmp_path / "first"), rows(tmp_path / "second")
    assert list(second) == list(first)
    for id, row in second.items():
        assert float(row["similarity_start"]) == pytest.approx(float(first[id]["similarity_end"]), abs=1e-4)


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(7, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = ["a", "b", "a", "c", "b", "a", "a"]
    pairs = [(i, j) for i in range(7) for j in range(i)]
    between = np.mean([1 - vectors[i] @ vectors[j] for i, j in pairs if owners[i] != owners[j]])
    within = [
        np.mean([1 - vectors[i] @ vectors[j] for i, j in pairs if owners[i] == owners[j] == voice])
        for voice in "ab"
    ]
    found = diversity(zip(owners, vectors, strict=True))
    assert found is not None and (found.voices, found.faces) == (2, 6)
    assert found.within == pytest.approx(np.mean(within))
    assert found.between == pytest.approx(between)
    assert diversity(iter([("a", vectors[0]), ("b", vectors[1])])) is None
