"""What a cartoon face is: every attribute is a smooth function of Gaussian noise z.

Smooth because a generator must be able to imitate the faces and because latents are moved by gradients; only
the direction of z counts because a StyleGAN2 mapping network scales z to unit RMS before it looks at it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Z_DIM = 64

CHILD_BELOW = 0.30
OLD_ABOVE = 0.70

# Coordinates of z. Sex and age have one of their own each, so they are independent of each other and of all
# nuisance.
SEX, AGE, GLASSES, BEARD, MOUSTACHE, HAIR_LENGTH, CURL, GREYNESS, BALDNESS = range(9)
GLASSES_FROM = 0.6
HAIR_COLOUR = slice(9, 11)
SKIN, WARMTH = 11, 12
BACKGROUND = slice(13, 16)
CLOTHES = slice(16, 19)
SMILE, MOUTH_OPEN = 19, 20
NUISANCE = slice(21, 48)
USED = slice(0, 48)  # coordinates that a face depends on
# What faces of one person share, whatever their sex, age, hair and mood: skin, and of the nuisance iris,
# width and height of the head, place, distance and size of the eyes, brows, nose, mouth and freckles.
IDENTITY = (SKIN, WARMTH, *(NUISANCE.start + one for one in (2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14, 22)))


@dataclass(frozen=True)
class Attributes:
    """What can be said about each face; see :func:`attributes_of`.

    Attributes:
        sex: -1 female ... 1 male, spread towards both ends.
        age: 0 youngest ... 1 oldest, uniform; below ``CHILD_BELOW`` a child, above ``OLD_ABOVE`` an old
            person.
        glasses: 0 none ... 1 worn.
        beard: 0 none ... 1 full; always near 0 for women and children.
        moustache: 0 none ... 1 full; always near 0 for women and children.
        hair_length: 0 cropped ... 0.5 chin ... 1 below the shoulders.
        curl: 0 straight ... 1 curly.
        greyness: 0 coloured ... 1 grey to white hair.
        whiteness: 0 grey ... 1 white, where ``greyness`` is high.
        baldness: 0 full hair ... 1 bald crown; always near 0 for women and children.
        hair_colour: Shares of black, brown, blond and red before greying; they sum to 1.
        skin: 0 light ... 1 dark.
        warmth: -1 rosy ... 1 golden skin.
        background: RGB in [0, 1].
        clothes: RGB in [0, 1].
        smile: -1 sad ... 1 smiling.
        mouth_open: 0 closed ... 1 open.
        nuisance: What only the drawing uses: shapes, pose, fashion; standard normal.
    """

    sex: Float[Tensor, " face"]
    age: Float[Tensor, " face"]
    glasses: Float[Tensor, " face"]
    beard: Float[Tensor, " face"]
    moustache: Float[Tensor, " face"]
    hair_length: Float[Tensor, " face"]
    curl: Float[Tensor, " face"]
    greyness: Float[Tensor, " face"]
    whiteness: Float[Tensor, " face"]
    baldness: Float[Tensor, " face"]
    hair_colour: Float[Tensor, "face 4"]
    skin: Float[Tensor, " face"]
    warmth: Float[Tensor, " face"]
    background: Float[Tensor, "face 3"]
    clothes: Float[Tensor, "face 3"]
    smile: Float[Tensor, " face"]
    mouth_open: Float[Tensor, " face"]
    nuisance: Float[Tensor, "face nuisance"]

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.sex)


def normalise(z: Float[Tensor, "face 64"]) -> Float[Tensor, "face 64"]:
    """``z`` scaled to unit RMS per face, as StyleGAN2's mapping network does (Karras et al. 2019)."""
    return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)


def attributes_of(z: Float[Tensor, "face 64"]) -> Attributes:
    """The attributes of the faces that belong to noise ``z``.

    Deterministic and smooth, independent of the length of ``z``.
    """
    n = normalise(z)
    sex = torch.tanh(2.0 * n[:, SEX])
    age = torch.special.ndtr(n[:, AGE])
    man = torch.sigmoid(12.0 * (sex - 0.3)) * torch.sigmoid(28.0 * (age - CHILD_BELOW - 0.05))
    return Attributes(
        sex=sex,
        age=age,
        # 0.6 deviations: worn by 27 % of everybody, whatever their sex and age
        glasses=torch.sigmoid(10.0 * (n[:, GLASSES] - GLASSES_FROM)),
        beard=man * torch.sigmoid(9.0 * (n[:, BEARD] - 0.15)),
        moustache=man * torch.sigmoid(9.0 * (0.8 * n[:, MOUSTACHE] + 0.6 * n[:, BEARD] - 0.15)),
        hair_length=torch.sigmoid(1.3 * n[:, HAIR_LENGTH] - 2.6 * sex - 0.5),
        curl=torch.sigmoid(3.0 * (n[:, CURL] - 0.3)),
        greyness=torch.sigmoid(18.0 * (age - OLD_ABOVE + 0.06 * n[:, GREYNESS])),
        whiteness=torch.sigmoid(3.0 * n[:, GREYNESS] + 8.0 * (age - 0.85)),
        baldness=man * torch.sigmoid(5.0 * (n[:, BALDNESS] - 1.0 + 2.2 * (age - 0.5))),
        hair_colour=_hair_colour(n[:, HAIR_COLOUR]),
        skin=torch.sigmoid(1.6 * n[:, SKIN] - 0.3),
        warmth=torch.tanh(n[:, WARMTH]),
        background=0.75 + 0.14 * torch.tanh(1.2 * n[:, BACKGROUND]),
        clothes=0.44 + 0.28 * torch.tanh(1.3 * n[:, CLOTHES]),
        smile=torch.tanh(1.3 * n[:, SMILE] + 0.5),
        mouth_open=torch.sigmoid(3.0 * n[:, MOUTH_OPEN] - 0.5),
        nuisance=n[:, NUISANCE],
    )


def _hair_colour(plane: Float[Tensor, "face 2"]) -> Float[Tensor, "face 4"]:
    """Shares of four colours, one per quadrant side of a plane; rarely an even mix."""
    directions = torch.tensor(
        [[1.0, 0.0], [0.0, -1.0], [-1.0, 0.0], [0.0, 1.0]], dtype=plane.dtype, device=plane.device
    )
    return torch.softmax(
        3.5 * plane @ directions.T
        + torch.tensor([0.0, 0.6, 0.2, -0.4], dtype=plane.dtype, device=plane.device),
        dim=1,
    )
