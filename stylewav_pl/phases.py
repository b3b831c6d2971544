"""The steps of a cohort in phases of one resolution each: coarse steps find the place, full ones polish."""

from dataclasses import dataclass

from stylewav_pl.schedules import Schedule

POLISH = 0.5


@dataclass(frozen=True)
class Phase:
    """Steps at one resolution.

    Attributes:
        resolution: Height of the rendered images in pixels.
        steps: The numbers of its steps within all steps.
        polishes: Whether it follows a coarser phase.
    """

    resolution: int
    steps: range
    polishes: bool = False

    def factor(self, step: int, schedule: Schedule) -> float:
        """The factor of the learning rate: the schedule over the phase; a polishing one falls from a half to zero in a straight line.

        At the end of the whole schedule a few full steps would not move any more. Of the factors tried on the
        pocket networks (0.25 to 2), with the optimiser's memory and without, a half without kept most of the
        similarity.

        >>> from stylewav_pl.schedules import Constant
        >>> [Phase(64, range(6, 10), polishes=True).factor(step, Constant()) for step in (6, 8)]
        [0.5, 0.25]
        """
        progress = (step - self.steps.start) / len(self.steps)
        return POLISH * (1 - progress) if self.polishes else schedule.factor(progress)


def phases_of(num_steps: int, full: int, coarse: int | None, full_steps: int) -> tuple[Phase, ...]:
    """``full_steps`` of the ``num_steps`` at the resolution ``full``, those before them at ``coarse``; all at ``full`` without the latter.

    >>> phases_of(10, 64, None, 2)
    (Phase(resolution=64, steps=range(0, 10), polishes=False),)
    >>> [phase.steps for phase in phases_of(10, 64, 32, 2)]
    [range(0, 8), range(8, 10)]
    """
    turn = num_steps - full_steps
    if coarse is None or coarse == full or turn <= 0:
        return (Phase(full, range(num_steps)),)
    phases = (Phase(coarse, range(turn)), Phase(full, range(turn, num_steps), polishes=True))
    return tuple(phase for phase in phases if phase.steps)
