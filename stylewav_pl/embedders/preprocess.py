"""From a generator's image to what a CLIP image tower sees. Scores of the two kinds are not comparable.

* ``clip`` - what CLIP models were trained on: [0, 1], bicubic resize, mean and deviation normalised.
* ``reference`` - StyleCLIP's path (Patashnik et al. 2021, arXiv:2103.17249): enlarged seven times by
repetition, then
  averaged over blocks of size / 32, and left in [-1, 1]. Needed to compare with results made that way.
  Repeating and averaging weigh each pixel by the area that it shares with the new one, which is how other
  sizes than 224 are reached.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, Literal, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.nn import functional as F

from stylewav_pl.errors import ConfigError

Preprocess = Literal["clip", "reference"]
Make = TypeVar("Make", bound=Callable[..., Tensor])


@dataclass(frozen=True)
class TrainingData:
    """How the images were prepared that a CLIP model was trained on.

    The defaults are OpenAI's, which most others kept.

    Attributes:
        mean: Of red, green and blue in [0, 1], subtracted.
        deviation: Of the same, divided by.
        interpolation: Of the resize.
    """

    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    deviation: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    interpolation: str = "bicubic"


def made_once(make: Make) -> Make:
    """Keeps the matrices that a function makes; a compiled step takes them for constants.

    Whoever asks first, and if only to count what a step takes, or without gradients: what is kept has
    numbers, and gradients pass through it.
    """

    @lru_cache(maxsize=8)
    @torch.inference_mode(False)
    def kept(*asked: Any, **named: Any) -> Tensor:
        with unset_fake_temporarily():
            return make(*asked, **named)

    @wraps(make)
    def constant(*asked: Any, **named: Any) -> Tensor:
        return kept(*asked, **named)

    marked = torch.compiler.assume_constant_result(constant)  # type: ignore[no-untyped-call,unused-ignore]
    return cast(Make, marked)


def clip_preprocess(
    images: Float[Tensor, "clip 3 height width"], image_size: int, training: TrainingData | None = None
) -> Float[Tensor, "clip 3 size size"]:
    """Images in [-1, 1] as CLIP was trained to see them.

    Not clamped, so that gradients survive outside the range.
    """
    training = training or TrainingData()
    if images.shape[-2:] != (image_size, image_size):
        images = _resized(images, image_size, training.interpolation)
    mean = images.new_tensor(training.mean).view(3, 1, 1)
    deviation = images.new_tensor(training.deviation).view(3, 1, 1)
    return ((images + 1) / 2 - mean) / deviation


def _resized(images: Tensor, image_size: int, mode: str) -> Tensor:
    """Resizes with antialiasing; on a GPU by a matrix for each axis.

    The gradient of torch's own function adds in an order there that is never the same twice.
    """
    if images.device.type == "cpu":
        size = (image_size, image_size)
        return F.interpolate(images, size=size, mode=mode, antialias=True, align_corners=False)
    rows, columns = (  # [size, height], [size, width]
        resize_matrix(length, image_size, mode, images.device, images.dtype) for length in images.shape[-2:]
    )
    resized: Tensor = rows @ images @ columns.T
    return resized


@made_once
def resize_matrix(
    size: int,
    image_size: int,
    mode: str = "bicubic",
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "out size"]:
    """The map of one axis that ``interpolate`` with antialiasing is.

    >>> resize_matrix(4, 2, "bilinear").shape, resize_matrix(4, 2, "bilinear").sum(dim=1)
    (torch.Size([2, 4]), tensor([1., 1.]))
    """
    lines = torch.eye(size, dtype=torch.float64)[None, None]
    found = F.interpolate(lines, size=(image_size, size), mode=mode, antialias=True, align_corners=False)
    return found[0, 0].to(device, dtype)


def reference_preprocess(
    images: Float[Tensor, "clip 3 height width"], image_size: int
) -> Float[Tensor, "clip 3 size size"]:
    """StyleCLIP's enlarging and averaging as one matrix per axis, without the enlarged image in between.

    Raises:
        ConfigError: The image is not square.
    """
    height, width = images.shape[-2:]
    if height != width:
        raise ConfigError(
            f"preprocess 'reference' needs square images, found {height}x{width}. Use preprocess: clip."
        )
    matrix: Tensor = reference_matrix(height, image_size, images.device, images.dtype)
    return matrix @ images @ matrix.T


@made_once
def reference_matrix(
    size: int, image_size: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "out size"]:
    """The map of one axis.

    New pixel ``i`` is the mean of the old axis from ``i * size / image_size`` to the next, fractions
    included.

    With 224 and multiples of 32 this is to repeat every pixel 7 times and to average blocks of ``size / 32``.

    >>> reference_matrix(64, 96)[:2, :2].tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    # In units of 1 / image_size of an old pixel every edge is a whole number.
    new, old = torch.arange(image_size + 1)[:, None] * size, torch.arange(size + 1) * image_size
    overlap = torch.minimum(new[1:], old[1:]) - torch.maximum(new[:-1], old[:-1])
    return (overlap.clamp(min=0).double() / size).to(device, dtype)
