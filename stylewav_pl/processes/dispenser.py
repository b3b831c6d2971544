"""Which cohort goes to which worker, where workers come and go."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, final, runtime_checkable

WAIT, END = -1, -2


@runtime_checkable
class Take(Protocol):
    """A worker's way to its cohorts."""

    def __call__(self, ahead: bool) -> int:
        """See :meth:`Dispenser.take`."""

    def wins(self, cohort: int) -> bool:
        """See :meth:`Dispenser.wins`."""


@final
class Dispenser:
    """Hands out cohorts one by one, and takes back what a lost worker had.

    A worker is a number that is never used twice: whatever a lost one still asks for, it gets nothing more.
    When nothing else is left, whoever has nothing to do gets a second copy of a cohort that is out for longer
    than any other took, so that a slow machine does not hold the end. Only one result of a cohort counts:
    that of the worker which asks first.

    Args:
        cohorts: Indices, in the order in which they are handed out.
        clock: Tells seconds.

    >>> dispenser = Dispenser([0, 1, 2])
    >>> dispenser.take(7), dispenser.take(8), dispenser.take(7)
    (0, 1, 2)
    >>> dispenser.put_back(dispenser.lose(7))
    >>> dispenser.take(7) == END, dispenser.take(8), dispenser.take(8), dispenser.take(8) == WAIT
    (True, 0, 2, True)
    """

    def __init__(self, cohorts: Iterable[int], clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._left = deque(cohorts)
        self._taken: dict[int, list[int]] = {}
        self._open: dict[int, dict[int, float]] = {}  # by worker: cohorts without a result, and since when
        self._winners: dict[int, int] = {}
        self._copied: set[int] = set()
        self._slowest: float | None = None
        self._lost: set[int] = set()
        self._ended = False

    def take(self, worker: int, ahead: bool = False) -> int:
        """Returns the next cohort; ``WAIT`` where there is none now, ``END`` where there will be none.

        Args:
            worker: Who asks.
            ahead: Whether it has a cohort to work on. Near the end it gets no second one, which would wait
                there while others have nothing to do.
        """
        if self._ended or worker in self._lost:
            return END
        taken = self._taken.setdefault(worker, [])
        if ahead and len(self._left) <= len(self._taken):
            return WAIT
        cohort = self._left.popleft() if self._left else self._straggler(worker)
        if cohort != WAIT:
            taken.append(cohort)
            self._open.setdefault(worker, {})[cohort] = self.clock()
        return cohort

    def wins(self, worker: int, cohort: int) -> bool:
        """Tells whether a worker's result of a cohort is the one that counts; asked before it is written."""
        began = self._open.get(worker, {}).pop(cohort, None)
        if worker in self._lost or self._winners.setdefault(cohort, worker) != worker:
            return False
        if began is not None:
            self._slowest = max(self._slowest or 0.0, self.clock() - began)
        return True

    def lose(self, worker: int) -> list[int]:
        """Returns everything that a worker ever took, and forgets the worker."""
        self._lost.add(worker)
        self._open.pop(worker, None)
        taken = self._taken.pop(worker, [])
        for cohort in taken:
            if self._winners.get(cohort) == worker:  # it may not have written it
                del self._winners[cohort]
        return taken

    def put_back(self, cohorts: Sequence[int]) -> None:
        """Puts cohorts first in the queue."""
        self._left.extendleft(reversed(cohorts))

    def end(self) -> None:
        """Tells every worker that asks from now on that there is no more."""
        self._ended = True

    def workers(self) -> list[int]:
        """Returns those that have asked for work and were not lost."""
        return list(self._taken)

    def idle(self) -> list[int]:
        """Returns those of them that have no cohort in hand.

        When all cohorts are made, the others work on what somebody else has finished.
        """
        return [worker for worker in self._taken if not self._open.get(worker)]

    def _straggler(self, worker: int) -> int:
        """Returns the cohort of somebody else that is out for too long, and not twice yet."""
        if self._slowest is None:
            return WAIT
        late = [
            (began, cohort)
            for other, cohorts in self._open.items()
            for cohort, began in cohorts.items()
            if other != worker and cohort not in self._copied and cohort not in self._winners
        ]
        began, cohort = min(late, default=(self.clock(), WAIT))
        if self.clock() - began <= self._slowest:
            return WAIT
        self._copied.add(cohort)
        return cohort
