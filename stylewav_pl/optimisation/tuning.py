"""Pivotal tuning: weights of a generator are changed a little, so that it shows one photo as it is.

A latent alone cannot hold what a generator has never learned. Here the latent of an inversion stays (the
pivot), and the convolutions get a change of their own, which belongs to one clip and is kept beside its
latent: of a low rank, which is small in a file and changes little elsewhere, or full. Source: Roich et al.
2021, "Pivotal Tuning for Latent-based Editing of Real Images", arXiv:2106.05744, which keeps a whole
generator for each photo; the low rank is that of Hu et al. 2021, "LoRA", arXiv:2106.09685.
"""

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Adam

from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.generators.base import Generator
from stylewav_pl.generators.stylegan2 import StyleGAN2
from stylewav_pl.generators.stylegan2_layers import FROZEN
from stylewav_pl.optimisation.hardware import Speed
from stylewav_pl.optimisation.inversion import Inversion, PhotoLoss
from stylewav_pl.optimisation.latents import LatentSpace
from stylewav_pl.ranges import check_number

PREFIX = "tuning."
FULL, UP, DOWN = "full", "up", "down"
MOST_RANK = 512

Delta: TypeAlias = Mapping[str, Tensor]
"""The change of a generator: ``tuning.NAME.up`` and ``.down``, or ``tuning.NAME.full``, NAME a weight's."""


@dataclass(frozen=True)
class Tuning:
    """How a generator is tuned to a photo, after its inversion.

    Attributes:
        steps: Of Adam, at least 1.
        learning_rate: Of Adam; of a full change a tenth of it.
        rank: Of each convolution's change: more fits better and takes more room; ``null``: full.

    Raises:
        ConfigError: A number is out of its range.
    """

    steps: int = 100
    learning_rate: float = 0.01
    rank: int | None = 8

    def __post_init__(self) -> None:
        """Checks the numbers."""
        check_number("model.start.tuning.steps", self.steps, least=1)
        check_number("model.start.tuning.learning_rate", self.learning_rate, above=0)
        check_number("model.start.tuning.rank", self.rank, least=1, most=MOST_RANK)


def tunable(generator: Generator) -> StyleGAN2:
    """Returns the generator itself.

    Raises:
        ConfigError: It is of a family that cannot be tuned.
    """
    if not isinstance(generator, StyleGAN2):
        raise ConfigError(
            f"model.start.tuning changes the convolutions of a StyleGAN2, the generator is a "
            f"{type(generator).__name__}. Remove the tuning, or take a StyleGAN2."
        )
    return generator


def check_alone(slots: int | Literal["auto"], speed: Speed) -> None:
    """Refuses to tune one generator for several clips at once, or one that is compiled.

    Args:
        slots: Of a cohort.
        speed: Of a step.

    Raises:
        ConfigError: There are several, or it is.
    """
    if speed.compile:
        raise ConfigError(
            "A generator that is tuned to a photo (model.start.tuning, or the latent of such a face) is "
            "another one for each clip, and model.speed.compile compiles one. Remove one of the two."
        )
    if slots != 1:
        raise ConfigError(
            "A generator that is tuned to a photo (model.start.tuning, or the latent of such a face) is that "
            f"of one clip, and data.cohort_size is {slots}: clips side by side share one generator. Set "
            "data.cohort_size to 1 (in Python side_by_side=1)."
        )


def tune(
    pivot: Float[Tensor, "*latent"],
    photo: Float[Tensor, "3 height width"],
    generator: Generator,
    guide: ImageTextEmbedder,
    space: LatentSpace,
    tuning: Tuning,
    inversion: Inversion,
    seed: int,
    noise: Literal["const", "none"] = "const",
) -> dict[str, Tensor]:
    """Returns the change by which a generator shows a photo at a latent.

    Args:
        pivot: The latent, of ``space``; it stays.
        photo: RGB in [-1, 1], at the generator's resolution.
        generator: Left as it is; a copy is tuned.
        guide: Sees patches.
        space: Of the latent.
        tuning: How.
        inversion: Weighs pixels and patches.
        seed: Of the low rank's first numbers.
        noise: The generator's noise inputs.

    Raises:
        ConfigError: The generator cannot be tuned.
    """
    with torch.inference_mode(False), torch.enable_grad():  # whoever asks may have switched gradients off
        network = copy.deepcopy(tunable(generator))
        network.thaw()
        network.requires_grad_(False)
        base = _weights(network)
        factors = _first(base, tuning.rank, seed)
        latents = space.expand(pivot[None].to(network.w_mean).clone(), network)
        loss = PhotoLoss(photo[None].to(network.w_mean).clone(), guide, inversion)
        rate = tuning.learning_rate * (0.1 if tuning.rank is None else 1.0)
        optimizer, render = Adam(factors.values(), lr=rate), _Render(network)
        for _ in range(tuning.steps):
            changed = changes(factors)
            weights = {
                f"network.{name}": base[name] + change.view_as(base[name]) for name, change in changed.items()
            }
            optimizer.zero_grad()
            images = functional_call(render, weights, (latents, noise))
            loss(images).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return {name: value.detach().cpu().clone() for name, value in factors.items()}


