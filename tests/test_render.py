"""``predict``: any finished run, rendered later, from files and from shards."""

import io
import json
import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import ExifTags, Image, ImageSequence
from safetensors import safe_open
from webdataset.tariterators import group_by_keys, tar_file_expander

from stylewav_pl.cli import main
from stylewav_pl.generators import load_generator
from stylewav_pl.pictures.images import IMAGE_NOTICE, encode, to_picture
from stylewav_pl.pictures.video import resized
from stylewav_pl.runs.plan import stem_of

CONFIG = """
model: {{generator: linear, guide: linear, audio: linear, num_steps: 3, latent_space: {space}}}
data:
  cohort_size: 2
  num_workers: 0
  sources: [{{class_path: Folder, init_args: {{path: {folder}}}}}]
progress: {{enabled: false}}
trainer: {{accelerator: cpu}}
"""


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    for number in range(3):
        soundfile.write(
            folder / f"v{number}.wav", 0.1 * np.random.default_rng(number).standard_normal(9_600), 16_000
        )
    return folder


def fit(voices: Path, run: Path, *options: str, space: str = "W") -> list[str]:
    config = run.with_suffix(".yaml")
    config.write_text(CONFIG.format(folder=voices, space=space))
    words = ["--config", str(config), "--run", str(run), *options]
    assert main(["fit", *words]) == 0
    return words


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=float)


