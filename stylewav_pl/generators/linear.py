"""A generator without training: a public double that makes whole pipelines testable in milliseconds."""

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from stylewav_pl.generators.base import Generator, Noise, StyleLayer, Styles


class LinearGenerator(Generator):
    """``image = tanh(sum over layers of w_layer @ M_layer)`` with seeded random matrices.

    It has no noise inputs, so the ``noise`` argument is only checked. Its styles are the w vectors of the
    layers themselves.

    Args:
        resolution: Height and width of the image in pixels.
        z_dim: Width of the noise.
        w_dim: Width of w.
        num_ws: Number of layers.
        seed: Seed of the matrices.
    """

    family: ClassVar[str] = "linear"
    z_to_w: Tensor
    w_to_image: Tensor

    def __init__(
        self, resolution: int = 8, *, z_dim: int = 8, w_dim: int = 16, num_ws: int = 4, seed: int = 0
    ) -> None:
        super().__init__()
        self.resolution, self.z_dim, self.w_dim, self.num_ws = resolution, z_dim, w_dim, num_ws
        random = torch.Generator().manual_seed(seed)
        self.register_buffer("w_mean", torch.randn(w_dim, generator=random) / 2)
        self.register_buffer("z_to_w", torch.randn(z_dim, w_dim, generator=random) / math.sqrt(z_dim))
        pixels = torch.randn(num_ws, w_dim, 3 * resolution**2, generator=random)
        self.register_buffer("w_to_image", pixels / math.sqrt(num_ws * w_dim))

    def map(
        self, z: Float[Tensor, "clip ..."], truncation: float = 1.0, cutoff: int | None = None
    ) -> Float[Tensor, "clip *layer width"]:
        """``w_mean + truncation * z @ A``; see :meth:`Generator.map`."""
        return self.truncated(self.w_mean + self.checked_noise(z) @ self.z_to_w, truncation, cutoff)

    def styles(self, ws: Float[Tensor, "clip ..."]) -> list[Float[Tensor, "clip _"]]:
        """The w vector of each layer."""
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(
                f"Expected ws of shape [clip, {self.num_ws}, {self.w_dim}], found {list(ws.shape)}."
            )
        return list(ws.unbind(dim=1))

    @property
    def style_layers(self) -> tuple[StyleLayer, ...]:
        """One for each w vector; none of them makes colours of feature maps."""
        return tuple(StyleLayer(index, self.w_dim) for index in range(self.num_ws))

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Every even split of the image, down to one pixel."""
        return tuple(size for size in range(1, self.resolution + 1) if self.resolution % size == 0)

    def synthesize(
        self,
        ws_or_styles: Float[Tensor, "clip ..."] | Styles,
        noise: Noise = "const",
        resolution: int | None = None,
    ) -> Float[Tensor, "clip 3 height width"]:
        """Renders W, W+ or S to RGB images in (-1, 1); coarser ones are means of their pixels."""
        self.check_noise_maps(noise)
        pixels = torch.einsum("clw,lwp->cp", self._layers(ws_or_styles), self.w_to_image)
        image = pixels.tanh().view(-1, 3, self.resolution, self.resolution)
        size = self.checked_resolution(resolution)
        return image if size == self.resolution else functional.avg_pool2d(image, self.resolution // size)

    def _layers(self, latents: Tensor | Styles) -> Tensor:
        if not isinstance(latents, Tensor):
            if [style.shape[1:] for style in latents] != [(self.w_dim,)] * self.num_ws:
                raise ValueError(
                    f"Expected {self.num_ws} styles [clip, {self.w_dim}], found shapes "
                    f"{[list(style.shape) for style in latents]}."
                )
            return torch.stack(list(latents), dim=1)
        return self.broadcast(latents)
