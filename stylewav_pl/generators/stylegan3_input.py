"""Where the images of StyleGAN3 begin: waves over the plane, turned and shifted as w and the user say.

Source: Karras et al., "Alias-Free Generative Adversarial Networks" (2021), section 3.2 (Fourier features) and
appendix F (the learned transformation).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylewav_pl.generators.stylegan2_layers import EqualizedLinear
from stylewav_pl.ranges import Number

TRANSFORM_NUMBERS = 4  # cosine and sine of a turn, shift to the right and down


class FourierInput(nn.Module):
    """Fourier features, mixed by a matrix.

    Args:
        w_dim: Width of w.
        channels: Number of waves, and of features.
        size: Height and width of the map, margins included.
        sampling_rate: Pixels per unit of the plane; the image without margins is one unit wide.
        bandwidth: Frequencies up to it are at full strength; it sinks to nothing at half the sampling rate.

    Raises:
        ValueError: The band does not lie below half the sampling rate.
    """

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, w_dim: int, channels: int, size: int, sampling_rate: float, bandwidth: float) -> None:
        super().__init__()
        if not 0 < bandwidth < sampling_rate / 2 < math.inf:
            raise ValueError(f"a bandwidth of {bandwidth} at a sampling rate of {sampling_rate}")
        self.size, self.sampling_rate, self.bandwidth = size, sampling_rate, bandwidth
        self.affine = EqualizedLinear(w_dim, TRANSFORM_NUMBERS)
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.register_buffer("transform", torch.eye(3))
        angle, radius = torch.rand(channels) * 2 * math.pi, torch.rand(channels).sqrt() * bandwidth
        self.register_buffer("freqs", torch.stack([angle.cos(), angle.sin()], dim=1) * radius[:, None])
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def forward(self, style: Float[Tensor, "clip 4"]) -> Float[Tensor, "clip channel size size"]:
        """Computes the features; the first two numbers of a style give the turn by their direction alone."""
        matrices = self._matrices(style) @ self.transform  # [clip, 3, 3]
        freqs = self.freqs @ matrices[:, :2, :2]  # [clip, channel, 2]
        phases = self.phases + (self.freqs @ matrices[:, :2, 2:]).squeeze(2)  # [clip, channel]
        # what was pushed out of the band by a zoom would alias
        beyond = (freqs.norm(dim=2) - self.bandwidth) / (self.sampling_rate / 2 - self.bandwidth)
        amplitudes = (1 - beyond).clamp(0, 1)  # [clip, channel]
        waves = torch.einsum("hwa,bca->bhwc", self._plane(style), freqs) + phases[:, None, None]
        waves = (waves * (2 * math.pi)).sin() * amplitudes[:, None, None]
        features = waves @ (self.weight / math.sqrt(len(self.weight))).T  # [clip, size, size, channel]
        map_of_features: Tensor = features.permute(0, 3, 1, 2)
        return map_of_features

    def _matrices(self, style: Tensor) -> Tensor:
        """``[clip, 3, 3]``: the inverse of a shift followed by a turn."""
        style = style / style[:, :2].norm(dim=1, keepdim=True)
        cosine, sine, right, down = style.unbind(dim=1)
        zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
        turn = [cosine, -sine, zero, sine, cosine, zero, zero, zero, one]
        shift = [one, zero, -right, zero, one, -down, zero, zero, one]
        matrices = [torch.stack(entries, dim=1).view(-1, 3, 3) for entries in (turn, shift)]
        return matrices[0] @ matrices[1]

    def _plane(self, like: Tensor) -> Tensor:
        """``[size, size, 2]``, the places of the pixels' centres."""
        half = 0.5 * self.size / self.sampling_rate
        scale = torch.tensor([[half, 0.0, 0.0], [0.0, half, 0.0]], dtype=like.dtype, device=like.device)
        return functional.affine_grid(scale[None], [1, 1, self.size, self.size], align_corners=False)[0]


def placement(angle: Number, right: Number, down: Number) -> Float[Tensor, "3 3"]:
    """Returns the ``transform`` that turns the image and then shifts it.

    Args:
        angle: Degrees, counter-clockwise.
        right: In image widths.
        down: In image heights.

    >>> placement(90, 0, 0).round().tolist()
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    turn = math.radians(angle)
    forward = torch.tensor(
        [
            [math.cos(turn), math.sin(turn), right],
            [-math.sin(turn), math.cos(turn), down],
            [0.0, 0.0, 1.0],
        ],
        dtype=torch.float64,
    )
    inverse: Tensor = torch.linalg.inv(forward).float()
    return inverse
