"""From attributes to the numbers a face is drawn with: positions, sizes and colours."""

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.pocket.faces.attributes import USED, Z_DIM, Attributes, attributes_of, normalise

HAIR_COLOURS = ((0.10, 0.08, 0.09), (0.36, 0.20, 0.10), (0.90, 0.70, 0.32), (0.72, 0.27, 0.09))
SKIN_COLOURS = ((0.99, 0.83, 0.72), (0.90, 0.66, 0.49), (0.68, 0.44, 0.29), (0.40, 0.24, 0.16))
IRIS_COLOURS = ((0.30, 0.17, 0.08), (0.16, 0.42, 0.75), (0.20, 0.48, 0.26))
GLASSES_SOFTNESS = 0.12
FRAME_COLOURS = ((0.06, 0.06, 0.09), (0.62, 0.06, 0.10), (0.08, 0.20, 0.60), (0.05, 0.05, 0.05))


@dataclass(frozen=True)
class Drawing:
    """Everything the renderer needs: lengths in the canvas's units, colours and strengths in [0, 1]."""

    centre_x: Float[Tensor, " face"]
    centre_y: Float[Tensor, " face"]
    head_width: Float[Tensor, " face"]
    head_height: Float[Tensor, " face"]
    jaw: Float[Tensor, " face"]
    taper: Float[Tensor, " face"]
    neck_width: Float[Tensor, " face"]
    shoulder_width: Float[Tensor, " face"]
    shoulder_top: Float[Tensor, " face"]
    neckline: Float[Tensor, " face"]
    v_neck: Float[Tensor, " face"]
    collar: Float[Tensor, " face"]
    eye_y: Float[Tensor, " face"]
    eye_distance: Float[Tensor, " face"]
    eye_width: Float[Tensor, " face"]
    eye_height: Float[Tensor, " face"]
    gaze: Float[Tensor, " face"]
    socket: Float[Tensor, " face"]
    lashes: Float[Tensor, " face"]
    brow_gap: Float[Tensor, " face"]
    brow_thickness: Float[Tensor, " face"]
    brow_tilt: Float[Tensor, " face"]
    brow_arch: Float[Tensor, " face"]
    nose_y: Float[Tensor, " face"]
    nose_size: Float[Tensor, " face"]
    mouth_y: Float[Tensor, " face"]
    mouth_width: Float[Tensor, " face"]
    smile: Float[Tensor, " face"]
    mouth_open: Float[Tensor, " face"]
    lips: Float[Tensor, " face"]
    blush: Float[Tensor, " face"]
    wrinkles: Float[Tensor, " face"]
    freckles: Float[Tensor, " face"]
    earrings: Float[Tensor, " face"]
    hair_bottom: Float[Tensor, " face"]
    hair_volume: Float[Tensor, " face"]
    hair_side: Float[Tensor, " face"]
    hair_line: Float[Tensor, " face"]
    hair_part: Float[Tensor, " face"]
    curl: Float[Tensor, " face"]
    hair_presence: Float[Tensor, " face"]
    beard: Float[Tensor, " face"]
    beard_length: Float[Tensor, " face"]
    moustache: Float[Tensor, " face"]
    glasses: Float[Tensor, " face"]
    lens_width: Float[Tensor, " face"]
    lens_height: Float[Tensor, " face"]
    lens_corner: Float[Tensor, " face"]
    frame_width: Float[Tensor, " face"]
    skin_colour: Float[Tensor, "face 3"]
    hair_colour: Float[Tensor, "face 3"]
    lip_colour: Float[Tensor, "face 3"]
    iris_colour: Float[Tensor, "face 3"]
    frame_colour: Float[Tensor, "face 3"]
    clothes_colour: Float[Tensor, "face 3"]
    background_colour: Float[Tensor, "face 3"]


