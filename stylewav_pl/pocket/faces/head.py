"""Head and ears, nose and mouth, wrinkles and beards."""

import torch

from stylewav_pl.pocket.faces.shapes import Canvas, ellipse, glow, lens, segment
from stylewav_pl.pocket.faces.sheet import Sheet, head_distance, inside, tint


def paint_ears(canvas: Canvas, s: Sheet) -> None:
    """Ears with a rim and a hollow."""
    c = canvas.window(-0.35, 0.5, -0.7, 0.7)
    side = (c.x - s.centre_x).abs()
    u, v = side - s.head_width + 0.004, c.y - s.eye_y - 0.065
    shell = ellipse(u - 0.18 * v * -1.0, v, 0.066, 0.108 + 0.012 * s.wrinkles)
    c.paint(shell, s.skin_colour)
    c.blend(inside(shell, c) * (1.0 + shell / 0.05).clamp(0, 1) * 0.45, s.shadow)
    c.blend(glow(u + 0.18 * v - 0.012, v + 0.005, 0.042, 0.075) * 0.8, s.shadow)


def paint_head(canvas: Canvas, s: Sheet) -> None:
    """The face itself, round by its shading; the light comes from above on the left."""
    c = canvas.window(-0.75, 0.75, -0.62, 0.62)
    distance = head_distance(c, s)
    c.paint(distance, s.skin_colour)
    skin = inside(distance, c)
    u, v = c.x - s.centre_x, c.y - s.centre_y
    rim = (1.0 + distance / 0.20).clamp(0, 1).square() * 0.34
    away = (0.34 * u / s.head_width + 0.10 * v / s.head_height - 0.06).clamp(0, 0.35)
    c.blend(skin * (rim + away).clamp_max(0.6), s.shadow)
    c.blend(glow(u + 0.10, v + 0.30, 0.30, 0.20) * 0.45 * skin, s.light)
    cheek_x, cheek_y = u.abs() - s.eye_distance - 0.05, c.y - s.nose_y - 0.01
    c.blend(glow(cheek_x + 0.02, cheek_y + 0.04, 0.12, 0.08) * 0.35, s.light)
    c.blend(
        glow(cheek_x, cheek_y - 0.02, 0.17, 0.12) * s.blush, 0.5 * (s.plain(0.96, 0.33, 0.30) + s.skin_colour)
    )
    c.blend(glow(u, c.y - s.mouth_y - 0.135, 0.12, 0.06) * 0.35, s.light)
    spots = torch.sin(60.0 * u) * torch.sin(60.0 * (c.y - s.nose_y)) - 0.5
    near = glow(u.abs() - 0.12, c.y - s.nose_y + 0.01, 0.17, 0.10)
    c.blend((spots * 2.5).clamp(0, 1) * near * s.freckles * 0.7, s.shadow)


def paint_wrinkles(canvas: Canvas, s: Sheet) -> None:
    """Forehead lines, crow's feet, bags under the eyes, folds from nose to mouth."""
    c = canvas.window(-0.5, 0.5, -0.55, 0.55)
    u = c.x - s.centre_x
    side = u.abs()
    strength = s.wrinkles * 0.62
    brow = s.eye_y - s.eye_height - s.brow_gap
    for level in (0.075, 0.125, 0.175):
        c.paint(lens(u, c.y - brow + level, 0.20, 0.025, 0.010), s.shadow, strength * 0.8, 0.008)
    bag = s.eye_y + s.eye_height + 0.028
    c.paint(lens(side - s.eye_distance, c.y - bag, 0.085, -0.035, 0.012), s.shadow, strength * 0.9, 0.008)
    fold = ((s.nose_size + 0.028, s.nose_y + 0.01), (s.mouth_width + 0.025, s.mouth_y + 0.03))
    c.paint(segment(side, c.y, *fold) - 0.006, s.shadow, strength, 0.012)
    foot = s.eye_distance + s.eye_width
    for tilt in (-0.03, 0.0, 0.03):
        line = segment(
            side, c.y, (foot + 0.018, s.eye_y + 0.3 * tilt + 0.01), (foot + 0.065, s.eye_y + tilt + 0.01)
        )
        c.paint(line - 0.004, s.shadow, strength * 0.8, 0.004)


