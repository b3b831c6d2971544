"""``stylewav-pl invert``: photos to latents that ``generate --latent`` begins at."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors import safe_open

from stylewav_pl.cli import main
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.pictures.images import to_picture

NETWORKS = ("--generator", "linear", "--guide", "linear", "--device", "cpu")
PIXELS = ("--perceptual", "0", "--steps", "30")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    generator = LinearGenerator()
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(3))
    paths = []
    for name, image in zip(("me", "you"), generator.synthesize(generator.map(z)).detach(), strict=True):
        paths.append(tmp_path / f"{name}.png")
        to_picture(image).save(paths[-1])
    return paths


@pytest.mark.parametrize("space", ["W", "WPlus", "S"])
def test_faces_begin_at_what_was_found(
    photos: list[Path], tmp_path: Path, space: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    assert main(["invert", *map(str, photos), "-o", str(out), "--space", space, *NETWORKS, *PIXELS]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "me.png", "me.safetensors", "you.png", "you.safetensors",
    ]  # fmt: skip
    assert capsys.readouterr().out.count(" dB from ") == 2
    with safe_open(out / "me.safetensors", framework="pt") as file:
        about = file.metadata()
    assert about["id"] == "me" and about["space"] == {"W": "w", "WPlus": "w+", "S": "s"}[space]
    soundfile.write(tmp_path / "you.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 8000), 16_000)
    words = ["--audio-encoder", "linear", "--model.latent_space", space, "--steps", "1"]
    run = tmp_path / "run"
    assert (
        main(["generate", str(tmp_path / "you.wav"), "--latent", str(out), "-o", str(run), *NETWORKS, *words])
        == 0
    )
    first = np.asarray(Image.open(run / "images/you.png").convert("RGB"), dtype=float)
    start = np.asarray(Image.open(out / "you.png").convert("RGB"), dtype=float)
    mean = np.asarray(
        to_picture(LinearGenerator().synthesize(LinearGenerator().w_mean[None])[0]), dtype=float
    )
    assert np.abs(first - start).mean() < 0.7 * np.abs(mean - start).mean()


def test_faces_begin_at_photos_by_one_option(photos: list[Path], tmp_path: Path, capsys) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 8000), 16_000)
    words = ["generate", str(tmp_path / "a.wav"), "--photo", str(photos[0]), "-o", str(tmp_path / "run")]
    words += [*NETWORKS, "--audio-encoder", "linear", "--steps", "1"]
    assert main(words) == 2
    assert "no patch features" in capsys.readouterr().err
    pixels = ["--model.start.inversion", '{"perceptual": 0, "steps": 20}', "--restart"]
    assert main([*words, *pixels]) == 0
    assert main([*words, "--latent", "there"]) == 2
    assert "--latent and --photo contradict each other" in capsys.readouterr().err


def test_all_bad_photos_are_named_and_nothing_is_made(photos: list[Path], tmp_path: Path, capsys) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "wide.png")
    bad = [str(tmp_path / "wide.png"), str(tmp_path / "absent.png")]
    assert main(["invert", str(photos[0]), *bad, "-o", str(tmp_path / "out"), *NETWORKS, *PIXELS]) == 2
    said = capsys.readouterr().err
    assert "wide.png" in said and "absent.png" in said and not (tmp_path / "out").exists()
    two = ["invert", *map(str, photos), "--landmarks", "points.json", "-o", str(tmp_path / "out")]
    assert main(two) == 2
    assert "those of one photo" in capsys.readouterr().err
