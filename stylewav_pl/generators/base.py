"""The contract of every generator: a frozen network from latent to image."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

Noise = Literal["const", "none", "random"]
Styles = Sequence[Float[Tensor, "clip _"]]


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
        self, ws_or_styles: Float[Tensor, "clip width"] | Float[Tensor, "clip layer width"] | Styles, noise: Noise = "const"
    ) -> Float[Tensor, "clip 3 height width"]:
        """Renders W (broadcast to all layers), W+ or S to RGB images, about [-1, 1]."""

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
            f"Expected W [clip, {self.w_dim}], W+ [clip, {self.num_ws}, {self.w_dim}] or a list of styles, found a tensor {list(latents.shape)}."
        )
