"""Draws cartoon busts: layers of soft shapes from the background to the glasses."""

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.pocket.faces.attributes import attributes_of
from stylewav_pl.pocket.faces.drawing import drawing_of
from stylewav_pl.pocket.faces.parts import PAINTERS
from stylewav_pl.pocket.faces.shapes import Canvas
from stylewav_pl.pocket.faces.sheet import Sheet

RESOLUTION = 128  # what the drawings are made for; lines are about one pixel wide there
CHUNK = 16  # faces drawn at once: a few planes of that many faces stay in the processor's cache


@torch.no_grad()
def render(
    z: Float[Tensor, "face 64"], resolution: int = RESOLUTION
) -> Float[Tensor, "face 3 resolution resolution"]:
    """Draws the faces that belong to noise ``z``.

    Args:
        z: Gaussian noise; only its direction counts.
        resolution: Height and width in pixels; the drawing is the same at each.

    Returns:
        RGB in [-1, 1]; deterministic, without gradient.
    """
    parts = [_render(z[start : start + CHUNK], resolution) for start in range(0, len(z), CHUNK)]
    return torch.cat(parts) if parts else z.new_zeros(0, 3, resolution, resolution)


def _render(z: Float[Tensor, "face 64"], resolution: int) -> Float[Tensor, "face 3 resolution resolution"]:
    drawing = drawing_of(attributes_of(z))
    canvas = Canvas.blank(len(z), resolution, z)
    sheet = Sheet(drawing)
    for paint in PAINTERS:
        paint(canvas, sheet)
    return canvas.image.mul_(2.0).sub_(1.0).clamp_(-1.0, 1.0)
