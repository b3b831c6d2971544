"""Which layers of a clip may move: as they were named, or those that its own loss moves most.

Source of the choice: StyleGAN-NADA (Gal et al. 2021, arXiv:2108.00946): a trial step of plain gradient
descent on w vectors, one for each layer, and the layers whose vectors moved most are then trained. There the
layers of the network are trained, for one text; here those of a clip's latent, for its voice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.guidance import Guidance
from stylewav_pl.optimisation.latents import LatentSpace, S, WPlus
from stylewav_pl.optimisation.layers import entries_of_parts, held_entries, part_sizes
from stylewav_pl.optimisation.loss import CohortLoss, Seen
from stylewav_pl.optimisation.rendering import Renderer
from stylewav_pl.ranges import check_number
from stylewav_pl.types import ClipBatch

LENGTH = 0.01  # of a trial step: the root of the mean square by which it moves an entry
MOST_STEPS = 100


@dataclass(frozen=True)
class AdaptiveLayers:
    """How many layers may move; each clip has its own.

    Attributes:
        count: So many: w vectors in W+, styles in S; ``null``: a third of them.
        steps: Of gradient descent, by which they are found; each costs about a step of a single clip.

    Raises:
        ConfigError: A number is out of its range.
    """

    count: int | None = None
    steps: int = 1

    def __post_init__(self) -> None:
        """Checks the numbers."""
        check_number("model.layers.count", self.count, least=1)
        check_number("model.layers.steps", self.steps, least=1, most=MOST_STEPS)


LayerChoice: TypeAlias = list[str] | AdaptiveLayers | Literal["adaptive"] | None
"""The setting ``model.layers``."""


class Layers(nn.Module):
    """Tells which entries of each clip's latent stay as they start.

    Args:
        layers: The setting; ``None``: all may move that the space lets move.
        space: Of the latents.
        generator: Whose layers they are.

    Raises:
        ConfigError: There are no such layers, or the space has one vector for all.
    """

    held: Tensor | None

    def __init__(self, layers: LayerChoice, space: LatentSpace, generator: Generator) -> None:
        super().__init__()
        self.space, self.adaptive = space, _adaptive(layers)
        named = layers if isinstance(layers, list) else None
        self.register_buffer("held", held_entries(named, space, generator), persistent=False)
        self.count, self.movable = 0, list[int]()
        if self.adaptive is not None:
            self.movable = _movable(self.held, space, generator)
            self.count = _checked_count(self.adaptive, len(self.movable))

    def held_in(
        self,
        guidance: Guidance,
        batch: ClipBatch,
        targets: Float[Tensor, "cohort embed"],
        starts: Float[Tensor, " cohort *latent"],
        seeds: Sequence[int | None],
    ) -> Bool[Tensor, " *latent"] | Bool[Tensor, " cohort *latent"] | None:
        """Returns the entries that stay: of every clip alike, or with ``adaptive`` of each slot.

        There every clip is tried alone, so that its layers are the same in any company.

        Args:
            guidance: Makes the loss of a clip.
            batch: The clips of a cohort.
            targets: What was heard in each.
            starts: Where each begins.
            seeds: Of the clip in each slot.
        """
        if self.adaptive is None:
            return self.held
        held = torch.ones_like(starts, dtype=torch.bool)
        for slot, clip in enumerate(batch.slots):
            if clip is None:
                continue
            own, at = ClipBatch(batch.cohort, (clip,), ()), slice(slot, slot + 1)
            _, target, loss = guidance.of_cohort(own, targets[at], starts[at], seeds[at])
            moved = trial(starts[at], target, loss, guidance.renderer, self.adaptive.steps)
            held[slot] = self._held_by(moved, guidance.renderer.generator)
        return held

    def _held_by(self, moved: Float[Tensor, " *latent"], generator: Generator) -> Bool[Tensor, " *latent"]:
        """All entries but those of the parts that have moved most, the first of equals."""
        sizes = part_sizes(self.space, generator)
        means = torch.stack([part.mean() for part in torch.split(moved.flatten(), sizes)])
        movable = torch.tensor(self.movable, device=means.device)
        order = means[movable].argsort(descending=True, stable=True)
        held = torch.ones(len(sizes), dtype=torch.bool)
        held[movable[order[: self.count]].cpu()] = False
        entries = entries_of_parts(held, self.space, generator).to(moved.device)
        return entries if self.held is None else entries | self.held


def trial(
    starts: Float[Tensor, " clip *latent"],
    targets: Float[Tensor, "clip embed"],
    loss: CohortLoss,
    renderer: Renderer,
    steps: int,
) -> Float[Tensor, " *latent"]:
    """Returns how far each entry of one clip's latent has moved after plain gradient descent.

    Each step moves the entries by :data:`LENGTH` in the root of their mean square, whatever the weights of
    the loss add up to.

    Args:
        starts: Of the clip alone.
        targets: What was heard.
        loss: Of the clip alone.
        renderer: The frozen networks.
        steps: How many.
    """
    latents = starts.detach().clone()
    for step in range(steps):
        latents.requires_grad_()
        seen = Seen(step, *renderer.render_and_score(latents, targets), latents)
        (slope,) = torch.autograd.grad(loss(seen).sum(), latents)
        size = slope.square().mean().sqrt().clamp_min(torch.finfo(slope.dtype).tiny)
        latents = (latents - LENGTH * slope / size).detach()
    return (latents - starts).abs()[0]


def _adaptive(layers: LayerChoice) -> AdaptiveLayers | None:
    """How many, where they are not named."""
    if not isinstance(layers, str):
        return layers if isinstance(layers, AdaptiveLayers) else None
    if layers != "adaptive":
        raise ConfigError(
            f"Expected model.layers to be a list such as [0-7], or adaptive; found {layers!r}. Correct it."
        )
    return AdaptiveLayers()


def _movable(held: Tensor | None, space: LatentSpace, generator: Generator) -> list[int]:
    """The parts of which the space holds nothing still."""
    if not isinstance(space, WPlus | S):
        raise ConfigError(
            f"model.layers is adaptive, which chooses among layers, and in {space.name} one vector is for "
            "all of them. Set model.latent_space to WPlus or S, or remove the layers."
        )
    sizes = part_sizes(space, generator)
    if held is None:
        return list(range(len(sizes)))
    parts = torch.split(held.flatten(), sizes)
    return [index for index, part in enumerate(parts) if not part.any()]


def _checked_count(adaptive: AdaptiveLayers, movable: int) -> int:
    count = max(1, movable // 3) if adaptive.count is None else adaptive.count
    if count > movable:
        raise ConfigError(
            f"Expected model.layers.count of at most {movable}, the layers that may move here; found "
            f"{count}. Correct it."
        )
    return count
