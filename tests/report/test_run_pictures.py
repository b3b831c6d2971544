"""The picture of a run shows its populations; what is missing is left out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from stylewav_pl.report.run_pictures import save_grid
from stylewav_pl.runs.finished import FinishedRun


def pixels(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere((np.asarray(picture) == colour).all(axis=-1))


def read(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def test_a_grid_of_a_run_shows_populations_and_the_rest(make_run: Callable[..., Path]) -> None:
    path = save_grid(FinishedRun(make_run(voices=6, unlabelled=2)))
    assert path.name == "grid.png"
    picture = read(path)
    blue, red, grey = (
        pixels(picture, colour)[:, 0]
        for colour in [(0x3B, 0x6F, 0xB6), (0xD1, 0x49, 0x5B), (0x7A, 0x7A, 0x7A)]
    )
    assert blue.max() < red.min() and red.max() < grey.min()


def test_a_large_population_is_sampled(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=12, unlabelled=0)
    small, large = read(save_grid(FinishedRun(run), limit=3)).size, read(save_grid(FinishedRun(run))).size
    assert small[0] < large[0] and small[1] < large[1]


def test_missing_and_damaged_images_are_left_out(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=4)
    (run / "images" / "voice-000.png").unlink()
    (run / "images" / "voice-001.png").write_bytes(b"no image")
    assert read(save_grid(FinishedRun(run))).width > 0


def test_a_run_without_any_image_still_ends(make_run: Callable[..., Path]) -> None:
    assert save_grid(FinishedRun(make_run(images=False))).is_file()


def test_the_trait_can_be_chosen(make_run: Callable[..., Path]) -> None:
    run = make_run(voices=3, unlabelled=0)
    assert (
        read(save_grid(FinishedRun(run), trait="age")).height < read(save_grid(FinishedRun(run))).height
    )  # no such label: one band
