"""Which cohort goes to which worker, where workers come and go."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import final

WAIT, END = -1, -2


@final
class Dispenser:
    """Hands out cohorts one by one, and takes back what a lost worker had.

    A worker is a number that is never used twice: whatever a lost one still asks for, it gets nothing more.

    Args:
        cohorts: Indices, in the order in which they are handed out.

    >>> dispenser = Dispenser([0, 1, 2])
    >>> dispenser.take(7), dispenser.take(8), dispenser.take(7)
    (0, 1, 2)
    >>> dispenser.put_back(dispenser.lose(7))
    >>> dispenser.take(7) == END, dispenser.take(8), dispenser.take(8), dispenser.take(8) == WAIT
    (True, 0, 2, True)
    """

    def __init__(self, cohorts: Iterable[int]) -> None:
        self._left = deque(cohorts)
        self._taken: dict[int, list[int]] = {}
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
        if not self._left or (ahead and len(self._left) <= len(self._taken)):
            return WAIT
        taken.append(self._left.popleft())
        return taken[-1]

    def lose(self, worker: int) -> list[int]:
        """Returns everything that a worker ever took, and forgets the worker."""
        self._lost.add(worker)
        return self._taken.pop(worker, [])

    def put_back(self, cohorts: Sequence[int]) -> None:
        """Puts cohorts first in the queue."""
        self._left.extendleft(reversed(cohorts))

    def end(self) -> None:
        """Tells every worker that asks from now on that there is no more."""
        self._ended = True

    def workers(self) -> list[int]:
        """Returns those that have asked for work and were not lost."""
        return list(self._taken)
