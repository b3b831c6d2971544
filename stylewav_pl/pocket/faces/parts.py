"""The parts of a face, one painter each; :data:`PAINTERS` is their order from back to front."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.pocket.faces.drawing import Drawing
from stylewav_pl.pocket.faces.shapes import (
    Canvas,
    Plane,
    Scalar,
    ellipse,
    lens,
    rounded_box,
    segment,
    squircle,
)

Painter = Callable[[Canvas, "Sheet"], None]


@dataclass(frozen=True)
class Sheet:
    """A drawing with its numbers shaped ``[face, 1, 1]``, ready to meet the coordinates of a canvas; colours stay ``[face, 3]``."""

    drawing: Drawing

    def __getattr__(self, name: str) -> Tensor:
        """A field of the drawing in that shape."""
        value: Tensor = getattr(self.drawing, name)
        return value[:, None, None] if value.dim() == 1 else value

    def plain(self, red: float, green: float, blue: float) -> Float[Tensor, "face 3"]:
        """One colour for all faces."""
        like = self.drawing.skin_colour
        return torch.tensor([[red, green, blue]], dtype=like.dtype, device=like.device).expand(len(like), 3)


def tint(colour: Float[Tensor, "face 3"], factor: float) -> Float[Tensor, "face 3"]:
    """Darker for factors below 1, towards white above."""
    return colour * factor if factor <= 1 else 1 - (1 - colour) * (2 - factor)


def paint_background(canvas: Canvas, s: Sheet) -> None:
    """A flat colour with a soft light behind the head."""
    colour = s.background_colour
    canvas.image.copy_(colour[:, :, None, None].expand_as(canvas.image))
    radius = (canvas.x - 0.0).square() + (canvas.y + 0.1).square()
    canvas.blend((0.75 - 0.6 * radius).clamp(0, 1) * torch.full_like(s.centre_x, 0.45), tint(colour, 1.9))


def head_distance(canvas: Canvas, s: Sheet, grow: Scalar | float = 0.0, down: Scalar | float = 0.0) -> Plane:
    """Distance to the head: an ellipse whose lower half is more square the stronger the jaw."""
    u, v = canvas.x - s.centre_x, canvas.y - s.centre_y
    height = s.head_height + grow + torch.where(v > 0, torch.as_tensor(down), torch.zeros(()))
    width = s.head_width + grow
    a, b = (u / width).square(), (v / height).square()
    oval = torch.sqrt(a + b + 1e-9)
    square = torch.sqrt(torch.sqrt(a * a + b * b + 1e-9))
    share = s.jaw * 0.75 * (b * (v > 0)).clamp(0, 1).sqrt()
    return (oval + share * (square - oval) - 1.0) * torch.minimum(width, height)


def hair_distance(canvas: Canvas, s: Sheet, grow: float = 0.0) -> Plane:
    """Distance to the mass of hair round the head, down to its bottom."""
    u, v = canvas.x - s.centre_x, canvas.y - s.centre_y
    width = s.head_width + s.hair_volume + grow
    top = s.head_height + s.hair_volume + grow
    bottom = (s.hair_bottom - s.centre_y + grow).clamp_min(0.05)
    upper = ellipse(u, v, width, top)
    corner = torch.minimum(0.16 * torch.ones_like(bottom), 0.9 * bottom)
    lower = rounded_box(u, v, width * (1 + 0.10 * v.clamp_min(0)), bottom, corner)
    wave = (
        torch.sin(23.0 * u + 5.0 * s.hair_part) * torch.sin(19.0 * canvas.y) * 0.032
        + torch.sin(11.0 * canvas.y) * torch.sign(u) * 0.012
    )
    return torch.where(v < 0, upper, lower) + s.curl * wave


def paint_hair_behind(canvas: Canvas, s: Sheet) -> None:
    """Hair behind the neck, darker."""
    canvas.paint(hair_distance(canvas, s), tint(s.hair_colour, 0.72), s.hair_presence.clamp_min(0.0))


def paint_body(canvas: Canvas, s: Sheet) -> None:
    """Neck, shoulders in clothes, and the neckline."""
    c = canvas.window(0.3, 1.0)
    u, v = c.x - s.centre_x, c.y
    c.paint(rounded_box(u, v - 0.6, s.neck_width, 0.36, 0.03), tint(s.skin_colour, 0.84))
    body = squircle(c.x - 0.5 * s.centre_x, v - s.shoulder_top - 0.55, s.shoulder_width, 0.55)
    c.paint(body, s.clothes_colour)
    opening = ellipse(u, v - s.shoulder_top, s.neck_width + 0.045, s.neckline)
    c.paint(torch.maximum(opening - 0.045, body), tint(s.clothes_colour, 0.68))
    c.paint(torch.maximum(opening, -(v - s.shoulder_top + 0.2)), tint(s.skin_colour, 0.9))
    chin = s.centre_y + s.head_height
    c.paint(
        torch.maximum(ellipse(u, v - chin + 0.02, s.neck_width * 1.15, 0.10), u.abs() - s.neck_width),
        tint(s.skin_colour, 0.66),
        0.7,
        0.04,
    )


def paint_ears(canvas: Canvas, s: Sheet) -> None:
    """Ears, and earrings where worn."""
    c = canvas.window(-0.35, 0.55)
    u, v = (c.x - s.centre_x).abs() - s.head_width, c.y - s.eye_y - 0.05
    c.paint(ellipse(u, v, 0.065, 0.10), tint(s.skin_colour, 0.88))
    c.paint(ellipse(u - 0.01, v, 0.03, 0.055), tint(s.skin_colour, 0.72))


def paint_earrings(canvas: Canvas, s: Sheet) -> None:
    """Golden drops under the ears."""
    c = canvas.window(-0.1, 0.6)
    u, v = (c.x - s.centre_x).abs() - s.head_width - 0.015, c.y - s.eye_y - 0.20
    c.paint(ellipse(u, v, 0.034, 0.048), s.plain(0.98, 0.80, 0.25), s.earrings)


def paint_head(canvas: Canvas, s: Sheet) -> None:
    """The face itself, a little shaded on one side, with blush and freckles."""
    c = canvas.window(-0.75, 0.7, -0.65, 0.65)
    distance = head_distance(c, s)
    c.paint(distance, s.skin_colour)
    u = c.x - s.centre_x
    inside = (0.5 - distance / c.pixel).clamp(0, 1)
    c.blend(inside * ((u / s.head_width - 0.25) * 0.45).clamp(0, 0.35), tint(s.skin_colour, 0.72))
    cheek = ellipse(u.abs() - s.eye_distance - 0.06, c.y - s.nose_y - 0.03, 0.085, 0.06)
    c.paint(cheek, s.plain(0.95, 0.35, 0.35), s.blush, 0.09)
    spots = torch.sin(52.0 * u) * torch.sin(52.0 * (c.y - s.nose_y)) - 0.55
    c.blend(
        (spots * 3.0).clamp(0, 1) * (0.5 - cheek / 0.05).clamp(0, 1) * s.freckles * 0.6,
        tint(s.skin_colour, 0.62),
    )


def paint_wrinkles(canvas: Canvas, s: Sheet) -> None:
    """Forehead lines, crow's feet, bags under the eyes, folds from nose to mouth."""
    c = canvas.window(-0.5, 0.5, -0.6, 0.6)
    u = c.x - s.centre_x
    side = u.abs()
    dark = tint(s.skin_colour, 0.62)
    strength = s.wrinkles * 0.8
    brow = s.eye_y - s.eye_height - s.brow_gap
    for level in (0.085, 0.15):
        c.paint(lens(u, c.y - brow + level, 0.17, 0.02, 0.014), dark, strength * 0.8)
    bag = s.eye_y + s.eye_height + 0.045
    c.paint(lens(side - s.eye_distance, c.y - bag, 0.075, -0.025, 0.014), dark, strength * 0.8)
    fold = (
        segment(side, c.y, (s.nose_size + 0.035, s.nose_y + 0.02), (s.mouth_width + 0.02, s.mouth_y + 0.01))
        - 0.009
    )
    c.paint(fold, dark, strength)
    foot = s.eye_distance + s.eye_width
    for tilt in (-0.03, 0.035):
        line = (
            segment(side, c.y, (foot + 0.015, s.eye_y + 0.2 * tilt), (foot + 0.065, s.eye_y + tilt)) - 0.007
        )
        c.paint(line, dark, strength * 0.7)


