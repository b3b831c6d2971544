"""What ``generate`` makes beside the results: several faces, a contact sheet, films, and words."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from stylewav_pl.cli import main
from stylewav_pl.commands.after_generate import Voice, put_in_words, starts_of, voices_of
from stylewav_pl.commands.engines import perform
from stylewav_pl.embedders.linear import LinearImageTextEmbedder
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.rows import read_results

RATE = 16_000
LINEAR = ("--generator", "linear", "--guide", "linear", "--audio-encoder", "linear", "--device", "cpu")
SAMPLES = ("--start", "samples", "--steps", "2")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "voices" / "mine.wav"
    path.parent.mkdir()
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, RATE), RATE)
    return path


def test_several_faces_beside_the_first_file_with_sheet_and_films(
    wav: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", str(wav), *LINEAR, *SAMPLES, "--count", "3", "--video"]
    assert main(words) == 0
    run = wav.parent / "mine-faces"
    said = capsys.readouterr().out
    assert f"The faces go to {run}" in said and str(run / "sheet.png") in said
    assert [row.clip.id for row in read_results(run)] == ["mine#1", "mine#2", "mine#3"]
    with Image.open(run / "sheet.png") as sheet:
        assert sheet.width > 3 * 160
    films = sorted((run / "videos").iterdir())
    assert len(films) == 3
    assert main(words) == 0, "which goes on in the same folder"
    assert "3 faces are there already" in capsys.readouterr().out
    assert [row.clip.id for row in read_results(run)] == ["mine#1", "mine#2", "mine#3"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_film_ends_at_the_face(wav: Path, tmp_path: Path) -> None:
    pocket = ("--guide", "pocket", "--audio-encoder", "pocket", "--device", "cpu", "--no-prompts")
    assert main(["generate", str(wav), *pocket, *SAMPLES, "--video", "-o", str(tmp_path / "out")]) == 0
    read = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "out/videos/mine.mp4"), "-f", "rawvideo"]
    raw = subprocess.run([*read, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    with Image.open(tmp_path / "out/images/mine.png") as face:
        end = np.asarray(face.convert("RGB"), dtype=float)
    frames = np.frombuffer(raw, np.uint8).reshape(-1, *end.shape).astype(float)
    away = [np.abs(frame - end).mean() for frame in frames]
    assert len(frames) == 48 and away[-1] < 3 and away[0] > away[24] > away[-1]


def test_films_begin_where_the_faces_began(wav: Path, tmp_path: Path) -> None:
    source = f'[{{"class_path": "Files", "init_args": {{"paths": ["{wav}"]}}}}]'
    model = ["--model.generator", "linear", "--model.guide", "linear", "--model.audio", "linear"]
    start = ["--model.start", '{"truncation": 0.5, "candidates": 4}', "--model.num_steps", "3"]
    data = ["--data.sources", source, "--data.count", "3", "--data.num_workers", "0"]
    cli = perform(
        "fit", ["--run", str(tmp_path / "run"), *model, *start, *data, "--trainer.accelerator", "cpu"]
    )
    run = FinishedRun(tmp_path / "run")
    records = {record.id: record for record in run.records()}
    (_, cohort), *_ = run.embeddings()
    starts = starts_of(cli.model, cohort, [0, 2], records)
    targets = torch.from_numpy(cohort.targets[[0, 2]])
    found = cli.model.renderer.render_and_score(starts, targets)[2].tolist()
    expected = [records[id].similarity_start for id in ("mine#1", "mine#3")]
    assert found == pytest.approx(expected, abs=1e-5)


def test_words_are_those_of_the_nearest_prompts(wav: Path, tmp_path: Path) -> None:
    assert main(["generate", str(wav), *LINEAR, *SAMPLES, "--count", "2", "-o", str(tmp_path / "out")]) == 0
    run, guide = FinishedRun(tmp_path / "out"), LinearImageTextEmbedder()
    questions = {"first": {"a": "one", "b": "two"}, "second": {"c": "three", "d": "four", "e": "five"}}
    (voice,) = put_in_words(run, voices_of(run, 2), guide, questions)
    (_, cohort), *_ = run.embeddings()
    for vector, words in zip((cohort.targets[0], *cohort.images), (voice.heard, *voice.seen), strict=True):
        for word, prompts in zip(words, questions.values(), strict=True):
            cosines = guide.embed_text(list(prompts.values())).detach().numpy() @ vector
            assert word == list(prompts)[int(cosines.argmax())]
    assert str(Voice("v", ("v",), ("male", "old"), (("male", "adult"),))) == (
        "  v: heard: male, old; seen in the face: male, adult"
    )


def test_no_face_and_too_many_are_refused(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--count", "0"], ["--count", "2", "--start", "mean"]):
        assert main(["generate", str(wav), *LINEAR, *words]) == 2
        assert "data.count" in capsys.readouterr().err