@pytest.fixture(scope="module")
def files(voices: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    run = tmp_path_factory.mktemp("files") / "run"
    return run, fit(voices, run)


@pytest.fixture(scope="module")
def latents(voices: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Latents only, in shards."""
    run = tmp_path_factory.mktemp("latents") / "run"
    return run, fit(voices, run, "--writer.store", "shards", "--writer.image", "none")


def test_shards_of_latents_give_the_images_that_files_have(files, latents) -> None:
    run, words = latents
    assert not (run / "images").exists() and not (run / "grid.png").exists() and not list(run.rglob("*.jpg"))
    assert main(["predict", *words]) == 0
    for number in range(3):
        assert np.array_equal(
            pixels(run / "rendered" / f"v{number}.png"), pixels(files[0] / "images" / f"v{number}.png")
        )
    with Image.open(run / "rendered" / "v0.png") as picture:
        assert picture.info["Comment"] == IMAGE_NOTICE
    assert not (run / ".writing").exists()


def read_by_webdataset(run: Path) -> list[dict[str, Any]]:
    """The samples of all shards; the files are opened here, since webdataset leaves them open."""
    with ExitStack() as files:
        streams = [
            {"url": path.name, "stream": files.enter_context(path.open("rb"))}
            for path in sorted((run / "shards").iterdir())
        ]
        return list(group_by_keys(tar_file_expander(streams)))


def test_webdataset_reads_latents_and_records(latents) -> None:
    samples = read_by_webdataset(latents[0])
    assert [sample["__key__"] for sample in samples] == ["v0", "v1", "v2"]
    record = json.loads(samples[1]["json"])
    assert (
        record["id"] == "v1" and len(record["curve"]) == 4 and record["similarity_end"] == record["curve"][-1]
    )


def test_at_another_resolution_in_a_folder_of_its_own(files) -> None:
    run, words = files
    assert main(["predict", *words, "--resolution", "24"]) == 0
    assert pixels(run / "rendered-24px" / "v0.png").shape == (24, 24, 3)


@pytest.mark.parametrize("space", ["W", "WPlus", "S"])
def test_truncation_leads_to_the_mean_face(voices: Path, tmp_path: Path, space: str) -> None:
    run = tmp_path / "run"
    words = fit(voices, run, space=space)
    for truncation in ("0", "0.5"):
        assert main(["predict", *words, "--truncation", truncation]) == 0
    full, half, mean = (
        pixels(run / folder / "v0.png")
        for folder in ("images", "rendered-truncation0.5", "rendered-truncation0")
    )
    assert np.array_equal(mean, pixels(run / "rendered-truncation0" / "v1.png")), "one mean face for all"
    assert 0 < np.abs(half - mean).mean() < np.abs(full - mean).mean()


@pytest.mark.parametrize("space", ["W", "WPlus", "S"])
def test_truncation_with_a_cutoff_pulls_the_coarse_layers_alone(
    voices: Path, tmp_path: Path, space: str
) -> None:
    """Of four layers none, two, all: each in a folder of its own."""
    run = tmp_path / "run"
    words = fit(voices, run, space=space)
    assert main(["predict", *words, "--truncation", "0.3"]) == 0
    for cutoff in ("0", "2", "4"):
        assert main(["predict", *words, "--truncation", "0.3", "--truncation_cutoff", cutoff]) == 0
    full, pulled, none, half, every = (
        pixels(run / folder / "v0.png")
        for folder in (
            "images",
            "rendered-truncation0.3",
            "rendered-truncation0.3-cutoff0",
            "rendered-truncation0.3-cutoff2",
            "rendered-truncation0.3-cutoff4",
        )
    )
    assert np.array_equal(none, full) and np.abs(every - pulled).max() <= 1
    assert 0 < np.abs(half - full).mean() < np.abs(pulled - full).mean()


def test_styles_are_stored_whole_with_the_places_to_cut_them(voices: Path, tmp_path: Path) -> None:
    """Whoever knows the file alone can render it, whichever styles were optimised."""
    generator = load_generator("pocket")
    options = ["--model.generator", "pocket", "--model.latent_space.to_rgb", "false"]
    run = tmp_path / "run"
    words = fit(voices, run, *options, space="S")
    path = run / "latents" / "v0.safetensors"
    with safe_open(path, framework="pt") as file:
        latent, about = file.get_tensor("latent"), file.metadata()
    assert (about["id"], about["space"]) == ("v0", "s")
    styles = torch.split(latent[None], [int(size) for size in about["sizes"].split(",")], dim=1)
    rendered = to_picture(generator.synthesize(styles)[0].detach())
    assert np.abs(np.asarray(rendered, dtype=float) - pixels(run / "images" / "v0.png")).max() <= 1
    assert main(["predict", *words]) == 0
    assert np.array_equal(pixels(run / "rendered" / "v0.png"), pixels(run / "images" / "v0.png"))


@pytest.mark.parametrize("format", ["webp", "gif"])
def test_a_film_leads_from_the_mean_face_to_the_clips(files, format: str) -> None:
    run, words = files
    assert main(["predict", *words, "--video", format]) == 0
    with Image.open(run / "rendered" / f"v0.{format}") as film:
        frames = [np.asarray(frame.convert("RGB"), dtype=float) for frame in ImageSequence.Iterator(film)]
    assert len(frames) > 10  # equal neighbours become one
    if format == "gif":  # WebP's losses hide in no face, but in the noise that the linear generator makes
        final = pixels(run / "images" / "v0.png")
        distances = [
            np.abs(frame - final).mean() for frame in (frames[0], frames[len(frames) // 2], frames[-1])
        ]
        assert distances[0] > distances[1] > distances[2]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_film_as_mp4(files) -> None:
    run, words = files
    assert main(["predict", *words, "--video", "mp4", "--resolution", "63"]) == 0
    path = run / "rendered-63px" / "v0.mp4"
    frames = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-f", "image2pipe", "-c:v", "png", "-frames:v", "1", "-"],
        capture_output=True,
        check=True,
    )
    with Image.open(io.BytesIO(frames.stdout)) as picture:
        assert picture.size == (64, 64)


REFUSED = [
    ["--resolution", "0"],
    ["--truncation", "3"],
    ["--video", "avi"],
    ["--truncation_cutoff", "2"],  # of what?
    ["--truncation_cutoff", "5", "--truncation", "0.7"],
    ["--truncation_cutoff", "-1", "--truncation", "0.7"],
]


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_what_cannot_be_is_refused(files, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *files[1], *options]) == 2
    assert options[0].removeprefix("--") in capsys.readouterr().err


def test_other_commands_do_not_know_the_options_of_predict(files, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *files[1], "--resolution", "24"]) == 2
    assert "resolution" in capsys.readouterr().err


def test_images_of_a_run_in_shards_can_be_scored_again_and_shown(voices: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = fit(voices, run, "--writer.store", "shards", "--writer.image", "webp")
    assert (
        main(["test", *words, "--clip_score.prompts", '{"sex": {"male": "a king", "female": "a queen"}}'])
        == 0
    )
    assert "score: a king" in (run / "results.csv").read_text().splitlines()[0]
    assert pixels(run / "grid.png").std() > 10


def test_a_run_without_images_says_so_when_they_are_to_be_scored(
    latents, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            ["test", *latents[1], "--clip_score.prompts", '{"sex": {"male": "a king", "female": "a queen"}}']
        )
        == 5
    )
    assert "has latents only" in capsys.readouterr().err


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_images_in_every_format_say_what_they_are(format: str) -> None:
    ramp = Image.fromarray(
        np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (64, 64, 3)).copy()
    )
    data = encode(ramp, format, "Ä/b", 7)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == format.upper()
        assert np.abs(
            np.asarray(picture.convert("RGB"), dtype=float) - np.asarray(ramp, dtype=float)
        ).mean() < (1e-9 if format == "png" else 1)
        said = picture.info.get("Comment") or picture.getexif()[ExifTags.Base.ImageDescription]
        assert IMAGE_NOTICE in said
    assert encode(ramp, format, "Ä/b", 7) == data


def test_a_run_of_jpegs(voices: Path, tmp_path: Path) -> None:
    fit(voices, tmp_path / "run", "--writer.image", "jpeg")
    assert sorted(path.name for path in (tmp_path / "run" / "images").iterdir()) == [
        "v0.jpeg",
        "v1.jpeg",
        "v2.jpeg",
    ]
    assert pixels(tmp_path / "run" / "grid.png").std() > 10


def test_nothing_to_write_is_refused(
    voices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(CONFIG.format(folder=voices, space="W"))
    assert (
        main(
            [
                "fit",
                "--config",
                str(config),
                "--run",
                str(tmp_path / "run"),
                "--writer.image",
                "none",
                "--writer.latents",
                "false",
            ]
        )
        == 2
    )
    assert "nothing would be written" in capsys.readouterr().err


@pytest.mark.parametrize("space", ["W", "WPlus", "S"])
def test_a_walk_leads_from_one_face_to_another(voices: Path, tmp_path: Path, space: str) -> None:
    run = tmp_path / "run"
    words = fit(voices, run, "--model.start", '{"truncation": 1.0}', space=space)
    latent = run / "latents" / "v2.safetensors"
    for ends in (["v0", "v1"], ["v0", str(latent)]):
        assert main(["predict", *words, "--between", *ends, "--video", "gif", "--resolution", "24"]) == 0
    assert not (run / "rendered-24px" / "v0.png").exists(), "the way alone"
    for name, last in (("v0--v1", "v1"), ("v0--v2", "v2")):
        place = run / "rendered-24px" / stem_of(name)
        with Image.open(f"{place}.gif") as film:
            frames = [np.asarray(frame.convert("RGB"), dtype=float) for frame in ImageSequence.Iterator(film)]
        assert len(frames) > 10
        begin, end = (shrunk(run / "images" / f"{id}.png", 24) for id in ("v0", last))
        away, left = np.abs(frames[0] - begin).mean(), np.abs(frames[-1] - end).mean()
        assert max(away, left) < 0.3 * np.abs(begin - end).mean()  # a GIF has 256 colours
        with Image.open(f"{place}.png") as picture:
            assert picture.info["Comment"] == IMAGE_NOTICE


def shrunk(path: Path, size: int) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(resized(picture.convert("RGB"), size), dtype=float)


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (["v0", "v0"], "two different faces"),
        (["v0", "v00"], "Did you mean v0"),
        (["v0", "nothing.safetensors"], "first column of results.csv"),
        (["v0", "results.csv"], "damaged|no latent|cannot be read|holds"),
    ],
)
def test_a_walk_between_nothing_is_refused(files, ends: list[str], words: str, capsys) -> None:
    run, options = files
    ends = [str(run / end) if end.endswith(".csv") else end for end in ends]
    assert main(["predict", *options, "--between", *ends]) == 2
    assert re.search(words, " ".join(capsys.readouterr().err.split()))