def paint_beard(canvas: Canvas, s: Sheet) -> None:
    """A full beard from ear to ear, longer under the chin."""
    c = canvas.window(-0.3, 0.85, -0.65, 0.65)
    u = (c.x - s.centre_x) / s.head_width
    outer = head_distance(c, s, 0.022, s.beard_length)
    top = s.mouth_y - 0.015 - 0.34 * u.square().square() - 0.03 * u.square()
    cheeks = (top - c.y) + s.curl * 0.012 * torch.sin(40.0 * c.x)
    c.paint(torch.maximum(outer, cheeks), tint(s.hair_colour, 0.80), s.beard, 0.02)
    hole = ellipse(c.x - s.centre_x, c.y - s.mouth_y - 0.005, s.mouth_width + 0.012, 0.048)
    c.paint(hole, tint(s.skin_colour, 0.95), s.beard, 0.02)


def paint_mouth(canvas: Canvas, s: Sheet) -> None:
    """Lips along a bent line; an open mouth shows teeth."""
    c = canvas.window(0.05, 0.6, -0.4, 0.4)
    u, v = c.x - s.centre_x, c.y - s.mouth_y - 0.5 * s.smile
    opening = 0.038 * s.mouth_open
    below = v - opening
    c.paint(lens(u, below, s.mouth_width, -s.smile - opening, s.lips + opening + 0.012), s.lip_colour)
    c.paint(
        lens(u, below, s.mouth_width * 0.9, -s.smile - opening, 0.009 + opening), tint(s.lip_colour, 0.38)
    )
    c.paint(
        lens(u, below + 0.25 * opening, s.mouth_width * 0.85, -s.smile - opening, 0.72 * opening),
        s.plain(0.98, 0.97, 0.95),
        s.mouth_open,
    )


