"""The layers of the first StyleGAN: noise, activation, normalisation, and a style's scale and bias.

Source: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019),
section 2 and appendix B.
"""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylewav_pl.generators.base import Noise
from stylewav_pl.generators.frozen_convolution import EPSILON, GAIN, SLOPE
from stylewav_pl.generators.stylegan2_layers import EqualizedLinear, normalize_second_moment

BLUR = (0.25, 0.5, 0.25)


class StyleGANMapping(nn.Module):
    """Maps noise to w. The gain of the activation rides on the weights, so that biases do not get it.

    Args:
        z_dim: Width of the noise.
        w_dim: Width of w.
        width: Width of the layers in between.
        depth: Number of layers.
        learning_rate_multiplier: See :class:`EqualizedLinear`.
    """

    def __init__(
        self, z_dim: int, w_dim: int, width: int, depth: int, learning_rate_multiplier: float
    ) -> None:
        super().__init__()
        widths = [z_dim] + [width] * (depth - 1) + [w_dim]
        self.layers = nn.ModuleList()
        for inputs, outputs in pairwise(widths):
            layer = EqualizedLinear(inputs, outputs, learning_rate_multiplier=learning_rate_multiplier)
            layer.weight_gain *= GAIN
            self.layers.append(layer)

    def forward(self, z: Float[Tensor, "clip z"]) -> Float[Tensor, "clip width"]:
        """Maps noise to w."""
        w = normalize_second_moment(z)
        for layer in self.layers:
            w = functional.leaky_relu(layer(w), SLOPE)
        return w


class StyledLayer(nn.Module):
    """Convolution, noise, bias, leaky ReLU, normalisation, style; the first layer has no convolution.

    Args:
        in_channels: Of the input; 0: no convolution.
        out_channels: Of the output; a style has twice as many numbers.
        w_dim: Width of w.
        resolution: Height and width of the output in pixels.
        upsample: Whether it doubles the resolution.
        fused: Whether it does so by a transposed convolution instead of repeated pixels. This is another
            function, not only another way to compute one: the kernel is turned by half a turn.

    Attributes:
        dtype: Precision of its convolution.
    """

    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        upsample: bool = False,
        fused: bool = False,
    ) -> None:
        super().__init__()
        self.upsample, self.fused, self.dtype, self.recompute = upsample, fused, torch.float32, False
        self.weight: nn.Parameter | None = None
        if in_channels:
            self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.weight_gain = GAIN / math.sqrt(max(in_channels, 1) * 9)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.affine = EqualizedLinear(w_dim, 2 * out_channels)

    def forward(
        self, x: Float[Tensor, "clip in height width"], style: Float[Tensor, "clip _"], noise: Noise
    ) -> Float[Tensor, "clip out height2 width2"]:
        """Computes the features of this layer from those before it.

        Args:
            x: Features.
            style: The scales less one, then the biases, of all channels.
            noise: Which noise is added.
        """
        if self.weight is not None:
            weight = (self.weight * self.weight_gain).to(self.dtype)
            x = self._convolve(x.to(self.dtype), weight).to(style.dtype)
        shift = self.bias[:, None, None]
        if noise == "const":
            shift = shift + self.noise_strength[:, None, None] * self.noise_const
        elif noise == "random":
            size = self.noise_const.shape
            drawn = torch.randn(len(x), 1, *size, device=x.device, dtype=x.dtype)
            shift = shift + self.noise_strength[:, None, None] * drawn
        x = normalized(functional.leaky_relu(x + shift, SLOPE))
        scale, bias = style[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(bias, x, scale + 1)

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if not self.upsample:
            return functional.conv2d(x, weight, padding=1)
        if self.fused:
            wide = functional.pad(weight, (1, 1, 1, 1))
            wide = wide[..., 1:, 1:] + wide[..., :-1, 1:] + wide[..., 1:, :-1] + wide[..., :-1, :-1]
            x = functional.conv_transpose2d(x, wide.transpose(0, 1), stride=2, padding=1)
        else:
            x = functional.conv2d(functional.interpolate(x, scale_factor=2), weight, padding=1)
        return blurred(x)


def normalized(x: Float[Tensor, "clip channel height width"]) -> Float[Tensor, "clip channel height width"]:
    """Brings each feature map to zero mean and unit variance."""
    x = x - x.mean(dim=(2, 3), keepdim=True)
    return x * (x.square().mean(dim=(2, 3), keepdim=True) + EPSILON).rsqrt()


def blurred(x: Float[Tensor, "clip channel height width"]) -> Float[Tensor, "clip channel height width"]:
    """Filters each feature map with ``[1, 2, 1] / 4`` along both axes, zeros beyond the edge.

    >>> blurred(torch.ones(1, 1, 2, 2))[0, 0].tolist()
    [[0.5625, 0.5625], [0.5625, 0.5625]]
    """
    channels = x.shape[1]
    row = x.new_tensor(BLUR).expand(channels, 1, 1, -1)
    x = functional.conv2d(x, row, padding=(0, 1), groups=channels)
    return functional.conv2d(x, row.transpose(2, 3), padding=(1, 0), groups=channels)
