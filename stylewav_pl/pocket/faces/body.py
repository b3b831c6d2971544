"""Background, neck and clothes."""

import torch

from stylewav_pl.pocket.faces.shapes import Canvas, ellipse, glow
from stylewav_pl.pocket.faces.sheet import Sheet, inside, tint


def paint_background(canvas: Canvas, s: Sheet) -> None:
    """A wall with a soft light behind the head, darker towards the corners."""
    canvas.image.copy_(s.background_colour[:, :, None, None].expand_as(canvas.image))
    centre = torch.ones_like(s.centre_x)
    lit = glow(canvas.x + 0.25, canvas.y + 0.35, 1.1, 1.1) * centre
    canvas.blend(0.6 * lit, tint(s.background_colour, 1.75))
    radius = (canvas.x + 0.2).square() + (canvas.y + 0.25).square()
    canvas.blend((0.32 * radius - 0.12).clamp(0, 0.4) * centre, tint(s.background_colour, 0.6))


def paint_neck(canvas: Canvas, s: Sheet) -> None:
    """A column that widens to the shoulders, round by its shading, in the shadow of the chin."""
    c = canvas.window(0.2, 1.0)
    u = (c.x - s.centre_x).abs()
    width = s.neck_width + 0.16 * (c.y - s.shoulder_top + 0.16).clamp_min(0.0).square() / 0.16
    distance = torch.maximum(u - width, -(c.y - s.centre_y - 0.1))
    c.paint(distance, s.skin_colour)
    body = inside(distance, c)
    round_shade = (u / s.neck_width).square().clamp(0, 1) * 0.45 + ((c.x - s.centre_x) * 1.2).clamp(0, 0.2)
    c.blend(body * round_shade, s.shadow)
    chin = s.centre_y + s.head_height
    below = glow(c.x - s.centre_x - 0.03, c.y - chin + 0.03, s.head_width * 0.95, 0.24)
    c.blend(body * below * 0.75, tint(s.shadow, 0.80))


def paint_clothes(canvas: Canvas, s: Sheet) -> None:
    """Sloping shoulders in a pullover with a round or pointed neckline, or in a shirt with a collar."""
    c = canvas.window(0.45, 1.0)
    u = c.x - 0.7 * s.centre_x
    side = (u / s.shoulder_width).abs()
    top = s.shoulder_top + 0.11 * side.square() + 0.32 * side.square().square().square()
    body = (top - c.y) / (1.0 + (0.3 * side + 3.0 * side.square().square() * side).square()).sqrt()
    across = (c.x - s.centre_x).abs()
    v = c.y - s.shoulder_top
    round_neck = ellipse(across, v + 0.02, s.neck_width + 0.05, s.neckline)
    pointed = (across - (s.neck_width + 0.05) * (1.0 - (v + 0.02) / (2.3 * s.neckline))) * 0.75
    opening = round_neck + s.v_neck * (pointed - round_neck)
    cloth = torch.maximum(body, -opening)
    c.paint(cloth, s.clothes_colour)
    on = inside(cloth, c)
    c.blend(on * (0.55 * side.square() + 0.5 * (c.y - 0.62)).clamp(0, 0.5), tint(s.clothes_colour, 0.5))
    c.blend(on * glow(u + 0.33, c.y - top - 0.04, 0.30, 0.14) * 0.5, tint(s.clothes_colour, 1.35))
    rim = torch.maximum((opening - 0.022).abs() - 0.022, body)
    c.paint(rim, tint(s.clothes_colour, 0.72), 1.0 - s.collar)
    c.blend(inside(torch.maximum(opening, body), c) * (0.45 + opening / 0.12).clamp(0, 0.45), s.shadow)
    _paint_collar(c, s, across, v)


def _paint_collar(c: Canvas, s: Sheet, across: torch.Tensor, v: torch.Tensor) -> None:
    """Two flaps that meet under the throat, lighter than the shirt."""
    inner = s.neck_width + 0.005 - 0.75 * (v + 0.06)
    flap = torch.maximum(inner - across, across - s.neck_width - 0.10 + 0.35 * v)
    flap = torch.maximum(flap * 0.8, torch.maximum(v - 0.13 + 0.30 * across, -(v + 0.075)))
    c.paint(flap - 0.012, tint(s.clothes_colour, 0.55), 0.6 * s.collar, 0.03)
    c.paint(flap, tint(s.clothes_colour, 1.5), s.collar)