def paint_moustache(canvas: Canvas, s: Sheet) -> None:
    """Two thick wings between nose and mouth."""
    c = canvas.window(0.0, 0.5, -0.45, 0.45)
    u = (c.x - s.centre_x).abs()
    middle = 0.45 * s.nose_y + 0.55 * s.mouth_y - 0.004
    wing = lens(u - 0.075, c.y - middle - 0.25 * (u - 0.075), 0.125, 0.02, 0.047)
    c.paint(wing, tint(s.hair_colour, 0.72), s.moustache)


def paint_nose(canvas: Canvas, s: Sheet) -> None:
    """A bent shadow under the tip, and a light above it."""
    c = canvas.window(-0.2, 0.4, -0.3, 0.3)
    u, v = c.x - s.centre_x, c.y - s.nose_y
    c.paint(ellipse(u - 0.012, v + 0.035, 0.5 * s.nose_size, 0.06), tint(s.skin_colour, 1.25), 0.6, 0.04)
    c.paint(lens(u, v - 0.015, s.nose_size, -0.028, 0.018), tint(s.skin_colour, 0.62), 0.9)


def paint_eyes(canvas: Canvas, s: Sheet) -> None:
    """White, iris, pupil, light, upper lid and lashes."""
    c = canvas.window(-0.35, 0.35, -0.5, 0.5)
    u = c.x - s.centre_x
    side = u.abs() - s.eye_distance
    v = c.y - s.eye_y
    look = torch.sign(u) * s.gaze
    white = ellipse(side, v, s.eye_width, s.eye_height)
    c.paint(white, s.plain(0.99, 0.99, 1.0))
    iris = 0.82 * torch.minimum(s.eye_height, 0.75 * s.eye_width) + 0.006
    c.paint(torch.maximum(ellipse(side - look, v, iris, iris), white), s.iris_colour)
    c.paint(
        torch.maximum(ellipse(side - look, v, 0.52 * iris, 0.52 * iris), white), s.plain(0.03, 0.03, 0.05)
    )
    light = ellipse(side - look + torch.sign(u) * 0.3 * iris, v + 0.35 * iris, 0.26 * iris, 0.26 * iris)
    c.paint(light, s.plain(1.0, 1.0, 1.0), 0.95)
    lid = torch.maximum((white - 0.004).abs() - 0.009 - 0.009 * s.lashes, v + 0.2 * s.eye_height)
    c.paint(lid, s.plain(0.12, 0.07, 0.06), 0.45 + 0.55 * s.lashes.expand_as(s.eye_y))
    corner = 0.80 * s.eye_width
    for reach, lift in ((0.055, 0.05), (0.012, 0.07)):
        tip = (corner + reach, -0.45 * s.eye_height - lift)
        c.paint(
            segment(side, v, (corner - 0.012, -0.45 * s.eye_height), tip) - 0.009,
            s.plain(0.10, 0.05, 0.05),
            s.lashes,
        )


