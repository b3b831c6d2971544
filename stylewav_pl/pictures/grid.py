"""Draws faces side by side: a band for each group of them, or one face on its way."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

Picture: TypeAlias = Image.Image | UInt8[np.ndarray, "height width 3"]

PAPER, INK, GREY = "#ffffff", "#1b1f24", "#6a737d"
# pale forms of the Okabe-Ito colours, for all eyes
TINTS = ("#e8f0f8", "#fbeee2", "#e6f4ee", "#f6e9f2", "#f7f4dc", "#eeeeee")
_GAP, _MARGIN, _TITLE, _CAPTION = 6, 14, 26, 15


def picture_grid(
    images_by_label: Mapping[str, Sequence[Picture]],
    *,
    columns: int = 10,
    size: int = 96,
    notes: Mapping[str, str] | None = None,
) -> Image.Image:
    """One titled band per population, its faces in rows.

    Args:
        images_by_label: Title to faces, in the order of the bands; arrays are 8-bit RGB.
        columns: Most faces in a row.
        size: Height and width of a face in pixels.
        notes: By title, a few words in grey beside it, e.g. how many faces there are.

    >>> face = np.zeros((64, 64, 3), np.uint8)
    >>> picture_grid({"male": [face] * 3, "female": [face]}, size=32).mode
    'RGB'
    """
    across = max(1, min(columns, max(map(len, images_by_label.values()), default=0)))
    width = max(2 * _MARGIN + across * (size + _GAP) - _GAP, _title_width(images_by_label, notes or {}))
    bands = [
        _band(title, (notes or {}).get(title, ""), faces, across, size, width, TINTS[index % len(TINTS)])
        for index, (title, faces) in enumerate(images_by_label.items())
    ] or [_band("no faces", "", (), across, size, width, TINTS[-1])]
    canvas = Image.new("RGB", (width, sum(band.height for band in bands) + _GAP * (len(bands) - 1)), PAPER)
    top = 0
    for band in bands:
        canvas.paste(band, (0, top))
        top += band.height + _GAP
    return canvas


def strip(
    frames: Sequence[Picture], steps: Sequence[int], *, size: int = 128, unit: str = "step {}"
) -> Image.Image:
    """One face at several steps, from left to right, each with its number underneath.

    Args:
        frames: At least one; arrays are 8-bit RGB.
        steps: The step of each frame.
        size: Height and width of a face in pixels.
        unit: What is written of a number.

    Raises:
        ValueError: If frames and steps differ in number, or there are none.

    >>> strip([np.zeros((64, 64, 3), np.uint8)] * 2, [0, 10]).size
    (290, 171)
    """
    if not frames or len(frames) != len(steps):
        raise ValueError(
            f"Expected one step number for each of at least one frame, found {len(frames)} frames and "
            f"{len(steps)} numbers."
        )
    font = _font(_CAPTION)
    canvas = Image.new(
        "RGB", (2 * _MARGIN + len(frames) * (size + _GAP) - _GAP, 2 * _MARGIN + size + _CAPTION), PAPER
    )
    draw = ImageDraw.Draw(canvas)
    for index, (frame, step) in enumerate(zip(frames, steps, strict=True)):
        left = _MARGIN + index * (size + _GAP)
        canvas.paste(_resized(frame, size), (left, _MARGIN))
        draw.text(
            (left + size / 2, _MARGIN + size + _GAP), unit.format(step), fill=GREY, font=font, anchor="mt"
        )
    return canvas


def frames_of(drawn: Image.Image, size: int = 128) -> list[Image.Image]:
    """Cuts a strip into its frames again, without their numbers.

    Args:
        drawn: By :func:`strip`.
        size: Height and width of a face in pixels, as it was drawn.

    >>> drawn = strip([np.zeros((64, 64, 3), np.uint8)] * 3, [0, 5, 10])
    >>> [frame.size for frame in frames_of(drawn)]
    [(128, 128), (128, 128), (128, 128)]
    """
    lefts = range(_MARGIN, drawn.width - size, size + _GAP)
    return [drawn.crop((left, _MARGIN, left + size, _MARGIN + size)) for left in lefts]


def _band(
    title: str, note: str, faces: Sequence[Picture], across: int, size: int, width: int, tint: str
) -> Image.Image:
    rows = -(-len(faces) // across)
    head = _MARGIN + _TITLE + _GAP
    band = Image.new("RGB", (width, head + rows * (size + _GAP) - _GAP * (rows > 0) + _MARGIN), tint)
    draw = ImageDraw.Draw(band)
    baseline = _MARGIN + _TITLE - 6
    draw.text((_MARGIN, baseline), title, fill=INK, font=_font(_TITLE - 4, bold=True), anchor="ls")
    draw.text(
        (_MARGIN + _text_width(title, bold=True) + 12, baseline),
        note,
        fill=GREY,
        font=_font(_CAPTION),
        anchor="ls",
    )
    for index, face in enumerate(faces):
        row, column = divmod(index, across)
        band.paste(_resized(face, size), (_MARGIN + column * (size + _GAP), head + row * (size + _GAP)))
    return band


def _resized(face: Picture, size: int) -> Image.Image:
    picture = face.convert("RGB") if isinstance(face, Image.Image) else Image.fromarray(face)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def _title_width(images_by_label: Mapping[str, Sequence[Picture]], notes: Mapping[str, str]) -> int:
    titles = [(title, notes.get(title, "")) for title in images_by_label or {"no faces": ()}]
    return max(
        2 * _MARGIN + 12 + int(_text_width(title, bold=True) + _text_width(note, bold=False)) + 1
        for title, note in titles
    )


def _text_width(text: str, bold: bool) -> float:
    return _font(_TITLE - 4 if bold else _CAPTION, bold).getlength(text)


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib ships: unlike PIL's own font it knows most alphabets."""
    # here, since writers import this module on the way to the first cohort
    from matplotlib import get_data_path

    name = f"DejaVuSans{'-Bold' * bold}.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)
