"""Augmented copies of each image, so that what pleases the guide at one place only counts less."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.ranges import check_number

MOST_VIEWS = 64
STRIDE = 1_000_003  # between the seeds of steps
GREY_WEIGHTS = (0.299, 0.587, 0.114)
CORNERS = 8  # numbers that a perspective has


@dataclass(frozen=True)
class Views:
    """How many copies the guide sees beside the image, and how they differ.

    What a copy is like is drawn for one clip at one step, from the clip's seed; never for several clips at
    once. The image itself is rendered once and always seen, too; the mean over all is what counts.
    Kinds: DiffAugment (Zhao et al. 2020, arXiv:2006.10738) and the cutouts of VQGAN-CLIP.

    Attributes:
        count: Copies; 0: none. Each costs as much as another look of the guide.
        colour: Largest change of brightness, and of the factors of saturation and contrast.
        shift: Largest shift, in heights of the image.
        scale: Largest change of the scale.
        perspective: How far the corners move, in half heights.
        cutout: Side of a grey square somewhere, in heights of the image.
        noise: Standard deviation.

    Raises:
        ConfigError: A number is out of its range.
    """

    count: int = 0
    colour: float = 0.1
    shift: float = 0.1
    scale: float = 0.1
    perspective: float = 0.1
    cutout: float = 0.25
    noise: float = 0.05

    def __post_init__(self) -> None:
        """Checks the numbers."""
        check_number("model.views.count", self.count, least=0, most=MOST_VIEWS)
        for field in fields(self)[1:]:
            most = 0.5 if field.name == "perspective" else 0.9
            check_number(f"model.views.{field.name}", getattr(self, field.name), least=0, most=most)

    def copies(
        self, images: Float[Tensor, "clip 3 height width"], seeds: Sequence[int], step: int
    ) -> Float[Tensor, "view clip 3 height width"]:
        """Returns the copies of each image.

        Args:
            images: RGB, about [-1, 1].
            seeds: Of each clip.
            step: Its number: each step has other copies.
        """
        drawn = [self._draw(seed, step, images.shape[-2:]) for seed in seeds]
        numbers = torch.stack([numbers for numbers, _ in drawn], dim=1).to(images)  # [view, clip, number]
        copies = [self._copy(images, of_view) for of_view in numbers]
        if self.noise:
            noise = torch.stack([noise for _, noise in drawn], dim=1).to(images)
            return torch.stack(copies) + self.noise * noise
        return torch.stack(copies)

    def _draw(
        self, seed: int, step: int, size: torch.Size
    ) -> tuple[Float[Tensor, "view number"], Float[Tensor, "view 3 height width"]]:
        """Everything random about the copies of one clip: uniform numbers in [-1, 1], and noise."""
        random = torch.Generator().manual_seed((seed + STRIDE * (step + 1)) % 2**63)
        numbers = 2 * torch.rand(self.count, 8 + CORNERS, generator=random) - 1
        shape = (self.count, 3, *size) if self.noise else (self.count, 3, 0, 0)
        return numbers, torch.randn(shape, generator=random)

    def _copy(
        self, images: Float[Tensor, "clip 3 height width"], numbers: Float[Tensor, "clip number"]
    ) -> Float[Tensor, "clip 3 height width"]:
        brightness, saturation, contrast = (self.colour * one for one in numbers[:, :3].T)
        copies = recoloured(images, brightness, 1 + saturation, 1 + contrast)
        scales = 1 + self.scale * numbers[:, 3]
        shifts = 2 * self.shift * numbers[:, 4:6]
        corners = self.perspective * numbers[:, 8:].reshape(-1, 4, 2)
        copies = warped(copies, scales, shifts, corners)
        return cut_out(copies, numbers[:, 6:8], self.cutout)


def recoloured(
    images: Float[Tensor, "clip 3 height width"],
    brightness: Float[Tensor, " clip"],
    saturation: Float[Tensor, " clip"],
    contrast: Float[Tensor, " clip"],
) -> Float[Tensor, "clip 3 height width"]:
    """Adds ``brightness``, then stretches colours from grey and values from their mean."""
    images = images + brightness[:, None, None, None]
    grey = (images * images.new_tensor(GREY_WEIGHTS)[:, None, None]).sum(dim=1, keepdim=True)
    images = grey + saturation[:, None, None, None] * (images - grey)
    means = images.mean(dim=(1, 2, 3), keepdim=True)
    return means + contrast[:, None, None, None] * (images - means)


def warped(
    images: Float[Tensor, "clip 3 height width"],
    scales: Float[Tensor, " clip"],
    shifts: Float[Tensor, "clip 2"],
    corners: Float[Tensor, "clip 4 2"],
) -> Float[Tensor, "clip 3 height width"]:
    """Samples images where their scaled and shifted squares, with moved corners, lie.

    What is outside mirrors the inside.

    Args:
        images: Square.
        scales: Of the square; above 1 shows more.
        shifts: Of its centre, in half heights.
        corners: Shifts of its corners (left top, right top, left bottom, right bottom), in half heights.
    """
    height, width = images.shape[-2:]
    down, right = (
        torch.linspace(-1 + 1 / size, 1 - 1 / size, size, device=images.device, dtype=images.dtype)
        for size in (height, width)
    )
    y, x = torch.meshgrid(down, right, indexing="ij")
    shares = torch.stack([(1 - x) * (1 - y), (1 + x) * (1 - y), (1 - x) * (1 + y), (1 + x) * (1 + y)]) / 4
    bent = torch.stack([x, y], dim=-1) + torch.einsum("khw,nkc->nhwc", shares, corners)
    places = scales[:, None, None, None] * bent + shifts[:, None, None, :]
    return F.grid_sample(images, places, mode="bilinear", padding_mode="reflection", align_corners=False)


def cut_out(
    images: Float[Tensor, "clip 3 height width"], centres: Float[Tensor, "clip 2"], side: float
) -> Float[Tensor, "clip 3 height width"]:
    """Puts a grey square of ``side`` heights around each centre, in [-1, 1] across and down."""
    height, width = images.shape[-2:]
    down, right = (
        torch.linspace(-1 + 1 / size, 1 - 1 / size, size, device=images.device, dtype=images.dtype)
        for size in (height, width)
    )
    across = (right - centres[:, :1]).abs() < side  # [clip, width]
    along = (down - centres[:, 1:]).abs() < side  # [clip, height]
    inside = along[:, None, :, None] & across[:, None, None, :]
    return images.masked_fill(inside, 0.0)
