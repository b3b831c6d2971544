"""From attributes to the numbers a face is drawn with: positions, sizes and colours."""

from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.pocket.faces.attributes import Z_DIM, Attributes, attributes_of

HAIR_COLOURS = ((0.10, 0.08, 0.09), (0.36, 0.20, 0.10), (0.90, 0.70, 0.32), (0.72, 0.27, 0.09))
SKIN_COLOURS = ((0.99, 0.83, 0.72), (0.90, 0.66, 0.49), (0.68, 0.44, 0.29), (0.40, 0.24, 0.16))
IRIS_COLOURS = ((0.30, 0.17, 0.08), (0.16, 0.42, 0.75), (0.20, 0.48, 0.26))
FRAME_COLOURS = ((0.06, 0.06, 0.09), (0.62, 0.06, 0.10), (0.08, 0.20, 0.60), (0.05, 0.05, 0.05))


@dataclass(frozen=True)
class Drawing:
    """Everything the renderer needs; lengths in units where the image is 2 wide, colours RGB in [0, 1], strengths in [0, 1]."""

    centre_x: Float[Tensor, " face"]
    centre_y: Float[Tensor, " face"]
    head_width: Float[Tensor, " face"]
    head_height: Float[Tensor, " face"]
    jaw: Float[Tensor, " face"]
    neck_width: Float[Tensor, " face"]
    shoulder_width: Float[Tensor, " face"]
    shoulder_top: Float[Tensor, " face"]
    neckline: Float[Tensor, " face"]
    eye_y: Float[Tensor, " face"]
    eye_distance: Float[Tensor, " face"]
    eye_width: Float[Tensor, " face"]
    eye_height: Float[Tensor, " face"]
    gaze: Float[Tensor, " face"]
    lashes: Float[Tensor, " face"]
    brow_gap: Float[Tensor, " face"]
    brow_thickness: Float[Tensor, " face"]
    brow_tilt: Float[Tensor, " face"]
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
    skin_colour: Float[Tensor, "face 3"]
    hair_colour: Float[Tensor, "face 3"]
    lip_colour: Float[Tensor, "face 3"]
    iris_colour: Float[Tensor, "face 3"]
    frame_colour: Float[Tensor, "face 3"]
    clothes_colour: Float[Tensor, "face 3"]
    background_colour: Float[Tensor, "face 3"]


