"""Eyes, brows and glasses; both sides are drawn at once."""

import torch

from stylewav_pl.pocket.faces.shapes import Canvas, ellipse, glow, rounded_box, segment
from stylewav_pl.pocket.faces.sheet import Sheet, tint


def paint_eyes(canvas: Canvas, s: Sheet) -> None:
    """Sockets, almond whites, iris with pupil and lights, lids and lashes."""
    c = canvas.window(-0.4, 0.35, -0.5, 0.5)
    u = c.x - s.centre_x
    side = u.abs() - s.eye_distance
    v = c.y - s.eye_y + 0.10 * side
    c.blend(glow(side + 0.01, v + 0.04, 0.15, 0.115) * s.socket, s.shadow)
    across = (side / s.eye_width).square()
    upper, lower = s.eye_height * (1.0 - across), 0.78 * s.eye_height * (1.0 - across)
    # The height of a steep curve overstates the distance to it.
    steep = torch.rsqrt(1.0 + (2.0 * s.eye_height * side / s.eye_width.square()).square())
    white = torch.maximum(-v - upper, v - lower) * steep
    c.paint(white, s.plain(0.97, 0.96, 0.95))
    _paint_iris(c, s, white, side - torch.sign(u) * s.gaze, v, torch.sign(u))
    c.paint(white, s.plain(0.25, 0.18, 0.18), _upper_shade(v, upper))
    crease = (v + 1.12 * upper + 0.020).abs() * steep - 0.004
    c.paint(torch.maximum(crease, side.abs() - s.eye_width), s.shadow, 0.8, 0.01)
    under = (v - lower - 0.006).abs() * steep - 0.003
    c.paint(torch.maximum(under, side.abs() - 0.92 * s.eye_width), s.shadow, 0.7, 0.006)
    lid = (v + upper).abs() * steep - 0.0075 - 0.0075 * s.lashes
    c.paint(
        torch.maximum(lid, side.abs() - 1.02 * s.eye_width), s.plain(0.13, 0.07, 0.06), 0.65 + 0.3 * s.lashes
    )
    _paint_lashes(c, s, side, v)


def _upper_shade(v: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """The shadow of the lid on the upper part of the eye."""
    return (0.55 * (-v / upper.clamp_min(0.01)) - 0.12).clamp(0, 0.4)


def _paint_iris(
    c: Canvas, s: Sheet, white: torch.Tensor, side: torch.Tensor, v: torch.Tensor, sign: torch.Tensor
) -> None:
    size = 0.86 * torch.minimum(s.eye_height, 0.80 * s.eye_width) + 0.004
    v = v + 0.06 * s.eye_height
    ball = (side.square() + v.square() + 1e-9).sqrt()
    c.paint(torch.maximum(ball - size, white), tint(s.iris_colour, 0.42))
    c.paint(torch.maximum(ball - 0.84 * size, white), s.iris_colour)
    c.blend(glow(side, v - 0.38 * size, 0.7 * size, 0.5 * size) * 0.55, tint(s.iris_colour, 1.5))
    c.paint(torch.maximum(ball - 0.46 * size, white), s.plain(0.03, 0.02, 0.03))
    # The window that both eyes reflect is on the left of each, so it is not mirrored.
    light = ellipse(side + sign * 0.32 * size, v + 0.36 * size, 0.24 * size, 0.24 * size)
    c.paint(light, s.plain(1.0, 1.0, 1.0), 0.95)


def _paint_lashes(c: Canvas, s: Sheet, side: torch.Tensor, v: torch.Tensor) -> None:
    """A wing at the outer corner and two lashes above it."""
    dark = s.plain(0.10, 0.05, 0.05)
    for start, reach, lift in ((0.94, 0.034, 0.030), (0.78, 0.034, 0.042), (0.56, 0.022, 0.044)):
        x = start * s.eye_width
        y = -s.eye_height * (1.0 - start**2)
        c.paint(segment(side, v, (x, y), (x + reach, y - lift)) - 0.0055, dark, 0.9 * s.lashes, 0.004)


def paint_brows(canvas: Canvas, s: Sheet) -> None:
    """Arched brows that grow thin outwards, in a darker hair colour."""
    c = canvas.window(-0.55, 0.2, -0.5, 0.5)
    side = (c.x - s.centre_x).abs() - s.eye_distance - 0.012
    across = side / (s.eye_width + 0.034)
    v = c.y - (s.eye_y - s.eye_height - s.brow_gap) + s.brow_tilt * across - s.brow_arch * across.square()
    thick = (s.brow_thickness * (1.0 - 0.45 * across.clamp(-1.0, 1.0)) + 0.003) * (
        1.0 - across.square().square()
    )
    c.paint(v.abs() - thick, tint(s.hair_colour, 0.62), 0.92, 0.010)


def paint_glasses(canvas: Canvas, s: Sheet) -> None:
    """Frames that throw a shadow, faint glass with a glint, bridge and temples."""
    c = canvas.window(-0.4, 0.35, -0.62, 0.62)
    u = (c.x - s.centre_x).abs()
    v = c.y - s.eye_y - 0.014
    place = s.eye_distance + 0.008
    corner = torch.minimum(s.lens_corner, 0.9 * s.lens_height)
    glass = rounded_box(u - place, v, s.lens_width, s.lens_height, corner)
    c.paint(glass, s.plain(0.86, 0.95, 1.0), 0.16 * s.glasses)
    glint = torch.maximum((u - place + v + 0.065).abs() - 0.014, glass + 0.022)
    c.paint(glint, s.plain(1.0, 1.0, 1.0), 0.35 * s.glasses, 0.01)
    bridge = torch.maximum((v + 0.035 - 0.6 * u.square()).abs() - 0.012, u - place + s.lens_width)
    temple = torch.maximum((v + 0.03).abs() - 0.014, place + s.lens_width - u)
    temple = torch.maximum(temple, u - s.head_width - 0.005)
    frame = torch.minimum(glass.abs() - s.frame_width, torch.minimum(bridge, temple))
    c.paint(frame - 0.012, tint(s.shadow, 0.8), 0.25 * s.glasses, 0.03)
    c.paint(frame, s.frame_colour, s.glasses)
    c.paint(
        torch.maximum(frame + 0.4 * s.frame_width, v + 0.55 * s.lens_height),
        tint(s.frame_colour, 1.5),
        0.5 * s.glasses,
    )