def drawing_of(a: Attributes) -> Drawing:
    """Tells how the faces with these attributes are drawn; smooth in all of them."""
    n = torch.tanh(a.nuisance)
    male, female = 0.5 * (1 + a.sex), 0.5 * (1 - a.sex)
    child, old = torch.sigmoid(22.0 * (0.29 - a.age)), torch.sigmoid(16.0 * (a.age - 0.70))
    grown = 1 - child
    centre_y = -0.06 + 0.06 * child + 0.015 * n[:, 1]
    head_height = 0.49 + 0.030 * male * grown - 0.03 * child + 0.015 * n[:, 3]
    eye_y = centre_y - 0.01 + 0.09 * child + 0.010 * n[:, 4]
    mouth_y = eye_y + 0.300 - 0.060 * child + 0.015 * male * grown
    skin = _skin_colour(a)
    hair = _hair_colour(a)
    painted = torch.sigmoid(9.0 * (female * grown - 0.62))
    volume = (0.055 + 0.025 * n[:, 17] + 0.045 * a.curl + 0.03 * a.hair_length) * (1 - 0.85 * a.baldness)
    return Drawing(
        centre_x=0.04 * n[:, 0],
        centre_y=centre_y,
        head_width=0.375 + 0.035 * male * grown + 0.060 * child + 0.020 * n[:, 2],
        head_height=head_height,
        jaw=0.10 + 0.80 * male * grown + 0.25 * child,
        taper=0.20 - 0.08 * male * grown - 0.13 * child - 0.04 * old,
        neck_width=0.140 + 0.090 * male * grown - 0.025 * child,
        shoulder_width=0.80 + 0.20 * male * grown - 0.16 * child + 0.04 * n[:, 5],
        shoulder_top=0.60 - 0.03 * male * grown + 0.05 * child,
        neckline=0.10 + 0.03 * n[:, 6],
        v_neck=torch.sigmoid(5.0 * (a.nuisance[:, 23] - 0.5)),
        collar=torch.sigmoid(10.0 * (a.nuisance[:, 24] - 0.6)),
        eye_y=eye_y,
        eye_distance=0.168 + 0.016 * child + 0.008 * n[:, 7],
        eye_width=0.078 + 0.009 * female * grown + 0.018 * child + 0.006 * n[:, 8],
        eye_height=0.042 + 0.010 * female * grown + 0.026 * child - 0.009 * old + 0.004 * n[:, 8],
        gaze=0.014 * n[:, 9],
        socket=0.42 - 0.22 * child + 0.10 * old,
        lashes=torch.sigmoid(8.0 * (female - 0.62)) * (0.55 + 0.45 * grown),
        brow_gap=0.062 + 0.016 * female - 0.010 * male + 0.008 * n[:, 10],
        brow_thickness=0.010 + 0.014 * male * (1 - 0.5 * child) + 0.003 * n[:, 11],
        brow_tilt=0.006 + 0.009 * n[:, 12],
        brow_arch=0.024 + 0.010 * female * grown,
        nose_y=eye_y + 0.185 - 0.055 * child,
        nose_size=0.046 + 0.014 * male * grown + 0.007 * old - 0.010 * child + 0.006 * n[:, 13],
        mouth_y=mouth_y,
        mouth_width=0.118 + 0.014 * male * grown - 0.016 * child + 0.010 * n[:, 14],
        smile=0.008 + 0.040 * a.smile,
        mouth_open=a.mouth_open * torch.sigmoid(8.0 * (a.smile - 0.3)),
        lips=0.015 + 0.010 * torch.sigmoid(8.0 * (female - 0.55)) * (0.4 + 0.6 * grown) - 0.003 * old,
        blush=0.40 * child + 0.30 * female * grown + 0.10 + 0.06 * n[:, 15],
        wrinkles=old,
        freckles=torch.sigmoid(5.0 * (a.nuisance[:, 22] - 0.9))
        * (1 - old)
        * torch.sigmoid(10.0 * (0.4 - a.skin)),
        earrings=torch.sigmoid(6.0 * (a.nuisance[:, 16] - 0.2))
        * torch.sigmoid(10.0 * (female - 0.7))
        * grown,
        hair_bottom=centre_y + 0.02 + (0.86 - centre_y - 0.1 * child) * (a.hair_length - 0.06),
        hair_volume=volume,
        hair_side=volume * (0.45 + 0.75 * a.hair_length),
        hair_line=0.52
        - 0.14 * torch.sigmoid(3.0 * a.nuisance[:, 18]) * (1 - 0.5 * male)
        + 0.14 * old * male
        + 0.9 * a.baldness,
        hair_part=0.13 * n[:, 19],
        curl=a.curl,
        hair_presence=1 - a.baldness,
        beard=a.beard,
        beard_length=0.03 + 0.09 * torch.sigmoid(2.0 * a.nuisance[:, 20]),
        moustache=a.moustache,
        glasses=a.glasses,
        lens_width=0.132 + 0.012 * child + 0.008 * n[:, 21],
        lens_height=0.098 + 0.018 * child + 0.016 * n[:, 21],
        lens_corner=0.045 + 0.06 * torch.sigmoid(2.5 * a.nuisance[:, 21]),
        frame_width=0.013 + 0.004 * n[:, 25],
        skin_colour=skin,
        hair_colour=hair,
        lip_colour=_lip_colour(a, skin, painted),
        iris_colour=_mix(
            IRIS_COLOURS,
            torch.stack([0.4 + a.nuisance[:, 10], a.nuisance[:, 6], a.nuisance[:, 11] - 0.5], dim=1),
            3.0,
        ),
        frame_colour=_mix(
            FRAME_COLOURS,
            torch.stack([0.5 + 0 * a.sex, a.nuisance[:, 3], a.nuisance[:, 8], -a.nuisance[:, 3]], dim=1),
            3.0,
        ),
        clothes_colour=a.clothes,
        background_colour=a.background,
    )


