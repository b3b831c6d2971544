"""Random changes to faces that leave their facts alone.

They make a CLIP model look at the face and not at single pixels.

That matters twice here: the model must read the outputs of a generator it was mostly not trained on, and
latents are optimised against it, which finds every weakness.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional as F

Images = Float[Tensor, "face 3 height width"]


def augment(images: Images, rng: Generator) -> Images:
    """Flips, moves, turns, blurs, recolours and disturbs images in [-1, 1], each in its own way.

    The range may grow a little.
    """
    images = move(images, rng)
    images = blur(images, rng)
    images = recolour(images, rng)
    return disturb(images, rng)


def move(images: Images, rng: Generator, strength: float = 1.0) -> Images:
    """Flip, rotation up to 9 degrees, scale 0.85 to 1.15, shift up to a tenth; borders are repeated.

    All but the flip are ``strength`` times as large.
    """
    faces = len(images)
    angle = 0.16 * strength * _uniform(faces, rng)
    scale = torch.exp(0.14 * strength * _uniform(faces, rng))
    flip = torch.where(_uniform(faces, rng) > 0, 1.0, -1.0)
    shift = 0.1 * strength * _uniform(2 * faces, rng).view(faces, 2)
    top = torch.stack([flip * angle.cos() * scale, -angle.sin() * scale, shift[:, 0]], dim=1)
    bottom = torch.stack([flip * angle.sin() * scale, angle.cos() * scale, shift[:, 1]], dim=1)
    grid = F.affine_grid(torch.stack([top, bottom], dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def blur(images: Images, rng: Generator) -> Images:
    """Mixes half of the images with the mean over a twentieth of their height.

    The share is random, up to 0.9.
    """
    share = (0.9 * _uniform(len(images), rng)).clamp_min(0.0).view(-1, 1, 1, 1)
    border = max(1, images.shape[-1] // 64)
    smooth = F.avg_pool2d(F.pad(images, [border] * 4, mode="replicate"), 2 * border + 1, stride=1)
    return images + share * (smooth - images)


def recolour(images: Images, rng: Generator, strength: float = 1.0) -> Images:
    """Changes brightness, contrast and saturation, and casts a slight colour.

    All are ``strength`` times as large as by default.
    """
    faces = len(images)
    gray = images.mean(dim=1, keepdim=True)
    saturation = (1 + 0.25 * strength * _uniform(faces, rng)).view(-1, 1, 1, 1)
    contrast = (1 + 0.2 * strength * _uniform(faces, rng)).view(-1, 1, 1, 1)
    cast = 0.06 * strength * _uniform(3 * faces, rng).view(faces, 3, 1, 1)
    light = 0.15 * strength * _uniform(faces, rng).view(-1, 1, 1, 1)
    return (gray + saturation * (images - gray)) * contrast + cast + light


def disturb(images: Images, rng: Generator) -> Images:
    """Draws noise of a random strength.

    Fine for some, in 16 x 16 blocks for others, as optimised latents tend to make.
    """
    faces, _, height, width = images.shape
    fine = torch.randn(images.shape, generator=rng)
    coarse = torch.randn(faces, 3, 16, 16, generator=rng)
    coarse = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    strengths = 0.10 * _uniform(2 * faces, rng).view(2, faces, 1, 1, 1).clamp_min(0.0)
    return images + strengths[0] * fine + strengths[1] * coarse


def _uniform(count: int, rng: Generator) -> Tensor:
    """Uniform in [-1, 1]."""
    return 2 * torch.rand(count, generator=rng) - 1
