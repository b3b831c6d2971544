"""Hair behind and before the head, and earrings."""

import torch

from stylewav_pl.pocket.faces.shapes import Canvas, Plane, ellipse, glow, rounded_box
from stylewav_pl.pocket.faces.sheet import Sheet, head_distance, inside, tint


def hair_distance(canvas: Canvas, s: Sheet) -> Plane:
    """Returns the distance to the mass of hair round the head, down to its bottom."""
    u, v = canvas.x - s.centre_x, canvas.y - s.centre_y
    width = s.head_width + s.hair_side
    top = s.head_height + s.hair_volume
    bottom = (s.hair_bottom - s.centre_y).clamp_min(0.05)
    upper = ellipse(u, v, width, top)
    corner = torch.minimum(0.20 * torch.ones_like(bottom), 0.9 * bottom)
    below = v.clamp_min(0)
    lower = rounded_box(u, v, width * (1 + 0.16 * below - 0.14 * below.square()), bottom, corner)
    wave = torch.sin(21.0 * u + 5.0 * s.hair_part) * torch.sin(17.0 * canvas.y) * 0.030
    wave = wave + torch.sin(11.0 * canvas.y) * torch.tanh(6.0 * u) * 0.014
    return torch.where(v < 0, upper, lower) + s.curl * s.hair_presence * wave


def paint_hair_behind(canvas: Canvas, s: Sheet) -> None:
    """Hair behind the neck, in the shade."""
    distance = hair_distance(canvas, s)
    cover = inside(distance, canvas) * s.hair_presence
    canvas.blend(cover, tint(s.hair_colour, 0.62))
    middle = glow(canvas.x - s.centre_x, canvas.y - s.centre_y - 0.45, 0.42, 0.55)
    canvas.blend(cover * middle * 0.5, tint(s.hair_colour, 0.40))


def paint_hair(canvas: Canvas, s: Sheet) -> None:
    """Hair over the forehead down to the hairline and beside the face, with strands, locks and a sheen."""
    c = canvas
    u, v = c.x - s.centre_x, c.y - s.centre_y
    mass = hair_distance(c, s)
    edge = (u / s.head_width).square()
    rise = s.hair_line * s.head_height
    fringe = s.hair_part * u / s.head_width * (1 - edge).clamp_min(0) * 1.6
    line = -rise + (rise + 0.02) * edge.square() + fringe
    forehead = v - line + s.curl * 0.016 * torch.sin(26.0 * u)
    strand = s.head_width * (0.93 - 0.10 * (v / s.head_height).clamp(-1.0, 1.0).square()) - u.abs()
    inner = torch.minimum(forehead, torch.maximum(strand, -(v + 0.6 * s.head_height)))
    shape = torch.maximum(mass, inner)
    _paint_shadow(c, s, inner)
    c.paint(shape, s.hair_colour)
    _paint_strands(c, s, inside(shape, c), u, v)


def _paint_shadow(canvas: Canvas, s: Sheet, inner: Plane) -> None:
    """The shadow that hair throws on forehead and cheeks."""
    shade = (0.55 - inner / 0.10).clamp_(0.0, 1.0) * inside(head_distance(canvas, s), canvas)
    canvas.blend(shade * s.hair_presence * 0.42, s.shadow)


def _paint_strands(c: Canvas, s: Sheet, cover: Plane, u: Plane, v: Plane) -> None:
    """Strands and a light band on straight hair, locks on curly hair, shade on the far side and below."""
    width, top = s.head_width + s.hair_side, s.head_height + s.hair_volume
    across, along = u / width, v / top
    radius = (across.square() + along.square() + 1e-6).sqrt()
    # Strands start at the crown: their phase is the direction seen from there above, the column below.
    fan = across / (0.55 - 0.45 * along.clamp(-1.0, 0.0))
    strands = torch.sin(13.0 * fan + 4.0 * s.hair_part) * torch.sin(29.0 * fan + 1.0)
    dark = (0.06 + 0.20 * strands * (1 - s.curl)).clamp(0, 1)
    far = (0.30 * across + 0.22 * (v - 0.35).clamp_min(0.0) + 0.65 * (radius - 0.92).clamp(0.0, 0.3)).clamp(
        0, 0.5
    )
    locks = torch.sin(24.0 * u + 2.2 * torch.sin(9.0 * c.y + 5.0 * s.hair_part))
    locks = locks * torch.sin(19.0 * c.y + 2.0 * torch.sin(8.0 * u)) * s.curl
    c.blend(cover * (dark + far + 0.35 * locks.clamp_min(0.0)), tint(s.hair_colour, 0.55))
    ring = (1.0 - ((radius - 0.86) / 0.11).square()).clamp_min_(0.0)
    band = ring * glow(across + 0.30, along + 0.75, 0.75, 0.75)
    c.blend(
        cover * (0.55 * band * (1 - 0.6 * s.curl) + 0.30 * (-locks).clamp_min_(0.0)),
        tint(s.hair_colour, 1.40),
    )


def paint_earrings(canvas: Canvas, s: Sheet) -> None:
    """Golden drops under the ears."""
    c = canvas.window(0.0, 0.5, -0.62, 0.62)
    u, v = (c.x - s.centre_x).abs() - s.head_width - 0.012, c.y - s.eye_y - 0.205
    c.paint(ellipse(u, v, 0.026, 0.036), s.plain(0.86, 0.62, 0.18), s.earrings)
    c.blend(glow(u + 0.006, v + 0.01, 0.018, 0.022) * s.earrings, s.plain(1.0, 0.95, 0.70))
