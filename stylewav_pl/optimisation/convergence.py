"""The similarities of a cohort, and when a clip has converged.

It stays as it is in its slot, and a cohort of such clips ends early.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from stylewav_pl.ranges import check_number


@dataclass(frozen=True)
class EarlyStop:
    """A clip has converged once its similarity has stopped rising.

    That is: not above its best by ``min_gain`` for ``patience`` steps.

    Attributes:
        patience: Steps without such a rise, at least 1.
        min_gain: The rise of the cosine that counts, in [0, 2].

    Raises:
        ConfigError: A value is out of its range.
    """

    patience: int = 10
    min_gain: float = 0.001

    def __post_init__(self) -> None:
        """Checks the values."""
        check_number("model.early_stop.patience", self.patience, least=1)
        check_number("model.early_stop.min_gain", self.min_gain, least=0, most=2)


class Convergence:
    """Watches the similarities of one cohort; each clip is judged by its own alone.

    Args:
        rule: When a clip has converged; ``None``: never.
        idle: ``[cohort]``, slots without a clip, which nothing waits for.
    """

    def __init__(self, rule: EarlyStop | None, idle: Bool[Tensor, " cohort"]) -> None:
        self.rule = rule
        self.idle = idle
        self.restart()

    def restart(self) -> None:
        """Forgets everything: similarities of another kind follow."""
        self.best = torch.full(self.idle.shape, -torch.inf, device=self.idle.device)
        self.waited = torch.zeros_like(self.best)
        self.converged = self.idle.clone()

    def observe(self, similarities: Float[Tensor, " cohort"]) -> None:
        """Takes the similarities before a step."""
        if self.rule is None:
            return
        risen = similarities > self.best + self.rule.min_gain
        self.best = torch.where(risen, similarities, self.best)
        self.waited = torch.where(risen, 0.0, self.waited + 1)
        self.converged |= self.waited >= self.rule.patience

    @property
    def stopped(self) -> Bool[Tensor, " cohort"] | None:
        """Which clips have converged; ``None`` without a rule."""
        return None if self.rule is None else self.converged

    @property
    def over(self) -> bool:
        """Whether every clip has converged; waits for the device, but only under a rule."""
        return self.rule is not None and bool(self.converged.all())


class Curve:
    """The similarities of a cohort at each step; steps that were left out repeat those before them."""

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps
        self.points: dict[int, Tensor] = {}

    def record(self, step: int, similarities: Float[Tensor, " cohort"]) -> None:
        """Keeps a copy."""
        self.points[step] = similarities.detach().clone()

    @property
    def latest(self) -> Float[Tensor, " cohort"]:
        """Those of the last step that was recorded."""
        return self.points[max(self.points)]

    @property
    def values(self) -> Float[Tensor, "cohort step"]:
        """All of them, ``num_steps + 1`` for each clip."""
        filled: list[Tensor] = []
        for step in range(self.num_steps + 1):
            filled.append(self.points.get(step, filled[-1] if filled else self.latest))
        return torch.stack(filled, dim=1)