def paint_nose(canvas: Canvas, s: Sheet) -> None:
    """A shaded bridge, a tip in the light, wings and nostrils."""
    c = canvas.window(-0.25, 0.4, -0.3, 0.3)
    u, v = c.x - s.centre_x, c.y - s.nose_y
    c.blend(glow(u - 0.75 * s.nose_size, v + 0.09, 0.035, 0.17) * 0.5, s.shadow)
    c.blend(glow(u + 0.004, v + 0.09, 0.022, 0.14) * 0.5, s.light)
    c.blend(glow(u, v - 0.015, 1.75 * s.nose_size, 0.036) * 0.55, s.shadow)
    c.blend(glow(u + 0.006, v + 0.018, 0.75 * s.nose_size, 0.032) * 0.75, s.light)
    wing = glow(u.abs() - 0.98 * s.nose_size, v + 0.002, 0.016, 0.03)
    c.blend(wing * 0.7, s.shadow)
    nostril = ellipse(u.abs() - 0.52 * s.nose_size, v - 0.018 - 0.1 * u.abs(), 0.30 * s.nose_size, 0.009)
    c.paint(nostril, tint(s.shadow, 0.45), 0.75, 0.008)


def paint_mouth(canvas: Canvas, s: Sheet) -> None:
    """Lips along a bent line, the upper one with a bow; an open mouth shows teeth."""
    c = canvas.window(0.05, 0.55, -0.35, 0.35)
    u = c.x - s.centre_x
    across = (u / s.mouth_width).square()
    wide = (1.0 - across).clamp_min(-1.0)
    v = c.y - s.mouth_y - 0.4 * s.smile + s.smile * across
    gap = 0.05 * s.mouth_open * wide
    c.blend(glow(u, v - 2.1 * s.lips - 0.03 - gap, 0.12, 0.035) * 0.45, s.shadow)
    bow = 1.0 - 0.35 * (1.0 - (u / 0.035).square()).clamp_min(0.0)
    upper, lower = s.lips * wide * bow, 1.45 * s.lips * wide
    c.paint(torch.maximum(-v - upper, v - lower - gap), s.lip_colour)
    c.paint(torch.maximum(-v - upper, v), tint(s.lip_colour, 0.80), 0.8)
    c.blend(
        glow(u + 0.02, v - gap - 0.75 * s.lips, 0.07, 0.6 * s.lips + 0.004) * 0.4, tint(s.lip_colour, 1.6)
    )
    c.paint(torch.maximum(-v, v - gap), s.plain(0.30, 0.08, 0.09), s.mouth_open)
    c.paint(torch.maximum(-v, v - 0.62 * gap) + 0.002, s.plain(0.97, 0.96, 0.93), s.mouth_open)
    c.paint(lens(u, v, 1.06 * s.mouth_width, 0.0, 0.008), tint(s.lip_colour, 0.42), 0.85 - 0.5 * s.mouth_open)


def paint_beard(canvas: Canvas, s: Sheet) -> None:
    """A full beard from ear to ear, longer under the chin, soft where it thins out on the cheeks."""
    c = canvas.window(-0.15, 0.75, -0.62, 0.62)
    across = c.x - s.centre_x
    u = (across / s.head_width).square()
    outer = head_distance(c, s, 0.018, s.beard_length)
    top = s.mouth_y - 0.02 - 0.40 * u.square() - 0.02 * u
    beard = torch.maximum(outer, (top - c.y) * 0.7)
    mouth = ellipse(across, c.y - s.mouth_y - 0.012, s.mouth_width + 0.006, 0.046)
    shape = torch.maximum(beard, -mouth)
    cover = inside(shape, c, 0.022) * s.beard
    c.blend(cover, tint(s.hair_colour, 0.80))
    hairs = torch.sin(55.0 * across + 9.0 * c.y) * torch.sin(31.0 * c.y)
    c.blend(cover * (0.15 + 0.14 * hairs + 0.6 * (c.y - s.mouth_y)).clamp(0, 0.5), tint(s.hair_colour, 0.50))
    c.blend(cover * glow(across + 0.07, c.y - s.mouth_y - 0.13, 0.14, 0.09) * 0.4, tint(s.hair_colour, 1.2))


def paint_moustache(canvas: Canvas, s: Sheet) -> None:
    """Two wings between nose and mouth."""
    c = canvas.window(0.0, 0.5, -0.4, 0.4)
    u = (c.x - s.centre_x).abs()
    middle = 0.42 * s.nose_y + 0.58 * s.mouth_y - 0.004
    wing = lens(u - 0.068, c.y - middle - 0.28 * (u - 0.068), 0.125, 0.02, 0.042)
    cover = inside(wing * 0.8, c, 0.012) * s.moustache
    c.blend(cover, tint(s.hair_colour, 0.72))
    c.blend(cover * (0.3 + 0.3 * torch.sin(75.0 * u)).clamp(0, 0.5), tint(s.hair_colour, 0.50))
