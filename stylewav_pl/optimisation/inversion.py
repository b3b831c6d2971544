"""Photos to latents, by projection: the latent whose picture is most like the photo.

Source: the projector of StyleGAN2 (Karras et al. 2020): its learning-rate schedule and its noise on w, which
decays over the first three quarters. What differs: a start at the nearest of a fixed bank of samples, and
patch features of the guide in place of VGG's. Noise maps stay as the generator has them, since a latent
cannot hold others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam

from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.embedders.photo_encoder import PhotoEncoder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.base import Generator
from stylewav_pl.generators.vqgan import VQGAN
from stylewav_pl.optimisation.cohort import set_learning_rate
from stylewav_pl.optimisation.latents import LatentSpace, S, W, WPlus
from stylewav_pl.optimisation.perceptual import PatchDistance
from stylewav_pl.optimisation.schedules import RampUpCosineDown
from stylewav_pl.ranges import check_number

NOISE_ENDS = 0.75  # share of the steps
BANK_SEED = 20_261_126
AT_ONCE = 32


@dataclass(frozen=True)
class Inversion:
    """How photos are inverted.

    Attributes:
        steps: Of Adam; NVIDIA's projector takes 1000. 0 with an ``encoder``: its answer as it is.
        learning_rate: The highest; it rises over the first 5 % of the steps and falls over the last 25 %.
        noise: Of w at the first step, as a share of the distance of samples to the mean; NVIDIA's is 0.05.
        pixels: Weight of the mean squared difference of pixels, RGB in [-1, 1].
        perceptual: Weight of the distance by patch features of the guide, see :mod:`.perceptual`.
        candidates: The latent starts at the most similar of so many samples, the same for every photo; 0: at
            the mean. Not asked with an ``encoder``.
        encoder: Source of a network that answers a photo with a latent at once (``e4e-ffhq``, or its file);
            the steps begin there. It belongs to one generator and gives W+; ``null``: none.

    Raises:
        ConfigError: A value is out of its range.
    """

    steps: int = 200
    learning_rate: float = 0.1
    noise: float = 0.01
    pixels: float = 1.0
    perceptual: float = 0.1
    candidates: int = 256
    encoder: str | None = None

    def __post_init__(self) -> None:
        """Checks the values."""
        check_number("inversion.steps", self.steps, least=1 if self.encoder is None else 0)
        check_number("inversion.learning_rate", self.learning_rate, above=0)
        check_number("inversion.noise", self.noise, least=0, most=10)
        check_number("inversion.pixels", self.pixels, least=0)
        check_number("inversion.perceptual", self.perceptual, least=0)
        check_number("inversion.candidates", self.candidates, least=0, most=100_000)
        check_number("inversion.pixels + inversion.perceptual", self.pixels + self.perceptual, above=0)


@dataclass(frozen=True)
class Inverted:
    """What photos gave.

    Attributes:
        latents: Of the space that was asked for.
        images: What the generator makes of them, RGB, about [-1, 1].
    """

    latents: Float[Tensor, " photo *latent"]
    images: Float[Tensor, "photo 3 height width"]


def invert(
    photos: Float[Tensor, "photo 3 height width"],
    seeds: Sequence[int],
    space: LatentSpace,
    generator: Generator,
    guide: ImageTextEmbedder,
    settings: Inversion | None = None,
    noise: Literal["const", "none"] = "const",
    encoder: PhotoEncoder | None = None,
) -> Inverted:
    """Inverts photos side by side; none depends on its company.

    A VQGAN has an encoder: its codes of the photos are taken, and nothing is optimised.

    Args:
        photos: RGB in [-1, 1], at the generator's resolution.
        seeds: One for each; what is random about it follows from there.
        space: Of the latents; those of S are found in W+.
        generator: Frozen; its device is where this works.
        guide: Sees patches; not asked where ``perceptual`` is 0.
        settings: How.
        noise: The generator's noise inputs.
        encoder: Where the steps begin; with it ``space`` is W+ or S.

    Raises:
        ConfigError: The guide has no patch features, or the encoder belongs to another generator or space.
    """
    if encoder is not None:
        check_encoder(encoder, space, generator)
    if isinstance(generator, VQGAN):
        return _encoded(photos, space, generator, noise)
    settings = settings or Inversion()
    searched = space if isinstance(space, W) else WPlus()
    photos = photos.to(generator.w_mean)
    # whoever asks may have switched gradients off
    with torch.inference_mode(False), torch.enable_grad():
        photos = photos.clone()
        loss = PhotoLoss(photos, guide, settings)
        if encoder is None:
            w, spread = _starts(photos, generator, settings, noise)
            latents = searched.from_w(w, generator).clone().requires_grad_()
        else:
            spread = _spread(_samples(AT_ONCE, generator), generator)
            latents = encoder.to(photos.device).encode(photos).clone().requires_grad_()
        optimizer, schedule = Adam([latents], lr=settings.learning_rate), RampUpCosineDown()
        chance = [torch.Generator().manual_seed(seed) for seed in seeds]
        for step in range(settings.steps):
            progress = step / settings.steps
            set_learning_rate(optimizer, schedule.factor(progress))
            wobble = spread * settings.noise * max(0.0, 1 - progress / NOISE_ENDS) ** 2
            moved = latents + wobble * _drawn(chance, latents) if wobble else latents
            optimizer.zero_grad()
            images = generator.synthesize(searched.expand(moved, generator), noise=noise)
            loss(images).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    found = latents.detach()
    with torch.no_grad():
        images = generator.synthesize(searched.expand(found, generator), noise=noise)
        if isinstance(space, S):
            found = space.from_w_plus(found, generator)
    return Inverted(found, images)


@torch.no_grad()
def _encoded(
    photos: Tensor, space: LatentSpace, generator: VQGAN, noise: Literal["const", "none"]
) -> Inverted:
    """Takes the codes of photos, one photo at a time so that none depends on its company."""
    codes = torch.cat([generator.encode(photo[None]) for photo in photos.to(generator.w_mean)])
    latents = space.from_w(codes.flatten(1), generator)
    return Inverted(latents, generator.synthesize(space.expand(latents, generator), noise=noise))


def psnr(
    images: Float[Tensor, "photo 3 height width"], photos: Float[Tensor, "photo 3 height width"]
) -> Float[Tensor, " photo"]:
    """Returns the peak signal-to-noise ratio in dB, of images in [-1, 1].

    >>> psnr(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.2)).item()
    20.0
    """
    error = (images.clamp(-1, 1) - photos).square().flatten(start_dim=1).mean(dim=1)
    return 10 * torch.log10(4 / error)


class PhotoLoss:
    """What is minimised, one value for each photo: pixels and patch features, as weighed by the settings.

    Args:
        photos: RGB in [-1, 1].
        guide: Sees patches.
        settings: Weigh.
    """

    def __init__(self, photos: Tensor, guide: ImageTextEmbedder, settings: Inversion) -> None:
        self.photos, self.settings = photos, settings
        self.patches = PatchDistance(guide, photos) if settings.perceptual else None

    def __call__(self, images: Tensor) -> Tensor:
        """Returns the loss of each image, ``[photo]``."""
        apart = (images - self.photos).square().flatten(start_dim=1).mean(dim=1)
        loss = self.settings.pixels * apart
        if self.patches is not None:
            loss = loss + self.settings.perceptual * self.patches(images)
        return loss


@torch.no_grad()
def _starts(
    photos: Tensor, generator: Generator, settings: Inversion, noise: Literal["const", "none"]
) -> tuple[Tensor, float]:
    """The nearest samples by pixels, and their :func:`_spread`."""
    count = max(settings.candidates, AT_ONCE)  # some for the spread in any case
    samples = _samples(count, generator)
    spread = _spread(samples, generator)
    best = generator.w_mean.repeat(len(photos), 1)
    if not settings.candidates:
        return best, spread
    nearest = photos.new_full((len(photos),), torch.inf)
    for sample in samples[: settings.candidates]:
        image = generator.synthesize(sample[None], noise=noise)
        apart = (photos - image).square().flatten(start_dim=1).mean(dim=1)
        best[apart < nearest] = sample
        nearest = torch.minimum(apart, nearest)
    return best, spread


@torch.no_grad()
def _samples(count: int, generator: Generator) -> Tensor:
    """The first of a fixed bank."""
    return torch.cat(list(generator.sampled(count, BANK_SEED, AT_ONCE)))


@torch.no_grad()
def _spread(samples: Tensor, generator: Generator) -> float:
    """The mean distance of samples to the mean w."""
    return float((samples - generator.w_mean).square().sum(dim=1).mean().sqrt())


def check_encoder(encoder: PhotoEncoder, space: LatentSpace, generator: Generator) -> None:
    """Compares an encoder of photos with what its latents are for.

    Raises:
        ConfigError: It gives vectors of another number or width, or the space has one for all layers.
    """
    if not isinstance(space, WPlus | S):
        raise ConfigError(
            "inversion.encoder gives a vector for each layer, and the latent space "
            f"{type(space).__name__} has one for all of them. Set it to WPlus or S, or remove the encoder."
        )
    expected, found = (generator.num_ws, generator.w_dim), (encoder.num_ws, encoder.w_dim)
    if expected != found:
        raise ConfigError(
            f"inversion.encoder gives {found[0]} vectors of {found[1]}, and the generator takes "
            f"{expected[0]} of {expected[1]}: it belongs to another one. Take the generator that it was "
            "trained for, or remove the encoder."
        )


def _drawn(chance: Sequence[torch.Generator], like: Tensor) -> Tensor:
    """Noise for each photo from its own seed."""
    noise = [torch.randn(like.shape[1:], generator=one) for one in chance]
    return torch.stack(noise).to(like)
