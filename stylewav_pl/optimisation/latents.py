"""Latent spaces: what is optimised, where it starts, and how it becomes the generator's input."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
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
    def from_w(self, w: Float[Tensor, "clip width"], generator: Generator) -> Float[Tensor, " clip *latent"]:
        """The latents that render the same images as ``w``."""

    @abstractmethod
    def expand(
        self, latents: Float[Tensor, " clip *latent"], generator: Generator
    ) -> Float[Tensor, "clip layer width"] | Styles:
        """What ``Generator.synthesize`` takes for these latents."""

    def held(self, generator: Generator) -> Bool[Tensor, "*latent"] | None:
        """Which entries stay as they start, whatever the optimiser does.

        ``None``: every entry is optimised.
        """
        return None

    def metadata(self, generator: Generator) -> dict[str, str]:
        """What a reader of a stored latent needs to know about it."""
        return {"space": self.name}


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
    """One w vector per layer, ``[clip, layer, width]`` (Abdal et al. 2019).

    Freer, and easier to push off the faces.
    """

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
    """StyleSpace (Wu et al. 2021).

    The style vectors of all modulated layers, concatenated, ``[clip, channels]``.

    Args:
        to_rgb: Whether the styles of the ToRGB layers are optimised too. Without them, as in StyleCLIP
            (Patashnik et al. 2021) and StyleWav's notebooks, colours follow from the feature maps alone; the
            latents still hold every style.
    """

    name = "s"

    def __init__(self, to_rgb: bool = True) -> None:
        self.to_rgb = to_rgb

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
        """One tensor per modulated layer, in the generator's order.

        No gradient flows into those that are held.
        """
        styles = torch.split(latents, style_sizes(generator), dim=1)
        if self.to_rgb:
            return styles
        layers = zip(styles, generator.style_layers, strict=True)
        return [style.detach() if layer.to_rgb else style for style, layer in layers]

    def held(self, generator: Generator) -> Bool[Tensor, " channels"] | None:
        """The ToRGB styles, where these are not optimised."""
        if self.to_rgb:
            return None
        device = generator.w_mean.device
        parts = [
            torch.full((layer.channels,), layer.to_rgb, device=device) for layer in generator.style_layers
        ]
        return torch.cat(parts)

    def metadata(self, generator: Generator) -> dict[str, str]:
        """Also ``sizes``, where to cut the latent into the styles of the layers: ``512,512,...``."""
        return {**super().metadata(generator), "sizes": ",".join(map(str, style_sizes(generator)))}


def style_sizes(generator: Generator) -> list[int]:
    """Channels of each modulated layer, in the order of ``Generator.styles``."""
    return [layer.channels for layer in generator.style_layers]


def pulled_to_mean(
    latents: Float[Tensor, " clip *latent"],
    space: LatentSpace,
    generator: Generator,
    truncation: float,
    cutoff: int | None = None,
) -> Float[Tensor, "clip layer width"] | Styles:
    """What ``Generator.synthesize`` takes for latents pulled towards the mean.

    ``mean + truncation * (latent - mean)``.

    Styles are affine functions of w, so that W, W+ and S of the same image stay the same image.

    Args:
        latents: Of ``space``.
        space: How to read them.
        generator: Whose latents they are.
        truncation: 1: as they are, 0: the mean.
        cutoff: How many w layers, from coarse to fine, are pulled; ``None``: all.

    Raises:
        ValueError: There are not so many layers.
    """
    pulled = range(generator.num_ws if cutoff is None else generator.checked_cutoff(cutoff))
    full, mean = (
        space.expand(one, generator) for one in (latents, space.start(generator).expand_as(latents))
    )
    if isinstance(full, Tensor) and isinstance(mean, Tensor):
        count = len(pulled)
        return torch.cat([torch.lerp(mean[:, :count], full[:, :count], truncation), full[:, count:]], dim=1)
    return [
        torch.lerp(of_mean, style, truncation) if layer.ws_index in pulled else style
        for of_mean, style, layer in zip(mean, full, generator.style_layers, strict=True)
    ]
