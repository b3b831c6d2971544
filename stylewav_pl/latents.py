"""Latent spaces: what is optimised, where it starts, and how it becomes the generator's input."""

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.generators.base import Generator, Styles


class LatentSpace(ABC):
    """One way to describe an image by a tensor that can be optimised.

    Attributes:
        name: Written beside each stored latent (``w``, ``w+``, ``s``).
    """

    name: ClassVar[str]

    @abstractmethod
    def start(self, generator: Generator) -> Float[Tensor, "*latent"]:
        """The latent of the generator's mean w, for one clip."""

    @abstractmethod
    def from_w(self, w: Float[Tensor, "clip width"], generator: Generator) -> Float[Tensor, "clip *latent"]:
        """The latents that render the same images as ``w``."""

    @abstractmethod
    def expand(
        self, latents: Float[Tensor, "clip *latent"], generator: Generator
    ) -> Float[Tensor, "clip layer width"] | Styles:
        """What ``Generator.synthesize`` takes for these latents."""


class W(LatentSpace):
    """One w vector for all layers, ``[clip, width]``: stays closest to what the generator has learned."""

    name = "w"

    def start(self, generator: Generator) -> Float[Tensor, " width"]:
        """The mean w."""
        return generator.w_mean.detach().clone()

    def from_w(self, w: Float[Tensor, "clip width"], generator: Generator) -> Float[Tensor, "clip width"]:
        """The w vectors themselves."""
        return w

    def expand(
        self, latents: Float[Tensor, "clip width"], generator: Generator
    ) -> Float[Tensor, "clip layer width"]:
        """The same w for every layer."""
        return latents.unsqueeze(1).expand(-1, generator.num_ws, -1)


class WPlus(LatentSpace):
    """One w vector per layer, ``[clip, layer, width]`` (Abdal et al. 2019): freer, and easier to push off the faces."""

    name = "w+"

    def start(self, generator: Generator) -> Float[Tensor, "layer width"]:
        """The mean w for every layer."""
        return generator.w_mean.detach().repeat(generator.num_ws, 1)

    def from_w(
        self, w: Float[Tensor, "clip width"], generator: Generator
    ) -> Float[Tensor, "clip layer width"]:
        """The same w for every layer."""
        return w.unsqueeze(1).repeat(1, generator.num_ws, 1)

    def expand(
        self, latents: Float[Tensor, "clip layer width"], generator: Generator
    ) -> Float[Tensor, "clip layer width"]:
        """The latents themselves."""
        return latents


class S(LatentSpace):
    """StyleSpace (Wu et al. 2021): the style vectors of all modulated layers, concatenated, ``[clip, channels]``."""

    name = "s"

    def start(self, generator: Generator) -> Float[Tensor, " channels"]:
        """The styles of the mean w."""
        mean = generator.w_mean.detach().expand(1, generator.num_ws, -1)
        with torch.no_grad():
            return torch.cat(generator.styles(mean), dim=1).squeeze(0)

    @torch.no_grad()
    def from_w(self, w: Float[Tensor, "clip width"], generator: Generator) -> Float[Tensor, "clip channels"]:
        """The styles of w."""
        return torch.cat(generator.styles(w.unsqueeze(1).expand(-1, generator.num_ws, -1)), dim=1)

    def expand(self, latents: Float[Tensor, "clip channels"], generator: Generator) -> Styles:
        """One tensor per modulated layer, in the generator's order."""
        return torch.split(latents, style_sizes(generator), dim=1)


@lru_cache(maxsize=4)  # asked for at every step; a generator's architecture never changes
def style_sizes(generator: Generator) -> list[int]:
    """Channels of each modulated layer, in the order of ``Generator.styles``."""
    mean = generator.w_mean.detach().expand(1, generator.num_ws, -1)
    with torch.no_grad():
        return [style.shape[1] for style in generator.styles(mean)]
