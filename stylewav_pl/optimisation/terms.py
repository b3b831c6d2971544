"""The terms of an objective for the clips of one cohort."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.optimisation.closeness import Distance, alignment, closeness
from stylewav_pl.optimisation.loss import Seen
from stylewav_pl.optimisation.objective import squared_distance
from stylewav_pl.optimisation.whitening import Whitening


@dataclass(frozen=True)
class Similarity:
    """``weight * (1 - logit_scale * closeness to the target)``: StyleCLIP's, with a voice in place of a text.

    Attributes:
        weight: Of the term.
        logit_scale: See :class:`~stylewav_pl.optimisation.objective.Objective`.
        targets: ``[cohort, embed]``, unit norm; zero in a padded slot.
        distance: What is close.
        is_scored: Whether the targets are those whose similarities a step has computed already.
    """

    weight: float
    logit_scale: float
    targets: Tensor
    distance: Distance
    is_scored: bool

    def __call__(self, seen: Seen) -> Float[Tensor, " cohort"]:
        """See :class:`~stylewav_pl.optimisation.loss.Term`."""
        if self.is_scored and self.distance == "cosine" and seen.copies is None:
            return self.weight * (1 - self.logit_scale * seen.similarities)
        near = closeness(seen.views, self.targets.expand_as(seen.views), self.distance).mean(dim=0)
        return self.weight * (1 - self.logit_scale * near)


@dataclass(frozen=True)
class PromptPull:
    """One prompt among several.

    Its closeness is standardised over random faces, in units of the reference prompt.

    ``z = (closeness - mean) / spread``. With ``weight > 0``: ``weight * unit * (largest z - z)`` above 0, or,
    with a stop, ``weight * unit * max(stop - z, 0)``. With ``weight < 0``: ``-weight * unit * max(z - stop,
    0)``, so that what random faces have on average is left alone.

    Attributes:
        vectors: ``[cohort, embed]``, unit norm; zero for a clip that has no such prompt.
        weights: ``[cohort]``, zero for such a clip.
        means: ``[cohort]``, of the closeness over the bank.
        spreads: ``[cohort]``, of the same.
        units: ``[cohort]``, the spread of the reference prompt, whose own closeness therefore keeps its
            scale.
        stop: z at which it pulls no more.
        distance: What is close.
    """

    vectors: Tensor
    weights: Tensor
    means: Tensor
    spreads: Tensor
    units: Tensor
    stop: float | None
    distance: Distance

    def __call__(self, seen: Seen) -> Float[Tensor, " cohort"]:
        """See :class:`~stylewav_pl.optimisation.loss.Term`."""
        near = closeness(seen.views, self.vectors.expand_as(seen.views), self.distance).mean(dim=0)
        pulled = (1 - near) / self.spreads
        if self.stop is not None:
            pulled = (self.stop - (near - self.means) / self.spreads).clamp_min(0)
        pushed = ((near - self.means) / self.spreads - (self.stop or 0.0)).clamp_min(0)
        return self.weights.abs() * self.units * torch.where(self.weights > 0, pulled, pushed)


@dataclass(frozen=True)
class Direction:
    """``weight * (1 - cosine of the image's change with a direction)``.

    Away from it where the weight is negative.

    Source: the directional loss of StyleGAN-NADA (Gal et al. 2021, arXiv:2108.00946).

    Attributes:
        directions: ``[cohort, embed]``, unit norm; zero where a clip has none.
        weights: ``[cohort]``; zero where a clip has none.
        start: What the guide saw at the start.
    """

    directions: Tensor
    weights: Tensor
    start: "AtStart"

    def __call__(self, seen: Seen) -> Float[Tensor, " cohort"]:
        """See :class:`~stylewav_pl.optimisation.loss.Term`."""
        change = seen.views - self.start.of(seen)
        cosine = alignment(change, self.directions.expand_as(change)).mean(dim=0)
        return self.weights.abs() * torch.where(self.weights > 0, 1 - cosine, cosine.clamp_min(0))


@dataclass(frozen=True)
class DistanceToStart:
    """``weight * squared distance to the start``.

    Attributes:
        weight: Of the term.
        starts: ``[cohort, ...]``.
        whitening: In whose units; ``None``: as the numbers are.
    """

    weight: float
    starts: Tensor
    whitening: Whitening | None

    def __call__(self, seen: Seen) -> Float[Tensor, " cohort"]:
        """See :class:`~stylewav_pl.optimisation.loss.Term`."""
        if self.whitening is None:
            return self.weight * squared_distance(seen.latents, self.starts)
        return self.weight * squared_distance(
            self.whitening.whitened(seen.latents), self.whitening.whitened(self.starts)
        )


Look: TypeAlias = Callable[[Seen], Tensor]
"""From what a step has rendered to unit vectors ``[cohort, any]``."""


class AtStart:
    """What some network saw at the start: in the first step, and kept.

    Args:
        look: Asked once.
    """

    def __init__(self, look: Look) -> None:
        self.look = look
        self.kept: Tensor | None = None

    def of(self, seen: Seen) -> Float[Tensor, "cohort _"]:
        """Returns it; ``seen`` is looked at only the first time, when it shows the starts."""
        if self.kept is None:
            with torch.no_grad():
                self.kept = self.look(seen).detach().clone()
        return self.kept


@dataclass(frozen=True)
class Identity:
    """``weight * (1 - cosine of the identity now and at the start)``: StyleCLIP's identity loss.

    Attributes:
        weight: Of the term.
        look: The identity network.
        start: What it saw at the start.
    """

    weight: float
    look: Look
    start: AtStart

    def __call__(self, seen: Seen) -> Float[Tensor, " cohort"]:
        """See :class:`~stylewav_pl.optimisation.loss.Term`."""
        before = self.start.of(seen)
        return self.weight * (1 - (self.look(seen) * before).sum(dim=-1))
