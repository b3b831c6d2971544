"""Soft shapes on a batch of images: signed distances in, blended colour out.

Coordinates run from -1 / ZOOM to 1 / ZOOM, x to the right and y down. A distance is negative inside a shape;
the edge is blended over about one pixel, which is what makes small images look clean.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Plane = Float[Tensor, "#face #height #width"]
Scalar = Float[Tensor, "#face #height #width"]  # mostly one number per face: [face, 1, 1]
Colour = Float[Tensor, "face 3"]


ZOOM = 1.1  # the canvas shows what lies between -1 / ZOOM and 1 / ZOOM


@dataclass(frozen=True)
class Canvas:
    """Images in the making, with the coordinates of their pixels.

    Attributes:
        image: RGB in [0, 1], changed in place.
        x: Column coordinates.
        y: Row coordinates.
        pixel: Width of one pixel.
    """

    image: Float[Tensor, "face 3 height width"]
    x: Float[Tensor, "1 1 width"]
    y: Float[Tensor, "1 height 1"]
    pixel: float

    @classmethod
    def blank(cls, faces: int, resolution: int, like: Tensor) -> "Canvas":
        """A black canvas with the dtype and device of ``like``."""
        pixel = 2.0 / (ZOOM * resolution)
        centres = (torch.arange(resolution, dtype=like.dtype, device=like.device) + 0.5) * pixel - 1.0 / ZOOM
        image = torch.zeros(faces, 3, resolution, resolution, dtype=like.dtype, device=like.device)
        return cls(image, centres.view(1, 1, -1), centres.view(1, -1, 1), pixel)

    def window(self, top: float, bottom: float, left: float = -1.0, right: float = 1.0) -> "Canvas":
        """The part between these coordinates; painting on it paints on this canvas, at less cost."""
        rows = slice(self._index(top), self._index(bottom))
        columns = slice(self._index(left), self._index(right))
        return Canvas(self.image[:, :, rows, columns], self.x[:, :, columns], self.y[:, rows], self.pixel)

    def paint(
        self, distance: Plane, colour: Colour, opacity: Scalar | float = 1.0, softness: float = 0.0
    ) -> None:
        """Fills a shape: ``opacity`` in [0, 1].

        ``softness`` is the width of the edge beyond the usual 1.2 pixels.
        """
        coverage = (0.5 - distance / (1.2 * self.pixel + softness)).clamp_(0.0, 1.0)
        self.blend(coverage * opacity, colour)

    def blend(self, alpha: Plane, colour: Colour) -> None:
        """Mixes a colour in, ``alpha`` in [0, 1]."""
        self.image.lerp_(colour[:, :, None, None], alpha.unsqueeze(1))

    def _index(self, coordinate: float) -> int:
        size = round(2.0 / (ZOOM * self.pixel))
        return min(max(round((coordinate + 1.0 / ZOOM) / self.pixel), 0), size)


def ellipse(u: Plane, v: Plane, width: Scalar | float, height: Scalar | float) -> Plane:
    """Distance to an ellipse with these half axes round the origin of (u, v).

    Exact for a circle, good near the edge.
    """
    radius = torch.sqrt((u / width).square() + (v / height).square() + 1e-9)
    gradient = torch.sqrt((u / width**2).square() + (v / height**2).square() + 1e-9)
    return (radius - 1.0) * radius / gradient.clamp_min(1e-3)


def squircle(u: Plane, v: Plane, width: Scalar | float, height: Scalar | float) -> Plane:
    """Distance, along the axes, to the fourth-power ellipse with these half axes."""
    radius = torch.sqrt(torch.sqrt((u / width).square().square() + (v / height).square().square() + 1e-9))
    return (radius - 1.0) * torch.minimum(torch.as_tensor(width), torch.as_tensor(height))


def rounded_box(
    u: Plane, v: Plane, width: Scalar | float, height: Scalar | float, corner: Scalar | float
) -> Plane:
    """Distance to a box with these half sides and corners rounded with radius ``corner``."""
    a = u.abs() - width + corner
    b = v.abs() - height + corner
    outside = torch.sqrt(a.clamp_min(0.0).square() + b.clamp_min(0.0).square() + 1e-9)
    return outside + torch.maximum(a, b).clamp_max(0.0) - corner


def segment(u: Plane, v: Plane, start: tuple[Scalar, Scalar], end: tuple[Scalar, Scalar]) -> Plane:
    """Distance to a straight line piece."""
    du, dv = end[0] - start[0], end[1] - start[1]
    along = (((u - start[0]) * du + (v - start[1]) * dv) / (du.square() + dv.square() + 1e-9)).clamp(0.0, 1.0)
    return torch.sqrt((u - start[0] - along * du).square() + (v - start[1] - along * dv).square() + 1e-9)


def lens(u: Plane, v: Plane, width: Scalar | float, bend: Scalar | float, thickness: Scalar | float) -> Plane:
    """Distance, along v, to a curved almond.

    A parabola through the origin, ``bend`` higher (v) at the ends, thick in the middle.
    """
    across = (u / width).square()
    return (v - bend * across).abs() - thickness * (1.0 - across)


def glow(u: Plane, v: Plane, width: Scalar | float, height: Scalar | float) -> Plane:
    """Strength of a soft spot round the origin of (u, v): 1 in the middle, smoothly 0 at these half axes.

    >>> glow(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), 1.0, 1.0).item()
    1.0
    """
    return (1.0 - (u / width).square() - (v / height).square()).clamp_(0.0).square()
