"""The contract of every generator: a frozen network from latent to image."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

Noise = Literal["const", "none", "random"]
Styles = Sequence[Float[Tensor, "clip _"]]
Frozen = TypeVar("Frozen", bound="Generator")


@dataclass(frozen=True)
class StyleLayer:
    """A modulated layer: what one tensor of :meth:`Generator.styles` belongs to.

    Attributes:
        ws_index: The w vector of a W+ latent that its style follows.
        channels: Width of its style.
        to_rgb: Whether it turns feature maps into colours.
    """

    ws_index: int
    channels: int
    to_rgb: bool = False


class Generator(nn.Module, ABC):
    """Maps latents to images; see the members of this package.

    Attributes:
        z_dim: Width of the input noise vector.
        w_dim: Width of the intermediate latent.
        num_ws: How many w vectors a W+ latent holds.
        resolution: Height and width of the image in pixels.
        w_mean: ``[w_dim]``, mean of w over z; where optimisation starts.
    """

    z_dim: int
    w_dim: int
    num_ws: int
    resolution: int
    w_mean: Tensor

    @abstractmethod
    def map(
        self, z: Float[Tensor, "clip z"], truncation: float = 1.0, cutoff: int | None = None
    ) -> Float[Tensor, "clip *layer width"]:
        """Maps noise to w and pulls it towards ``w_mean``: ``w_mean + truncation * (w - w_mean)``.

        Args:
            z: Noise.
            truncation: 1: w as it is, 0: the mean.
            cutoff: How many layers, from coarse to fine, are pulled (NVIDIA's ``truncation_cutoff``);
                ``None``: all.

        Returns:
            W ``[clip, w_dim]``; with a ``cutoff`` W+ ``[clip, num_ws, w_dim]``.
        """

    @abstractmethod
    def styles(self, ws: Float[Tensor, "clip layer width"]) -> list[Float[Tensor, "clip _"]]:
        """The per-layer style vectors (StyleSpace, S) in StyleCLIP's order."""

    @abstractmethod
    def synthesize(
        self,
        ws_or_styles: Float[Tensor, "clip width"] | Float[Tensor, "clip layer width"] | Styles,
        noise: Noise = "const",
        resolution: int | None = None,
    ) -> Float[Tensor, "clip 3 height width"]:
        """Renders W (broadcast to all layers), W+ or S to RGB images, about [-1, 1].

        Args:
            ws_or_styles: The latents.
            noise: Which noise is added inside.
            resolution: One of :attr:`resolutions`; smaller than the network's own: a coarser image for less
                work.
        """

    @property
    @abstractmethod
    def style_layers(self) -> tuple[StyleLayer, ...]:
        """The modulated layers, in the order of :meth:`styles`."""

    @property
    @abstractmethod
    def resolutions(self) -> tuple[int, ...]:
        """Heights in pixels at which it can render, from coarse to full."""

    def freeze(
        self: Frozen,
        dtype: torch.dtype = torch.float32,
        float32_up_to: int = 0,
        recompute_from: int | None = None,
    ) -> Frozen:
        """Turns off the gradients of all weights and prepares for rendering.

        Gradients towards the latents still flow.

        Args:
            dtype: Precision of the feature maps above ``float32_up_to``; ``float16`` and ``bfloat16`` are for
                GPUs.
            float32_up_to: Height in pixels up to which feature maps are in float32 in any case.
            recompute_from: From this height on feature maps are not kept for the backward pass but computed
                again; ``None``: never.
        """
        self.requires_grad_(False)
        return self.eval()

    def checked_resolution(self, resolution: int | None) -> int:
        """The resolution to render at.

        Raises:
            ValueError: It cannot render at this one.
        """
        if resolution is not None and resolution not in self.resolutions:
            raise ValueError(
                f"Expected a resolution of {', '.join(map(str, self.resolutions))}; found {resolution}."
            )
        return resolution or self.resolution

    def truncated(
        self, w: Float[Tensor, "clip width"], truncation: float, cutoff: int | None
    ) -> Float[Tensor, "clip *layer width"]:
        """Pulls w towards ``w_mean``, in the first ``cutoff`` layers or in all; see :meth:`map`.

        Raises:
            ValueError: There are not so many layers.
        """
        pulled = torch.lerp(self.w_mean, w, truncation)
        if cutoff is None:
            return pulled
        coarse = torch.arange(self.num_ws, device=w.device) < self.checked_cutoff(cutoff)
        return torch.where(coarse[:, None], pulled[:, None], w[:, None])

    def checked_cutoff(self, cutoff: int) -> int:
        """Returns the number of layers that truncation is for.

        Raises:
            ValueError: There are not so many.
        """
        if not 0 <= cutoff <= self.num_ws:
            raise ValueError(
                f"Expected a truncation cutoff from 0 to {self.num_ws}, the layers of this generator; "
                f"found {cutoff}."
            )
        return cutoff

    def broadcast(self, latents: Float[Tensor, "clip ..."]) -> Float[Tensor, "clip layer width"]:
        """W repeated for every layer; W+ as it is.

        Raises:
            ValueError: ``latents`` is neither ``[clip, w_dim]`` nor ``[clip, num_ws, w_dim]``.
        """
        if latents.ndim == 2 and latents.shape[1] == self.w_dim:
            return latents[:, None].expand(-1, self.num_ws, -1)
        if latents.ndim == 3 and latents.shape[1:] == (self.num_ws, self.w_dim):
            return latents
        raise ValueError(
            f"Expected W [clip, {self.w_dim}], W+ [clip, {self.num_ws}, {self.w_dim}] or a list of styles, "
            f"found a tensor {list(latents.shape)}."
        )

    def checked_noise(self, z: Float[Tensor, "clip ..."]) -> Float[Tensor, "clip z"]:
        """Returns noise of the right shape.

        Raises:
            ValueError: ``z`` is not ``[clip, z_dim]``.
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise ValueError(f"Expected z of shape [clip, {self.z_dim}], found {list(z.shape)}.")
        return z

    def checked_ws(self, ws: Float[Tensor, "clip ..."]) -> Float[Tensor, "clip layer width"]:
        """Returns a W+ of the right shape.

        Raises:
            ValueError: ``ws`` is not ``[clip, num_ws, w_dim]``.
        """
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(
                f"Expected ws of shape [clip, {self.num_ws}, {self.w_dim}], found {list(ws.shape)}. "
                "Give one W+ latent its clip axis with ws[None]; repeat W over the layers with w[:, "
                "None].expand(-1, num_ws, -1)."
            )
        return ws

    def as_styles(self, latents: Float[Tensor, "clip ..."] | Styles) -> Styles:
        """Returns the styles of W or W+; styles of the right shapes as they are.

        Raises:
            ValueError: The shapes are others.
        """
        if isinstance(latents, Tensor):
            return self.styles(self.broadcast(latents))
        expected = [layer.channels for layer in self.style_layers]
        found = [list(style.shape) for style in latents]
        clips = found[0][0] if found and found[0] else 0
        if found != [[clips, width] for width in expected]:
            raise ValueError(
                f"Expected {len(expected)} styles [clip, channels] with channels {expected}, found shapes "
                f"{found}."
            )
        return latents
