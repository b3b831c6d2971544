"""Twice the height and width, as StyleGAN and StyleGAN2 resample.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), appendix B.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylewav_pl.generators.frozen_convolution import joins

BINOMIAL = (1.0, 3.0, 3.0, 1.0)


def resampling_filter(taps: Sequence[float] = BINOMIAL) -> Float[Tensor, " taps"]:
    """The one-dimensional filter of all resampling, with sum 1."""
    filter_taps = torch.tensor(taps)
    return filter_taps / filter_taps.sum()


class Upsample(nn.Module):
    """Doubles height and width: zeros between the pixels, then the resampling filter with gain 4.

    Args:
        taps: The filter in one dimension, of any scale.

    Raises:
        ValueError: The number of taps is odd, which would move the image by half a pixel.
    """

    taps: Tensor

    def __init__(self, taps: Sequence[float] = BINOMIAL) -> None:
        super().__init__()
        if len(taps) % 2 or not taps:
            raise ValueError(f"Expected a resampling filter with an even number of taps, found {list(taps)}.")
        self.register_buffer("taps", 2 * resampling_filter(taps), persistent=False)
        self.padding = len(taps) // 2 - 1

    def forward(
        self, image: Float[Tensor, "clip channels height width"]
    ) -> Float[Tensor, "clip channels height2 width2"]:
        """Transposed convolution with the filter as its kernel: zero insertion and filter in one step."""
        if joins(image):
            return doubled(doubled(image, self.taps, dim=2), self.taps, dim=3)
        channels = image.shape[1]
        return functional.conv_transpose2d(
            image, self.kernel(channels), stride=2, padding=self.padding, groups=channels
        )

    def kernel(self, channels: int) -> Float[Tensor, "channels 1 taps taps"]:
        """The filter in two dimensions, once for each channel."""
        return torch.outer(self.taps, self.taps).expand(channels, 1, -1, -1)

    def smooth(
        self, x: Float[Tensor, "clip channels height width"]
    ) -> Float[Tensor, "clip channels height2 width2"]:
        """Only the filter, for an input that already holds the inserted zeros.

        ``2 R + 1`` pixels become ``2 R``.
        """
        channels = x.shape[1]
        row = self.taps.flip(0).expand(channels, 1, 1, -1)  # flipped: a convolution, where conv2d correlates
        x = functional.conv2d(x, row, padding=(0, self.padding), groups=channels)
        return functional.conv2d(x, row.transpose(2, 3), padding=(self.padding, 0), groups=channels)


def doubled(image: Tensor, taps: Float[Tensor, " taps"], dim: int) -> Tensor:
    """Does along one axis what :class:`Upsample` does, by sums of shifted images.

    A compiler makes one pass over the image of them.
    """
    size, reach = image.shape[dim], len(taps) // 2
    edges = (0, 0) * (image.ndim - 1 - dim) + (reach, reach)
    padded = functional.pad(image, edges)
    phases = []
    for phase in (0, 1):  # of the new pixels: 2 m + phase = 2 i + tap - (reach - 1), solved for i
        met = [tap for tap in range(len(taps)) if (phase + reach - 1 - tap) % 2 == 0]
        shifts = [(phase + reach - 1 - tap) // 2 for tap in met]
        parts = [
            taps[tap] * padded.narrow(dim, reach + shift, size)
            for tap, shift in zip(met, shifts, strict=True)
        ]
        phases.append(sum(parts[1:], parts[0]))
    return torch.stack(phases, dim=dim + 1).flatten(dim, dim + 1)
