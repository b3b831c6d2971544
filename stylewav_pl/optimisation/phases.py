"""The steps of a cohort in phases of one resolution each: coarse steps find the place, full ones polish."""

from dataclasses import dataclass

from stylewav_pl.errors import ConfigError
from stylewav_pl.optimisation.schedules import Schedule
from stylewav_pl.ranges import check_number

REFINEMENT_FACTOR = 0.5


@dataclass(frozen=True)
class Refinement:
    """Coarse steps first, full ones at the end.

    Attributes:
        coarse_resolution: Height in pixels at which all steps but the last are rendered, faster and nearly as
            well, because the guide sees few pixels; ``None``: every step at full resolution. The final image
            and its similarity are always at full resolution.
        full_steps: With a coarse resolution: how many of the last steps are at full resolution.

    Raises:
        ConfigError: ``full_steps`` is out of its range.
    """

    coarse_resolution: int | None = None
    full_steps: int = 8

    def __post_init__(self) -> None:
        """Checks the values that need no generator."""
        check_number("model.refinement.full_steps", self.full_steps, least=0)

    def check(self, resolutions: tuple[int, ...]) -> None:
        """Compares the coarse resolution with those that a generator has.

        Raises:
            ConfigError: It is none of them.
        """
        if self.coarse_resolution is not None and self.coarse_resolution not in resolutions:
            known = ", ".join(map(str, resolutions))
            raise ConfigError(
                f"Expected a resolution of this generator ({known}), found {self.coarse_resolution}. Correct "
                "model.refinement.coarse_resolution."
            )


@dataclass(frozen=True)
class Phase:
    """Steps at one resolution.

    Attributes:
        resolution: Height of the rendered images in pixels.
        steps: The numbers of its steps within all steps.
        is_refinement: Whether it follows a coarser phase.
    """

    resolution: int
    steps: range
    is_refinement: bool = False

    def factor(self, step: int, schedule: Schedule) -> float:
        """The factor of the learning rate: the schedule over the phase.

        A refinement falls from a half to zero in a straight line.

        At the end of the whole schedule a few full steps would not move any more. Of the factors tried on the
        pocket networks (0.25 to 2), with the optimiser's memory and without, a half without kept most of the
        similarity.

        >>> from stylewav_pl.optimisation.schedules import Constant
        >>> [Phase(64, range(6, 10), is_refinement=True).factor(step, Constant()) for step in (6, 8)]
        [0.5, 0.25]
        """
        progress = (step - self.steps.start) / len(self.steps)
        if self.is_refinement:
            return REFINEMENT_FACTOR * (1 - progress)
        return schedule.factor(progress)


def phases_of(num_steps: int, full: int, refinement: Refinement) -> tuple[Phase, ...]:
    """Divides ``num_steps`` into coarse ones and those at the resolution ``full``.

    >>> phases_of(10, 64, Refinement())
    (Phase(resolution=64, steps=range(0, 10), is_refinement=False),)
    >>> [phase.steps for phase in phases_of(10, 64, Refinement(32, 2))]
    [range(0, 8), range(8, 10)]
    """
    turn = num_steps - refinement.full_steps
    coarse = refinement.coarse_resolution
    if coarse is None or coarse == full or turn <= 0:
        return (Phase(full, range(num_steps)),)
    phases = (Phase(coarse, range(turn)), Phase(full, range(turn, num_steps), is_refinement=True))
    return tuple(phase for phase in phases if phase.steps)
