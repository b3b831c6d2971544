"""From a generator's image to what a CLIP image tower sees. Scores of the two kinds are not comparable.

* ``clip`` - what CLIP models were trained on: [0, 1], bicubic resize, mean and deviation normalised.
* ``reference`` - StyleCLIP's path (Patashnik et al. 2021, arXiv:2103.17249): enlarged seven times by repetition, then
  averaged over blocks of size / 32, and left in [-1, 1]. Needed to compare with results made that way.
"""

from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.types import ConfigError

Preprocess = Literal["clip", "reference"]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
REFERENCE_GRID = 32


def clip_preprocess(images: Float[Tensor, "clip 3 height width"], image_size: int) -> Float[Tensor, "clip 3 size size"]:
    """Images in [-1, 1] as CLIP was trained to see them; not clamped, so that gradients survive outside the range."""
    if images.shape[-2:] != (image_size, image_size):
        images = F.interpolate(images, size=(image_size, image_size), mode="bicubic", antialias=True, align_corners=False)
    mean = images.new_tensor(CLIP_MEAN).view(3, 1, 1)
    deviation = images.new_tensor(CLIP_STD).view(3, 1, 1)
    return ((images + 1) / 2 - mean) / deviation


def reference_preprocess(images: Float[Tensor, "clip 3 height width"], image_size: int) -> Float[Tensor, "clip 3 size size"]:
    """StyleCLIP's enlarging and averaging as one matrix per axis, without the enlarged image in between.

    Raises:
        ConfigError: The image or the tower's size is no multiple of 32, or the image is not square.
    """
    height, width = images.shape[-2:]
    if height != width or height % REFERENCE_GRID or image_size % REFERENCE_GRID:
        raise ConfigError(
            f"preprocess 'reference' needs square images whose size, like the CLIP model's, is a multiple of {REFERENCE_GRID}; "
            f"found {height}x{width} for a model of {image_size}. Use preprocess: clip."
        )
    matrix = reference_matrix(height, image_size).to(images)
    return matrix @ images @ matrix.T


@lru_cache(maxsize=8)
def reference_matrix(size: int, image_size: int) -> Float[Tensor, "out size"]:
    """The map of one axis: repeat every pixel ``image_size / 32`` times, then average blocks of ``size / 32``.

    >>> reference_matrix(64, 96)[:2, :2].tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    repeats, block = image_size // REFERENCE_GRID, size // REFERENCE_GRID
    enlarged = torch.arange(size * repeats)
    matrix = torch.zeros(image_size, size)
    shares = torch.full(enlarged.shape, 1 / block)
    return matrix.index_put_((enlarged // block, enlarged // repeats), shares, accumulate=True)
