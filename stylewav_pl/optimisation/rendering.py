"""From latents to images to similarities, through the frozen networks."""

from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.hardware import Compile, Precision, compiled
from stylewav_pl.optimisation.latents import LatentSpace
from stylewav_pl.optimisation.objective import cosine_similarity

Scored: TypeAlias = tuple[
    Float[Tensor, "cohort 3 height width"], Float[Tensor, "cohort embed"], Float[Tensor, " cohort"]
]


UNSCALED_PIXELS = 16 * 16


class Renderer:
    """The way from latents to what the guide sees in their images.

    Args:
        generator: Renders.
        guide: Embeds the images.
        space: How the latents become the generator's input.
        noise: The generator's noise inputs: its stored constants, or none.
        compile: Whether and how :attr:`compiled_render_and_score` is compiled.
        precision: Of the generator's finest resolutions; in ``float16`` gradients inside it are scaled.
    """

    def __init__(
        self,
        generator: Generator,
        guide: ImageTextEmbedder,
        space: LatentSpace,
        noise: Literal["const", "none"] = "const",
        compile: Compile = False,
        precision: Precision = "float32",
    ) -> None:
        self.generator, self.guide, self.space, self.noise = generator, guide, space, noise
        self.precision = precision
        self.compiled_render_and_score = self.render_and_score
        if compile:
            self.compiled_render_and_score = compiled(self.render_and_score, compile)

    def render(
        self, latents: Float[Tensor, " clip *latent"], resolution: int | None = None
    ) -> Float[Tensor, "clip 3 height width"]:
        """Renders latents, RGB, about [-1, 1]; at full resolution unless told otherwise."""
        if self.precision != "float16":
            ws_or_styles = self.space.expand(latents, self.generator)
            return self.generator.synthesize(ws_or_styles, noise=self.noise, resolution=resolution)
        # of one of a million pixels the gradient is too small a number
        factor = (resolution or self.generator.resolution) ** 2 / UNSCALED_PIXELS
        ws_or_styles = self.space.expand(scaled_gradient(latents, 1 / factor), self.generator)
        images = self.generator.synthesize(ws_or_styles, noise=self.noise, resolution=resolution)
        return scaled_gradient(images, factor)

    @torch.no_grad()
    def constrain(self, latents: Float[Tensor, " clip *latent"]) -> None:
        """Clamps latents, in place, to the bounds of their space, where it has some."""
        if (bounds := self.space.bounds(self.generator)) is not None:
            latents.copy_(torch.minimum(torch.maximum(latents, bounds[0]), bounds[1]))

    def render_and_score(
        self,
        latents: Float[Tensor, " cohort *latent"],
        targets: Float[Tensor, "cohort embed"],
        resolution: int | None = None,
    ) -> Scored:
        """Returns images, their embeddings, and the similarities to the targets: all of a step that costs."""
        images = self.render(latents, resolution)
        embeddings = self.guide.embed_image(images)
        return images, embeddings, cosine_similarity(embeddings, targets)

    @torch.no_grad()
    def at_full_size(
        self, images: Float[Tensor, "cohort 3 _ _"], latents: Float[Tensor, " cohort *latent"]
    ) -> Float[Tensor, "cohort 3 height width"]:
        """Returns a copy of the latents' images, rendered again if these are coarse."""
        if images.shape[-1] == self.generator.resolution:
            return images.detach().clone()
        return self.render(latents)


class ScaledGradient(torch.autograd.Function):
    """Its input, whose gradient is multiplied by a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        """Returns ``x`` itself."""
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    @once_differentiable  # type: ignore[misc,untyped-decorator,unused-ignore]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Returns the multiplied gradient."""
        return gradients[0] * ctx.factor, None


def scaled_gradient(x: Tensor, factor: float) -> Tensor:
    """Returns ``x``, whose gradient will be multiplied by ``factor``.

    >>> x = torch.ones(2, requires_grad=True)
    >>> scaled_gradient(x, 3.0).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    """
    return ScaledGradient.apply(x, factor)  # type: ignore[no-any-return]


def thumbnails(
    images: Float[Tensor, "clip 3 height width"], pixels: int = 128
) -> Float[Tensor, "clip 3 small small"]:
    """Shrinks images to ``pixels`` squared.

    Large start images of a cohort would fill the device's memory.

    Smaller images stay as they are.

    >>> thumbnails(torch.zeros(2, 3, 1024, 1024)).shape, thumbnails(torch.zeros(2, 3, 64, 64)).shape
    (torch.Size([2, 3, 128, 128]), torch.Size([2, 3, 64, 64]))
    """
    return F.adaptive_avg_pool2d(images, pixels) if images.shape[-1] > pixels else images
