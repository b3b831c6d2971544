"""Faces stand in the band of their population, and pictures say what they show."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylewav_pl.pictures.grid import TINTS, picture_grid, strip

RED, BLUE = (255, 0, 0), (0, 0, 255)


def face(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((8, 8, 3), colour, dtype=np.uint8)


def pixels(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere((np.asarray(picture) == colour).all(axis=-1))


def read(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def test_each_face_is_in_its_band_and_none_is_lost() -> None:
    picture = picture_grid({"male": [face(BLUE)] * 5, "female": [face(RED)] * 2}, columns=3, size=32)
    blue, red = pixels(picture, BLUE), pixels(picture, RED)
    assert (len(blue), len(red)) == (5 * 32 * 32, 2 * 32 * 32)
    assert blue[:, 0].max() < red[:, 0].min()


def test_bands_have_their_own_tint_and_a_title() -> None:
    picture = np.asarray(picture_grid({"male": [face(BLUE)], "female": [face(RED)]}, size=64).convert("RGB"))
    tints = {tuple(int(tint[i : i + 2], 16) for i in (1, 3, 5)) for tint in TINTS[:2]}
    assert {
        tuple(int(value) for value in picture[0, 0]),
        tuple(int(value) for value in picture[-1, 0]),
    } == tints
    assert picture[:40].min() < 60  # dark letters above the first face


def test_pictures_and_arrays_are_the_same() -> None:
    arrays, pictures = picture_grid({"a": [face(RED)]}), picture_grid({"a": [Image.fromarray(face(RED))]})
    assert arrays.tobytes() == pictures.tobytes()


def test_a_long_title_is_not_cut() -> None:
    short, long = picture_grid({"a": [face(RED)]}, size=32), picture_grid({"a" * 60: [face(RED)]}, size=32)
    assert long.width > 60 * 10 > short.width


@pytest.mark.parametrize("images", [{}, {"male": []}])
def test_nothing_to_show_is_still_a_picture(images: dict[str, list[np.ndarray]]) -> None:
    assert np.asarray(picture_grid(images)).min() < 60


def test_a_strip_shows_frames_in_order() -> None:
    picture = strip([face(BLUE), face(RED)], [0, 10], size=32)
    assert pixels(picture, BLUE)[:, 1].max() < pixels(picture, RED)[:, 1].min()
    assert np.asarray(picture)[-25:].min() < 200  # the numbers


@pytest.mark.parametrize(("frames", "steps"), [(0, []), (2, [0])])
def test_a_strip_needs_a_number_for_each_frame(frames: int, steps: list[int]) -> None:
    with pytest.raises(ValueError, match="Expected one step number"):
        strip([face(RED)] * frames, steps)
