"""Latent spaces: what is optimised, where it starts, and how it becomes the generator's input."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.base import Generator, Styles
from stylewav_pl.generators.vqgan import VQGAN


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

    def from_w_plus(
        self, ws: Float[Tensor, "clip layer width"], generator: Generator
    ) -> Float[Tensor, " clip *latent"]:
        """The latents that render the same images as one w vector for each layer.

        Raises:
            ConfigError: This space has one vector for all layers.
        """
        raise ConfigError(
            f"{type(self).__name__} has one vector for all layers, and here each has its own. Set "
            "model.latent_space to WPlus or S."
        )

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

    def bounds(self, generator: Generator) -> tuple[Tensor, Tensor] | None:
        """The least and the largest number of each entry, to which latents are clamped after each step.

        ``None``: there are none.
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

    def from_w_plus(
        self, ws: Float[Tensor, "clip layer width"], generator: Generator
    ) -> Float[Tensor, "clip layer width"]:
        """The vectors themselves."""
        return ws

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
        return self.from_w_plus(w.unsqueeze(1).expand(-1, generator.num_ws, -1), generator)

    @torch.no_grad()
    def from_w_plus(
        self, ws: Float[Tensor, "clip layer width"], generator: Generator
    ) -> Float[Tensor, "clip channels"]:
        """The styles of the vectors."""
        return torch.cat(generator.styles(ws), dim=1)

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


class Codes(LatentSpace):
    """The grid of a VQGAN, ``[clip, code, height, width]``: vectors whose nearest codes are rendered.

    After each step every entry is clamped to what the codebook has for it, as in VQGAN-CLIP (Crowson et al.
    2022, arXiv:2204.08583), which starts at random codes (``model.start.truncation: 1``).
    """

    name = "codes"

    def start(self, generator: Generator) -> Float[Tensor, "code row column"]:
        """The mean of all codes at every place."""
        vqgan = checked_vqgan(generator)
        return vqgan.w_mean.detach().reshape(vqgan.latent_shape).clone()

    def from_w(
        self, w: Float[Tensor, "clip width"], generator: Generator
    ) -> Float[Tensor, "clip code row column"]:
        """The same numbers as a grid."""
        return w.reshape(-1, *checked_vqgan(generator).latent_shape)

    def expand(
        self, latents: Float[Tensor, "clip code row column"], generator: Generator
    ) -> Float[Tensor, "clip layer width"]:
        """The grid as the one w vector of the generator."""
        return latents.flatten(1).unsqueeze(1)

    def bounds(self, generator: Generator) -> tuple[Tensor, Tensor] | None:
        """The least and the largest number that any code has at an entry, ``[code, 1, 1]``."""
        return checked_vqgan(generator).bounds

    def metadata(self, generator: Generator) -> dict[str, str]:
        """Also ``shape``, that of the grid: ``256,16,16``."""
        shape = checked_vqgan(generator).latent_shape
        return {**super().metadata(generator), "shape": ",".join(map(str, shape))}


def checked_vqgan(generator: Generator) -> VQGAN:
    """Returns the generator itself.

    Raises:
        ConfigError: It has no codes.
    """
    if not isinstance(generator, VQGAN):
        raise ConfigError(
            f"model.latent_space Codes is that of a VQGAN, the generator is a {type(generator).__name__}. "
            "Choose W, WPlus or S."
        )
    return generator


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