def drawing_of(a: Attributes) -> Drawing:
    """How the faces with these attributes are drawn; smooth in all of them."""
    n = torch.tanh(a.nuisance)
    male, female = 0.5 * (1 + a.sex), 0.5 * (1 - a.sex)
    child, old = torch.sigmoid(22.0 * (0.29 - a.age)), torch.sigmoid(16.0 * (a.age - 0.70))
    grown = 1 - child
    centre_y = -0.04 + 0.07 * child + 0.02 * n[:, 1]
    head_height = 0.50 + 0.035 * male * grown - 0.03 * child + 0.02 * n[:, 3]
    eye_y = centre_y + 0.0 + 0.10 * child + 0.015 * n[:, 4]
    mouth_y = eye_y + 0.31 - 0.055 * child + 0.02 * male * grown
    skin = _skin_colour(a)
    hair = _hair_colour(a)
    return Drawing(
        centre_x=0.05 * n[:, 0],
        centre_y=centre_y,
        head_width=0.385 + 0.045 * male * grown + 0.065 * child + 0.025 * n[:, 2],
        head_height=head_height,
        jaw=0.12 + 0.75 * male * grown + 0.35 * child,
        neck_width=0.125 + 0.095 * male * grown - 0.02 * child,
        shoulder_width=0.62 + 0.20 * male * grown - 0.14 * child + 0.04 * n[:, 5],
        shoulder_top=0.64 - 0.03 * male * grown + 0.05 * child,
        neckline=0.10 + 0.05 * female + 0.03 * n[:, 6],
        eye_y=eye_y,
        eye_distance=0.172 + 0.02 * child + 0.012 * n[:, 7],
        eye_width=0.078 + 0.014 * female * grown + 0.028 * child + 0.008 * n[:, 8],
        eye_height=0.054 + 0.018 * female * grown + 0.048 * child - 0.012 * old + 0.006 * n[:, 8],
        gaze=0.022 * n[:, 9],
        lashes=female * (0.65 + 0.35 * grown) * torch.sigmoid(6.0 * (female - 0.45)),
        brow_gap=0.062 + 0.016 * female - 0.012 * male + 0.01 * n[:, 10],
        brow_thickness=0.013 + 0.021 * male * (1 - 0.45 * child) + 0.004 * n[:, 11],
        brow_tilt=0.005 + 0.013 * n[:, 12],
        nose_y=eye_y + 0.17 - 0.05 * child,
        nose_size=0.042 + 0.02 * male * grown + 0.008 * old - 0.008 * child + 0.008 * n[:, 13],
        mouth_y=mouth_y,
        mouth_width=0.135 + 0.015 * male - 0.02 * child + 0.015 * n[:, 14],
        smile=0.012 + 0.055 * a.smile,
        mouth_open=a.mouth_open * torch.sigmoid(8.0 * (a.smile - 0.3)),
        lips=0.012 + 0.022 * torch.sigmoid(8.0 * (female - 0.5)) * (0.4 + 0.6 * grown),
        blush=0.35 * child + 0.3 * female * grown + 0.08 * n[:, 15],
        wrinkles=old,
        freckles=torch.sigmoid(5.0 * (a.nuisance[:, 22] - 0.9))
        * (1 - old)
        * torch.sigmoid(10.0 * (0.4 - a.skin)),
        earrings=torch.sigmoid(6.0 * (a.nuisance[:, 16] - 0.2))
        * torch.sigmoid(10.0 * (female - 0.6))
        * grown,
        hair_bottom=centre_y + 0.06 + (0.94 - centre_y - 0.1 * child) * (a.hair_length - 0.06),
        hair_volume=(0.05 + 0.03 * n[:, 17] + 0.045 * a.curl + 0.05 * a.hair_length) * (1 - 0.8 * a.baldness),
        hair_line=0.50
        - 0.14 * torch.sigmoid(3.0 * a.nuisance[:, 18]) * (1 - 0.5 * male)
        + 0.16 * old * male
        + 0.9 * a.baldness,
        hair_part=0.13 * n[:, 19],
        curl=a.curl,
        hair_presence=1 - a.baldness,
        beard=a.beard,
        beard_length=0.05 + 0.10 * torch.sigmoid(2.0 * a.nuisance[:, 20]),
        moustache=a.moustache,
        glasses=a.glasses,
        lens_width=0.150 + 0.012 * child + 0.01 * n[:, 21],
        lens_height=0.118 + 0.022 * child + 0.018 * n[:, 21],
        lens_corner=0.04 + 0.07 * torch.sigmoid(2.5 * a.nuisance[:, 21]),
        skin_colour=skin,
        hair_colour=hair,
        lip_colour=_lip_colour(a, skin, female * grown),
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
    """All numbers of the drawings of ``z`` side by side, each about standard normal: what a mapping network should know."""
    mean, deviation = _parameter_statistics()
    return (_side_by_side(drawing_of(attributes_of(z))) - mean.to(z)) / deviation.to(z)


@lru_cache(maxsize=1)
def _parameter_statistics() -> tuple[Tensor, Tensor]:
    noise = torch.randn(8192, Z_DIM, generator=torch.Generator().manual_seed(0))
    parameters = _side_by_side(drawing_of(attributes_of(noise)))
    return parameters.mean(dim=0), parameters.std(dim=0).clamp_min(1e-4)


def _side_by_side(drawing: Drawing) -> Float[Tensor, "face parameter"]:
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
    natural = skin * torch.tensor([0.80, 0.58, 0.56], dtype=skin.dtype, device=skin.device)
    red = torch.stack([0.76 + 0.08 * a.warmth, 0.13 + 0.05 * a.warmth, 0.22 - 0.10 * a.warmth], dim=1)
    return natural + torch.sigmoid(9.0 * (painted - 0.5)).unsqueeze(1) * 0.9 * (red - natural)
