"""The contract of every generator: a frozen network from latent to image."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

Noise = Literal["const", "none", "random"]
Styles = Sequence[Float[Tensor, "clip _"]]
Frozen = TypeVar("Frozen", bound="Generator")


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
    def map(self, z: Float[Tensor, "clip z"], truncation: float = 1.0) -> Float[Tensor, "clip width"]:
        """Maps noise to w and pulls it towards ``w_mean``: ``w_mean + truncation * (w - w_mean)``."""

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
    def resolutions(self) -> tuple[int, ...]:
        """Heights in pixels at which it can render, from coarse to full."""

    def freeze(
        self: Frozen,
        dtype: torch.dtype = torch.float32,
        float32_up_to: int = 0,
        recompute_from: int | None = None,
    ) -> Frozen:
        """Turns off the gradients of all weights and prepares for rendering; gradients towards the latents still flow.

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
