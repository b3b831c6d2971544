"""Thumbnails of start images come back from their sheet."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylewav_pl.pictures.images import IMAGE_NOTICE
from stylewav_pl.pictures.sheets import read_tile, write_sheet


@pytest.mark.parametrize("count", [1, 10, 23])
def test_each_picture_comes_back(tmp_path: Path, count: int) -> None:
    shades = [10 * index + 5 for index in range(count)]
    write_sheet(tmp_path / "sheet.jpg", [np.full((16, 16, 3), shade, dtype=np.uint8) for shade in shades])
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert IMAGE_NOTICE in sheet.info["comment"].decode()
        tiles = [read_tile(sheet, index) for index in range(count)]
    assert {tile.size for tile in tiles} == {(16, 16)}
    assert [np.asarray(tile).mean() for tile in tiles] == pytest.approx(shades, abs=2)


def test_no_picture_no_file(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.jpg", [])
    assert not list(tmp_path.iterdir())
