"""Thumbnails of the start images, one sheet per cohort.

A hundred small files would cost more than what is in them.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stylewav_pl.files import write_whole
from stylewav_pl.pictures.images import IMAGE_NOTICE
from stylewav_pl.runs.digests import Digest, digest_of

COLUMNS = 10


def write_sheet(path: Path, tiles: Sequence[np.ndarray]) -> Digest | None:
    """Writes ``[height, width, 3]`` pictures of one size, ten in a row, as a JPEG.

    Whole or not at all, nothing where there are none.

    Returns:
        What was written.
    """
    if not tiles:
        return None
    height, width = tiles[0].shape[:2]
    sheet = Image.new("RGB", (COLUMNS * width, -(-len(tiles) // COLUMNS) * height))
    for index, tile in enumerate(tiles):
        sheet.paste(Image.fromarray(tile), (index % COLUMNS * width, index // COLUMNS * height))
    encoded = io.BytesIO()
    sheet.save(encoded, format="JPEG", quality=90, comment=IMAGE_NOTICE)
    write_whole(path, lambda file: file.write(encoded.getvalue()))
    return digest_of(encoded.getvalue())


def read_tile(sheet: Image.Image, index: int) -> Image.Image:
    """One picture of a sheet."""
    size = sheet.width // COLUMNS
    left, top = index % COLUMNS * size, index // COLUMNS * size
    return sheet.crop((left, top, left + size, top + size))
