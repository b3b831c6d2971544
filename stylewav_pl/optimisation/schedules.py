"""Learning-rate shapes: pure functions from progress in [0, 1) to a factor in [0, 1]."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from stylewav_pl.ranges import check_number


class Schedule(ABC):
    """A factor on the learning rate that depends on progress alone."""

    @abstractmethod
    def factor(self, progress: float) -> float:
        """The factor at ``progress`` = step / num_steps, in [0, 1]."""


@dataclass(frozen=True)
class RampUpCosineDown(Schedule):
    """Linear up, flat, cosine down: the schedule of the StyleGAN2 projector and of StyleCLIP.

    ``(0.5 - 0.5 cos(pi min(1, (1 - t) / ramp_down))) * min(1, t / ramp_up)``. The factor of the first step is
    0.

    Attributes:
        ramp_up: Share of the steps spent rising, in (0, 1].
        ramp_down: Share of the steps spent falling, in (0, 1].

    Raises:
        ConfigError: A share is out of its range.
    """

    ramp_up: float = 0.05
    ramp_down: float = 0.25

    def __post_init__(self) -> None:
        """Checks the shares."""
        check_number("model.schedule.ramp_up", self.ramp_up, above=0, most=1)
        check_number("model.schedule.ramp_down", self.ramp_down, above=0, most=1)

    def factor(self, progress: float) -> float:
        """The factor at ``progress``.

        >>> schedule = RampUpCosineDown()
        >>> [round(schedule.factor(t), 3) for t in (0.0, 0.025, 0.5, 0.875)]
        [0.0, 0.5, 1.0, 0.5]
        """
        down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1.0 - progress) / self.ramp_down))
        return down * min(1.0, progress / self.ramp_up)


@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate at every step."""

    def factor(self, progress: float) -> float:
        """Always 1.

        >>> Constant().factor(0.3)
        1.0
        """
        return 1.0
