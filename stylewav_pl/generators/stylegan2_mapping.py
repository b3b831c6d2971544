"""The mapping network of StyleGAN2."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylewav_pl.generators.frozen_convolution import GAIN, SLOPE
from stylewav_pl.generators.stylegan2_layers import EqualizedLinear, normalize_second_moment


class MappingNetwork(nn.Module):
    """Maps noise to w: the noise is normalised, then layers with leaky ReLU.

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
        widths = [z_dim] + [width] * (depth - 1) + [w_dim] * (depth > 0)
        self.layers = nn.ModuleList(
            EqualizedLinear(widths[i], widths[i + 1], learning_rate_multiplier=learning_rate_multiplier)
            for i in range(depth)
        )

    def forward(self, z: Float[Tensor, "clip z"]) -> Float[Tensor, "clip width"]:
        """Maps noise to w."""
        w = normalize_second_moment(z)
        for layer in self.layers:
            w = functional.leaky_relu(layer(w), SLOPE) * GAIN
        return w
