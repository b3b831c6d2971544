"""StyleGAN2's discriminator in small: tells drawn faces from generated ones.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), figure 7 (residual
design) and appendix B (minibatch standard deviation).
"""

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylewav_pl.generators.frozen_convolution import GAIN, SLOPE
from stylewav_pl.generators.stylegan2_layers import EqualizedLinear
from stylewav_pl.generators.upsampling import resampling_filter

GROUP = 4  # faces that are compared with each other


class EqualizedConvolution(nn.Module):
    """A convolution with weights of unit variance at the start, scaled by ``1 / sqrt(fan in)`` at run time.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Height and width of the kernel.
        bias: Whether a bias is added.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.gain = 1 / math.sqrt(in_channels * kernel**2)

    def forward(self, x: Float[Tensor, "face in height width"]) -> Float[Tensor, "face out height width"]:
        """Returns the convolution of the same size."""
        return functional.conv2d(x, self.weight * self.gain, self.bias, padding=self.weight.shape[-1] // 2)


class Halve(nn.Module):
    """Halves height and width after the resampling filter [1, 3, 3, 1]."""

    taps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("taps", resampling_filter(), persistent=False)

    def forward(
        self, x: Float[Tensor, "face channels height width"]
    ) -> Float[Tensor, "face channels half half2"]:
        """Returns the smaller feature map."""
        kernel = torch.outer(self.taps, self.taps).expand(x.shape[1], 1, -1, -1).to(x.dtype)
        halved: Tensor = functional.conv2d(x, kernel, stride=2, padding=1, groups=x.shape[1])
        return halved


class Block(nn.Module):
    """Two convolutions and half the resolution, beside a shortcut.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = EqualizedConvolution(in_channels, in_channels, 3)
        self.second = EqualizedConvolution(in_channels, out_channels, 3)
        self.shortcut = EqualizedConvolution(in_channels, out_channels, 1, bias=False)
        self.halve = Halve()

    def forward(self, x: Float[Tensor, "face in height width"]) -> Float[Tensor, "face out half half2"]:
        """Returns the sum of both paths, with the variance of one."""
        straight = self.shortcut(self.halve(x))
        x = self.halve(activated(self.second(activated(self.first(x)))))
        joined: Tensor = (x + straight) * math.sqrt(0.5)
        return joined


class Discriminator(nn.Module):
    """One score per image: high for what looks drawn.

    Args:
        channels: Feature channels at each resolution, for every power of two from 4 to the image's.
    """

    def __init__(self, channels: Mapping[int, int]) -> None:
        super().__init__()
        widths = [channels[resolution] for resolution in sorted(channels, reverse=True)]
        self.from_rgb = EqualizedConvolution(3, widths[0], 1)
        self.blocks = nn.ModuleList(Block(*ends) for ends in pairwise(widths))
        self.last = EqualizedConvolution(widths[-1] + 1, widths[-1], 3)
        self.hidden = EqualizedLinear(widths[-1] * 16, widths[-1])
        self.score = EqualizedLinear(widths[-1], 1)

    def forward(self, images: Float[Tensor, "face 3 size size"]) -> Float[Tensor, " face"]:
        """Returns the scores of images in [-1, 1]."""
        x = activated(self.from_rgb(images))
        for block in self.blocks:
            x = block(x)
        x = activated(self.last(with_deviation(x)))
        x = activated(self.hidden(x.flatten(1)))
        scores: Tensor = self.score(x)[:, 0]
        return scores


def activated(x: Tensor) -> Tensor:
    """Returns the leaky ReLU with the gain that keeps the variance."""
    return functional.leaky_relu(x, SLOPE) * GAIN


def with_deviation(x: Float[Tensor, "face channels 4 4"]) -> Float[Tensor, "face channels1 4 4"]:
    """Returns ``x`` and a channel that betrays a lack of variety: the mean deviation over a group of faces.

    >>> with_deviation(torch.ones(4, 2, 4, 4))[:, 2].max().item() < 1e-3
    True
    """
    group = math.gcd(len(x), GROUP)
    grouped = x.float().view(group, -1, *x.shape[1:])
    deviation = (grouped.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return torch.cat([x, deviation.repeat(group)[:, None, None, None].expand(-1, 1, 4, 4).to(x.dtype)], dim=1)
