"""The layers of StyleGAN2, written so that one convolution with shared weights serves the whole batch.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), section 2 and appendix
B. The paper scales the *weights* by each sample's style (its equations 1 and 3); as convolution is linear,
scaling the input channels before and the output channels after one ordinary convolution gives the same image,
and a frozen network then needs no gradient for any weight.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylewav_pl.generators.frozen_convolution import (
    EPSILON,
    GAIN,
    SLOPE,
    FrozenWeights,
    demodulation,
    frozen_convolution,
    frozen_to_rgb,
    with_filter,
)
from stylewav_pl.generators.upsampling import BINOMIAL, Upsample

# buffers that hold what does not depend on the latent
FROZEN = ("frozen_weight", "frozen_squares", "frozen_filter", "frozen_bias", "frozen_noise")


def normalize_second_moment(z: Float[Tensor, "clip z"]) -> Float[Tensor, "clip z"]:
    """Scales each row to a mean square of one: ``z / sqrt(mean(z^2) + 1e-8)``."""
    return z * (z.square().mean(dim=1, keepdim=True) + EPSILON).rsqrt()


def squared_sums(weight: Float[Tensor, "out in kernel kernel"]) -> Float[Tensor, "in out"]:
    """Tells what :func:`demodulation` needs of the weights: ``sum_k w_oik^2``."""
    return weight.square().sum(dim=(2, 3)).T


class EqualizedLinear(nn.Module):
    """A linear layer whose weights have unit variance at the start.

    They are scaled by ``1 / sqrt(fan in)`` at run time.

    Args:
        in_features: Width of the input.
        out_features: Width of the output.
        bias: Initial value of the bias.
        learning_rate_multiplier: Makes the layer learn slower without changing its initial output (0.01 in
            the mapping network).
    """

    def __init__(
        self, in_features: int, out_features: int, *, bias: float = 0.0, learning_rate_multiplier: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / learning_rate_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias))
        self.weight_gain = learning_rate_multiplier / math.sqrt(in_features)
        self.bias_gain = learning_rate_multiplier

    def forward(self, x: Float[Tensor, "clip in"]) -> Float[Tensor, "clip out"]:
        """``x (gain W)^T + gain b``."""
        return functional.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)


class ModulatedConvolution(nn.Module):
    """Style, 3x3 convolution, demodulation, noise, bias and leaky ReLU.

    Args:
        in_channels: Channels of the input, and the width of the style.
        out_channels: Channels of the output.
        w_dim: Width of w.
        resolution: Height and width of the output in pixels.
        upsample: Whether the input has half the resolution.
        clamp: Bound of the output's magnitude; ``None`` for no bound.
        taps: See :class:`Upsample`.
    """

    noise_const: Tensor
    frozen_weight: Tensor | None
    frozen_squares: Tensor | None
    frozen_filter: Tensor | None
    frozen_bias: Tensor | None
    frozen_noise: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        upsample: bool,
        clamp: float | None,
        taps: Sequence[float] = BINOMIAL,
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.weight_gain = 1 / math.sqrt(in_channels * 9)
        self.upsample = Upsample(taps) if upsample else None
        self.clamp = clamp
        for name in FROZEN:
            self.register_buffer(name, None, persistent=False)

    def forward(
        self,
        x: Float[Tensor, "clip in height width"],
        style: Float[Tensor, "clip in"],
        noise: Float[Tensor, "... height2 width2"] | None,
    ) -> Float[Tensor, "clip out height2 width2"]:
        """``noise`` is added to all channels with the learned strength; ``None`` adds nothing."""
        if self.frozen_weight is not None and (noise is None or noise is self.noise_const):
            assert self.frozen_bias is not None and self.frozen_squares is not None
            shift = None if noise is None else self.frozen_noise
            frozen = FrozenWeights(
                self.frozen_weight, self.frozen_bias, shift, self.frozen_filter, self.clamp
            )
            return frozen_convolution(x, style, self.frozen_squares, frozen)
        weight = self.weight * self.weight_gain
        x = self._convolve(x * style[:, :, None, None], weight)
        shift = self.bias[:, None, None]
        if noise is not None:
            shift = shift + self.noise_strength * noise
        # leaky_relu(GAIN y) = GAIN leaky_relu(y), so the gain rides on the two small factors instead of on
        # the feature map.
        scale = GAIN * demodulation(style, squared_sums(weight))
        # Autocast leaves the sum to us: in the precision of the convolution feature maps stay half as large.
        shift, scale = (GAIN * shift).to(x.dtype), scale.to(x.dtype)
        x = functional.leaky_relu(torch.addcmul(shift, x, scale[:, :, None, None]), SLOPE)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.upsample is None:
            return functional.conv2d(x, weight, padding=1)
        return self.upsample.smooth(functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2))

    @torch.no_grad()
    def freeze(self, dtype: torch.dtype | None = None, fold: bool | None = None) -> None:
        """Computes once what does not depend on the latent; the weights must stay as they are from now on.

        Args:
            dtype: Precision of the feature maps; ``None``: that of the weights.
            fold: Whether the filter behind a transposed convolution is multiplied into its kernel; ``None``:
                anywhere but on a CPU.
        """
        weight = self.weight * self.weight_gain
        self.frozen_squares = squared_sums(weight).contiguous()
        self.frozen_bias, self.frozen_noise = GAIN * self.bias, GAIN * self.noise_strength * self.noise_const
        taps = None
        if self.upsample is not None:
            weight = weight.transpose(0, 1)
            if fold is None:
                fold = weight.device.type != "cpu"
            if fold:
                weight = with_filter(weight, self.upsample.kernel(1)[0, 0])
            else:
                taps = self.upsample.kernel(len(self.bias)).flip(2, 3).to(dtype or weight.dtype)
        self.frozen_filter = taps  # never another in between: a thread may be rendering with it
        self.frozen_weight = weight.to(dtype or weight.dtype).contiguous(memory_format=torch.channels_last)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ModulatedConvolution":
        """Freezes again on a device of another kind, where another form is the fastest."""
        before = self.weight.device.type
        moved: ModulatedConvolution = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.frozen_weight is not None and self.weight.device.type != before:
            self.freeze(self.frozen_weight.dtype)
        return moved

    def thaw(self) -> None:
        """Forgets what :meth:`freeze` has computed."""
        for name in FROZEN:
            setattr(self, name, None)


class ToRGB(nn.Module):
    """Style and 1x1 convolution to three colours, without demodulation.

    The arguments are those of :class:`ModulatedConvolution`.
    """

    def __init__(self, in_channels: int, w_dim: int, *, clamp: float | None) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.clamp = clamp

    def forward(
        self, x: Float[Tensor, "clip in height width"], style: Float[Tensor, "clip in"]
    ) -> Float[Tensor, "clip 3 height width"]:
        """The colours that this resolution adds to the image, in the precision of the style."""
        if not self.weight.requires_grad:
            weight = (style * self.weight_gain)[:, None] * self.weight[:, :, 0, 0]
            image = frozen_to_rgb(x, weight.to(x.dtype)).to(style.dtype) + self.bias[:, None, None]
        else:
            image = functional.conv2d(
                x * (style * self.weight_gain)[:, :, None, None], self.weight, self.bias
            )
        return image if self.clamp is None else image.clamp(-self.clamp, self.clamp)


class Shortcut(nn.Module):
    """The path beside a block of the residual architecture.

    1x1 convolution without bias, then twice the resolution.

    Args:
        in_channels: Channels of the block's input.
        out_channels: Channels of its output.
        taps: See :class:`Upsample`.
    """

    def __init__(self, in_channels: int, out_channels: int, taps: Sequence[float] = BINOMIAL) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.upsample = Upsample(taps)

    def forward(self, x: Float[Tensor, "clip in height width"]) -> Float[Tensor, "clip out height2 width2"]:
        """Tells what is added to the block's features."""
        enlarged: Tensor = self.upsample(functional.conv2d(x, self.weight * self.weight_gain))
        return enlarged