def drawing_parameters(z: Float[Tensor, "face 64"]) -> Float[Tensor, "face parameter"]:
    """Returns what a mapping network should know of ``z``, each column about standard normal.

    All numbers of the drawings, and beside them the coordinates of ``z`` that matter: many numbers follow sex
    and age, and a network that knows nothing else neglects the colour of the hair and the smile.
    """
    mean, deviation = _parameter_statistics()
    return (_parameters(z) - mean.to(z)) / deviation.to(z)


@lru_cache(maxsize=1)
def _parameter_statistics() -> tuple[Tensor, Tensor]:
    noise = torch.randn(8192, Z_DIM, generator=torch.Generator().manual_seed(0))
    parameters = _parameters(noise)
    return parameters.mean(dim=0), parameters.std(dim=0).clamp_min(1e-4)


def _parameters(z: Float[Tensor, "face 64"]) -> Float[Tensor, "face parameter"]:
    return torch.cat([_side_by_side(drawing_of(attributes_of(z))), normalise(z)[:, USED]], dim=1)


def _side_by_side(drawing: Drawing) -> Float[Tensor, "face parameter"]:
    # Glasses are worn or not, and the mean of that is a quarter worn. Softened, it lies among those without.
    wish = torch.tanh(GLASSES_SOFTNESS * torch.logit(drawing.glasses, eps=1e-6))
    drawing = replace(drawing, glasses=wish)
    columns = (getattr(drawing, field.name) for field in fields(drawing))
    return torch.cat([column if column.dim() == 2 else column.unsqueeze(1) for column in columns], dim=1)


def _mix(
    colours: tuple[tuple[float, float, float], ...], logits: Float[Tensor, "face colour"], sharpness: float
) -> Float[Tensor, "face 3"]:
    return torch.softmax(sharpness * logits, dim=1) @ torch.tensor(
        colours, dtype=logits.dtype, device=logits.device
    )


def _skin_colour(a: Attributes) -> Float[Tensor, "face 3"]:
    places = torch.linspace(0.0, 1.0, len(SKIN_COLOURS), dtype=a.skin.dtype, device=a.skin.device)
    base = _mix(SKIN_COLOURS, -(a.skin.unsqueeze(1) - places).square(), 22.0)
    return base + a.warmth.unsqueeze(1) * torch.tensor(
        [0.0, 0.015, -0.025], dtype=base.dtype, device=base.device
    )


def _hair_colour(a: Attributes) -> Float[Tensor, "face 3"]:
    coloured = a.hair_colour @ torch.tensor(HAIR_COLOURS, dtype=a.sex.dtype, device=a.sex.device)
    grey = 0.60 + 0.32 * a.whiteness.unsqueeze(1).expand(-1, 3)
    return coloured + a.greyness.unsqueeze(1) * (grey - coloured)


def _lip_colour(
    a: Attributes, skin: Float[Tensor, "face 3"], painted: Float[Tensor, " face"]
) -> Float[Tensor, "face 3"]:
    natural = skin * torch.tensor([0.86, 0.62, 0.60], dtype=skin.dtype, device=skin.device)
    red = torch.stack([0.74 + 0.06 * a.warmth, 0.22 + 0.05 * a.warmth, 0.28 - 0.06 * a.warmth], dim=1)
    return natural + painted.unsqueeze(1) * 0.75 * (red - natural)
