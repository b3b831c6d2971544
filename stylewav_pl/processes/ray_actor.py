"""What runs in the process of a worker of Ray, before the program itself does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from stylewav_pl.processes.dispenser import Take

Outcome = tuple[int, str]  # exit code and error of a worker; 0 and nothing where all went well


class Seat(NamedTuple):
    """The place that a worker has in a job.

    Attributes:
        number: From 0 to ``most - 1``; whoever replaces a lost worker gets its place.
        most: How many places there are.
    """

    number: int
    most: int


@final
@dataclass(frozen=True)
class Way:
    """The way of one worker to the dispenser."""

    number: int
    dispenser: Any

    def __call__(self, ahead: bool) -> int:
        """See :meth:`Dispenser.take`."""
        import ray

        return int(ray.get(self.dispenser.take.remote(self.number, ahead)))

    def wins(self, cohort: int) -> bool:
        """See :meth:`Dispenser.wins`."""
        import ray

        return bool(ray.get(self.dispenser.wins.remote(self.number, cohort)))


class Actor:
    """What runs in a worker's process."""

    def work(self, work: Callable[[Seat, Take], Outcome], seat: Seat, number: int, dispenser: Any) -> Outcome:
        """Calls ``work`` with the way to cohorts."""
        return work(seat, Way(number, dispenser))
