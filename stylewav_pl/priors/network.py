"""A rectified flow from noise to whitened latents, told where in CLIP space the image should lie."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """``x + linear(SiLU(linear(LayerNorm(x))))``."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "clip width"]) -> Float[Tensor, "clip width"]:
        """Returns the input plus what the block makes of it."""
        out: Tensor = x + self.narrow(F.silu(self.widen(self.norm(x))))
        return out


class FlowNetwork(nn.Module):
    """The velocity of a rectified flow (Liu et al. 2022, arXiv:2209.03003) at a point and a time.

    Args:
        embed_dim: Width of CLIP space.
        latent_dim: Width of w.
        width: Of the residual stream.
        blocks: Residual blocks.
        hidden: Width inside of a block.
        frequencies: Of sine and cosine of the time.
    """

    frequencies: Tensor

    def __init__(
        self,
        embed_dim: int,
        latent_dim: int,
        width: int = 384,
        blocks: int = 3,
        hidden: int = 768,
        frequencies: int = 32,
    ) -> None:
        super().__init__()
        self.config: Mapping[str, Any] = {
            "embed_dim": embed_dim,
            "latent_dim": latent_dim,
            "width": width,
            "blocks": blocks,
            "hidden": hidden,
            "frequencies": frequencies,
        }
        self.embed_dim, self.latent_dim = embed_dim, latent_dim
        random = torch.Generator().manual_seed(0)
        self.register_buffer("frequencies", torch.randn(frequencies, generator=random))
        self.enter = nn.Linear(embed_dim + latent_dim + 2 * frequencies, width)
        self.blocks = nn.ModuleList(ResidualBlock(width, hidden) for _ in range(blocks))
        self.leave = nn.Linear(width, latent_dim)

    def forward(
        self,
        points: Float[Tensor, "clip latent"],
        times: Float[Tensor, " clip"],
        conditions: Float[Tensor, "clip embed"],
    ) -> Float[Tensor, "clip latent"]:
        """Returns velocities.

        Args:
            points: Between noise (time 0) and whitened latents (time 1).
            times: In [0, 1].
            conditions: Unit vectors; zero where nothing is asked for.
        """
        angles = 2 * math.pi * times[:, None] * self.frequencies  # [clip, frequency]
        told = conditions * math.sqrt(self.embed_dim)  # of a size like that of the points
        x = self.enter(torch.cat([told, points, angles.sin(), angles.cos()], dim=1))
        for block in self.blocks:
            x = block(x)
        velocities: Tensor = self.leave(x)
        return velocities