class _Render(nn.Module):
    """Rendering as a call, as ``functional_call`` wants it."""

    def __init__(self, network: StyleGAN2) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor | list[Tensor], noise: Literal["const", "none"]) -> Tensor:
        return self.network.synthesize(latents, noise=noise)


def _weights(network: StyleGAN2) -> dict[str, Tensor]:
    """What is tuned: all convolutions, those to colours included."""
    return {name: weight for name, weight in network.named_parameters() if weight.ndim == 4}


def _first(base: Mapping[str, Tensor], rank: int | None, seed: int) -> dict[str, Tensor]:
    """A change of nothing; the downward factors are random, or no gradient would reach the others."""
    random, factors = torch.Generator().manual_seed(seed), dict[str, Tensor]()
    for name, weight in base.items():
        if rank is None:
            factors[f"{PREFIX}{name}.{FULL}"] = torch.zeros_like(weight)
            continue
        inputs = weight[0].numel()
        least = min(rank, len(weight), inputs)
        down = torch.randn(least, inputs, generator=random) / math.sqrt(inputs)
        factors[f"{PREFIX}{name}.{UP}"] = weight.new_zeros(len(weight), least)
        factors[f"{PREFIX}{name}.{DOWN}"] = down.to(weight)
    return {name: factor.requires_grad_() for name, factor in factors.items()}


def changes(delta: Delta) -> dict[str, Tensor]:
    """Returns what is added to each weight, by its name; of a low rank ``[out, in * kernel * kernel]``.

    >>> up, down = torch.tensor([[2.0]]), torch.tensor([[3.0, 4.0]])
    >>> changes({"tuning.a.weight.up": up, "tuning.a.weight.down": down})["a.weight"].tolist()
    [[6.0, 8.0]]
    """
    found: dict[str, Tensor] = {}
    for name, value in delta.items():
        weight, _, part = name.removeprefix(PREFIX).rpartition(".")
        if part == FULL:
            found[weight] = value
        elif part == UP:
            found[weight] = value @ delta[f"{PREFIX}{weight}.{DOWN}"]
    return found


def delta_in(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the change among the tensors of a latent's file; empty where there is none."""
    return {name: value for name, value in tensors.items() if is_part(name)}


def is_part(name: str) -> bool:
    """Tells whether the tensor of this name is part of a change.

    >>> is_part("tuning.conv.weight.up"), is_part("latent")
    (True, False)
    """
    return name.startswith(PREFIX)


def check_delta(delta: Delta, generator: Generator, place: str) -> None:
    """Compares a change that was read with the generator.

    Raises:
        ConfigError: The generator cannot be tuned.
        WeightsError: It belongs to another one, or is damaged.
    """
    if not delta:
        return
    base = _weights(tunable(generator))
    if wrong := [name for name, value in delta.items() if not _fits(name, value, base)]:
        raise WeightsError(
            f"The tuning in {place} does not fit the generator ({wrong[0]}). Take the one that it was made "
            "with."
        )
    try:
        found = {name: change.reshape(base[name].shape) for name, change in changes(delta).items()}
    except (KeyError, RuntimeError) as error:
        raise WeightsError(
            f"The tuning in {place} does not fit the generator ({type(error).__name__}). Take the one that "
            "it was made with."
        ) from error
    if not found or not all(change.isfinite().all() for change in found.values()):
        raise WeightsError(
            f"The tuning in {place} holds numbers that are not finite, or none. Make it again."
        )


def _fits(name: str, value: Tensor, base: Mapping[str, Tensor]) -> bool:
    """Whether a part of a change has the size of its weight: the product of two small ones may be huge."""
    weight, _, part = name.removeprefix(PREFIX).rpartition(".")
    if weight not in base:
        return False
    expected = base[weight]
    if part == FULL:
        return value.shape == expected.shape
    if value.ndim != 2 or part not in (UP, DOWN):
        return False
    return len(value) == len(expected) if part == UP else value.shape[1] == expected[0].numel()


@contextmanager
def tuned(generator: Generator, delta: Delta) -> Iterator[None]:
    """Changes a generator inside the block; afterwards it is as before, to the last bit.

    Raises:
        ConfigError: The generator cannot be tuned.
    """
    if not delta:
        yield
        return
    network = tunable(generator)
    weights, prepared, added = _weights(network), _prepared(network), changes(delta)
    kept = {name: weights[name].detach().clone() for name in added}
    try:
        with torch.no_grad():
            for name, change in added.items():
                weights[name].add_(change.to(weights[name]).reshape(weights[name].shape))
        for layer, before in zip(network.convolutions, prepared, strict=True):
            if (frozen := before["frozen_weight"]) is not None:
                layer.freeze(frozen.dtype)
        yield
    finally:
        with torch.no_grad():
            for name, weight in kept.items():
                weights[name].copy_(weight)
        for layer, before in zip(network.convolutions, prepared, strict=True):
            for name, value in before.items():
                setattr(layer, name, value)


def _prepared(network: StyleGAN2) -> list[dict[str, Tensor | None]]:
    """What freezing has computed of each convolution."""
    return [{name: getattr(layer, name) for name in FROZEN} for layer in network.convolutions]
