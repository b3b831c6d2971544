"""What all painters of faces share: the numbers of the drawings, shaped for images, and shades of colours."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.pocket.faces.drawing import Drawing
from stylewav_pl.pocket.faces.shapes import Canvas, Plane, Scalar

Colour = Float[Tensor, "face 3"]
Painter = Callable[[Canvas, "Sheet"], None]


@dataclass(frozen=True)
class Sheet:
    """A drawing with its numbers shaped ``[face, 1, 1]`` to meet a canvas; colours stay ``[face, 3]``."""

    drawing: Drawing

    def __getattr__(self, name: str) -> Tensor:
        """Returns a field of the drawing in that shape."""
        value: Tensor = getattr(self.drawing, name)
        return value[:, None, None] if value.dim() == 1 else value

    def plain(self, red: float, green: float, blue: float) -> Colour:
        """Returns one colour for all faces."""
        like = self.drawing.skin_colour
        return torch.tensor([[red, green, blue]], dtype=like.dtype, device=like.device).expand(len(like), 3)

    @property
    def shadow(self) -> Colour:
        """Skin in the shade: darker, and redder than grey light alone would make it."""
        skin = self.drawing.skin_colour
        return skin * skin.new_tensor([0.68, 0.54, 0.50])

    @property
    def light(self) -> Colour:
        """Skin where the light falls."""
        return tint(self.drawing.skin_colour, 1.45)


def tint(colour: Colour, factor: float) -> Colour:
    """Returns the colour darker for factors below 1, towards white above."""
    return colour * factor if factor <= 1 else 1 - (1 - colour) * (2 - factor)


def inside(distance: Plane, canvas: Canvas, softness: float = 0.0) -> Plane:
    """Returns how much of each pixel lies in a shape, in [0, 1]."""
    return (0.5 - distance / (1.2 * canvas.pixel + softness)).clamp_(0.0, 1.0)


def head_distance(canvas: Canvas, s: Sheet, grow: Scalar | float = 0.0, down: Scalar | float = 0.0) -> Plane:
    """Returns the distance to the head: an egg, narrow below by its taper and square below by its jaw."""
    u, v = canvas.x - s.centre_x, canvas.y - s.centre_y
    height = s.head_height + grow + torch.where(v > 0, torch.as_tensor(down), torch.zeros(()))
    low = (v / s.head_height).clamp(0.0, 1.0)
    width = (s.head_width + grow) * (1.0 - s.taper * low.square())
    a, b = (u / width).square(), (v / height).square()
    oval = torch.sqrt(a + b + 1e-9)
    square = torch.sqrt(torch.sqrt(a * a + b * b + 1e-9))
    oval += 0.75 * s.jaw * low * (square - oval)
    return (oval - 1.0) * torch.minimum(width, height)
