"""The order in which the parts of a face are painted, from back to front."""

from stylewav_pl.pocket.faces.body import paint_background, paint_clothes, paint_neck
from stylewav_pl.pocket.faces.eyes import paint_brows, paint_eyes, paint_glasses
from stylewav_pl.pocket.faces.hair import paint_earrings, paint_hair, paint_hair_behind
from stylewav_pl.pocket.faces.head import (
    paint_beard,
    paint_ears,
    paint_head,
    paint_moustache,
    paint_mouth,
    paint_nose,
    paint_wrinkles,
)
from stylewav_pl.pocket.faces.sheet import Painter

PAINTERS: tuple[Painter, ...] = (
    paint_background,
    paint_hair_behind,
    paint_neck,
    paint_clothes,
    paint_ears,
    paint_head,
    paint_wrinkles,
    paint_nose,
    paint_beard,
    paint_mouth,
    paint_moustache,
    paint_eyes,
    paint_brows,
    paint_hair,
    paint_earrings,
    paint_glasses,
)
