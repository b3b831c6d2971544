"""The experiment with generators of others: from a folder of audio to pictures, with a small file of each
published format."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from published_stylegan2 import write_ada, write_rosinality, write_stylegan3, write_tensorflow
from slow_stylegan2 import Values, random_values

from stylewav_pl.cli import main
from stylewav_pl.weights.digest import sha256_of

VALUES = random_values([6, 6, 5, 4], z=8, w=8, depth=2)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in each of two folders of a population."""
    folder = tmp_path_factory.mktemp("voices")
    for index, sex in enumerate(("female", "male")):
        (folder / sex).mkdir()
        seconds = np.arange(16_000 * 5) / 16_000
        soundfile.write(
            folder / sex / "a.wav", 0.3 * np.sin(2 * np.pi * (220 - 100 * index) * seconds), 16_000
        )
    return folder


@pytest.mark.parametrize("write", [write_ada, write_stylegan3, write_tensorflow, write_rosinality])
def test_fit_with_a_published_generator(
    write: Callable[[Path, Values], None], voices: Path, tmp_path: Path
) -> None:
    generator, run = tmp_path / "generator", tmp_path / "run"
    write(generator, VALUES)
    sources = json.dumps([{"class_path": "Folder", "init_args": {"path": str(voices)}}])
    data = ["--data.sources", sources, "--data.cohort_size", "2", "--data.num_workers", "0"]
    model = [
        "--model.generator",
        str(generator),
        "--model.start.prior",
        "null",
        "--model.num_steps",
        "3",
        "--trainer.accelerator",
        "cpu",
    ]
    assert main(["fit", "--config", "demo.yaml", "--run", str(run), *data, *model]) == 0
    pictures = sorted((run / "images").rglob("*.png"))
    assert len(pictures) == 2
    for picture in pictures:
        with Image.open(picture) as image:
            assert image.size == (32, 32)
            assert np.asarray(image).std() > 1  # not one colour
    assert json.loads((run / "manifest.json").read_text("utf-8"))["weights"]["generator"][
        "sha256"
    ] == sha256_of(generator)