def paint_brows(canvas: Canvas, s: Sheet) -> None:
    """Brows in a darker hair colour."""
    c = canvas.window(-0.5, 0.2, -0.5, 0.5)
    side = (c.x - s.centre_x).abs() - s.eye_distance - 0.008
    v = c.y - (s.eye_y - s.eye_height - s.brow_gap) - s.brow_tilt * side / 0.1
    c.paint(lens(side, v, 0.108, 0.026, s.brow_thickness) - 0.006, tint(s.hair_colour, 0.66))


def paint_hair(canvas: Canvas, s: Sheet) -> None:
    """Hair over the forehead down to the hairline, strands beside the face, and a sheen."""
    c = canvas
    u, v = c.x - s.centre_x, c.y - s.centre_y
    mass = hair_distance(c, s)
    edge = (u / s.head_width).square()
    rise = s.hair_line * s.head_height
    line = (
        -rise + (rise + 0.02) * edge.square() + s.hair_part * u / s.head_width * (1 - edge).clamp_min(0) * 1.3
    )
    forehead = v - line + s.curl * 0.018 * torch.sin(30.0 * u)
    strand = s.head_width * (0.92 - 0.10 * (v / s.head_height).clamp(-1.0, 1.0).square()) - u.abs()
    inner = torch.minimum(forehead, torch.maximum(strand, -(v + 0.6 * s.head_height)))
    shape = torch.maximum(mass, inner)
    c.paint(shape, s.hair_colour)
    inside = (0.5 - shape / 0.08).clamp(0, 1)
    band = (1 - ((v + 0.80 * s.head_height + 0.10 * edge) / 0.09).square()).clamp_min(0) * (
        1 - edge * 0.9
    ).clamp_min(0)
    locks = (torch.sin(23.0 * u) * torch.sin(19.0 * c.y)).clamp_min(0)
    c.blend(inside * (0.35 * band * (1 - 0.6 * s.curl) + 0.35 * locks * s.curl), tint(s.hair_colour, 1.45))


def paint_glasses(canvas: Canvas, s: Sheet) -> None:
    """Bold frames, a light glass with a glint, bridge and temples."""
    c = canvas.window(-0.3, 0.35, -0.62, 0.62)
    u = (c.x - s.centre_x).abs()
    v = c.y - s.eye_y - 0.012
    place = s.lens_width + 0.022
    glass = rounded_box(
        u - place, v, s.lens_width, s.lens_height, torch.minimum(s.lens_corner, 0.9 * s.lens_height)
    )
    c.paint(glass, s.plain(0.85, 0.95, 1.0), 0.24 * s.glasses)
    glint = torch.maximum((u - place + v + 0.07).abs() - 0.016, glass + 0.02)
    c.paint(glint, s.plain(1.0, 1.0, 1.0), 0.5 * s.glasses)
    bridge = torch.maximum((v + 0.03).abs() - 0.02, u - 0.04)
    temple = torch.maximum(
        (v + 0.03).abs() - 0.02, torch.maximum(place + s.lens_width - u, u - s.head_width - 0.01)
    )
    frame = torch.minimum(glass.abs() - 0.024, torch.minimum(bridge, temple))
    c.paint(frame, s.frame_colour, s.glasses)


PAINTERS: tuple[Painter, ...] = (
    paint_background,
    paint_hair_behind,
    paint_body,
    paint_ears,
    paint_head,
    paint_wrinkles,
    paint_beard,
    paint_mouth,
    paint_moustache,
    paint_nose,
    paint_eyes,
    paint_brows,
    paint_hair,
    paint_earrings,
    paint_glasses,
)
