"""A layer of StyleGAN3: style, convolution with demodulation, and a leaky ReLU that makes no aliases.

Source: Karras et al., "Alias-Free Generative Adversarial Networks" (2021), section 3.2 and appendix B. As in
:mod:`~stylewav_pl.generators.stylegan2_layers`, one convolution with shared weights serves the whole batch.
The authors' code divides styles by their root mean square over the whole *batch*, which demodulation undoes
up to its 1e-8; here each clip's own is taken, so that a clip does not depend on its company.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylewav_pl.generators.filtered_relu import Resampling, filtered_leaky_relu
from stylewav_pl.generators.frozen_convolution import GAIN, SLOPE, demodulation
from stylewav_pl.generators.stylegan2_layers import EqualizedLinear, squared_sums

MOST_TAPS, LARGEST_FACTOR, LARGEST_PADDING, LARGEST_KERNEL = 256, 16, 1 << 13, 15


@dataclass(frozen=True)
class LayerShape:
    """All sizes of a layer, as a weight file's configuration has them.

    Attributes:
        channels: Of the output.
        kernel: Height and width of the convolution's kernel.
        up: See :class:`~stylewav_pl.generators.filtered_relu.Resampling`, as ``down``, ``padding``,
            ``clamp``.
        up_taps: Length of the filter; 0: none.
        down_taps: Length of the filter; 0: none.
        radial: Whether the second filter is not separable.
    """

    channels: int
    kernel: int
    up: int
    down: int
    padding: tuple[int, int, int, int]
    up_taps: int
    down_taps: int
    radial: bool = False
    clamp: float | None = 256.0

    def __post_init__(self) -> None:
        """Refuses what would cost memory before tensors are compared.

        Raises:
            ValueError: A number is out of its range.
        """
        numbers = (
            self.channels,
            self.kernel,
            self.up,
            self.down,
            self.up_taps,
            self.down_taps,
            *self.padding,
        )
        usable = (
            all(isinstance(number, int) for number in numbers)
            and 1 <= self.kernel <= LARGEST_KERNEL
            and 1 <= min(self.up, self.down) <= max(self.up, self.down) <= LARGEST_FACTOR
            and 0 <= min(self.up_taps, self.down_taps) <= max(self.up_taps, self.down_taps) <= MOST_TAPS
            and len(self.padding) == 4
            and max(map(abs, self.padding)) <= LARGEST_PADDING
            and (self.clamp is None or self.clamp > 0)
        )
        if not usable:
            raise ValueError(f"a layer with {asdict(self)}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "LayerShape":
        """Builds it from :attr:`config`."""
        return cls(**{**config, "padding": tuple(config["padding"])})

    @property
    def config(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "padding": list(self.padding)}


class AliasFreeLayer(nn.Module):
    """One layer; the last one of a network makes colours.

    Args:
        in_channels: Of the input, and the width of the style.
        w_dim: Width of w.
        shape: All other sizes.
        to_rgb: Whether it makes colours: no demodulation, and no activation.

    Attributes:
        dtype: Precision of its feature maps.
        recompute: Whether feature maps are computed again for the backward pass instead of being kept.
    """

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(self, in_channels: int, w_dim: int, shape: LayerShape, *, to_rgb: bool) -> None:
        super().__init__()
        self.shape, self.to_rgb = shape, to_rgb
        self.dtype, self.recompute = torch.float32, False
        self.affine = EqualizedLinear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(shape.channels, in_channels, shape.kernel, shape.kernel))
        self.bias = nn.Parameter(torch.zeros(shape.channels))
        self.register_buffer("magnitude_ema", torch.ones(()))
        self.register_buffer("up_filter", _box(shape.up_taps) if shape.up_taps else None)
        down = _box(shape.down_taps) if shape.down_taps else None
        self.register_buffer(
            "down_filter", torch.outer(down, down) if shape.radial and down is not None else down
        )

    @property
    def resampling(self) -> Resampling:
        """What happens around the activation."""
        slope, gain = (1.0, 1.0) if self.to_rgb else (SLOPE, GAIN)
        shape = self.shape
        return Resampling(
            self.up_filter, self.down_filter, shape.up, shape.down, shape.padding, slope, gain, shape.clamp
        )

    def output_size(self, size: int) -> tuple[int, int]:
        """Height and width of the output for a square input."""
        convolved = size + self.shape.kernel - 1
        height, width = (self.resampling.output_size(convolved, axis) for axis in (0, 1))
        return height, width

    def forward(
        self, x: Float[Tensor, "clip in height width"], style: Float[Tensor, "clip in"]
    ) -> Float[Tensor, "clip out height2 width2"]:
        """Computes the layer's output, in its own precision."""
        weight, before, after = self._factors(style)
        x = x.to(self.dtype) * before.to(self.dtype)[:, :, None, None]
        x = functional.conv2d(x, weight.to(self.dtype), padding=self.shape.kernel - 1)
        bias = self.bias.to(self.dtype)[:, None, None]
        x = torch.addcmul(bias, x, after.to(self.dtype)[:, :, None, None])  # [clip, out, height, width]
        return filtered_leaky_relu(x, self.resampling)

    def _factors(self, style: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The convolution's weight, and the factors of its input and its output, ``[clip, channel]``."""
        input_gain = self.magnitude_ema.rsqrt()
        if self.to_rgb:
            before = style / math.sqrt(self.weight[0].numel())
            return self.weight, before, input_gain.expand(len(style), self.shape.channels)
        weight = self.weight * self.weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
        style = style * style.square().mean(dim=1, keepdim=True).rsqrt()
        return weight, style, demodulation(style, squared_sums(weight)) * input_gain


def _box(taps: int) -> Tensor:
    return torch.full((taps,), 1 / taps)
