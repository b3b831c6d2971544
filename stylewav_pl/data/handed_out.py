"""Cohorts that are handed out one by one while the trainer works, instead of a share that is known before."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, final

from stylewav_pl.data.loader import CohortLoader, assemble
from stylewav_pl.data.members import shared_sounds
from stylewav_pl.data.sound import raised
from stylewav_pl.processes.dispenser import END, WAIT
from stylewav_pl.runs.members import leaders
from stylewav_pl.runs.plan import Cohort
from stylewav_pl.types import ClipBatch


@final
class HandedOutLoader(CohortLoader):
    """Asks for a cohort when the one before it is decoded, until there are no more.

    Its length is that of the plan: how many cohorts will come nobody knows, but never more.

    Args:
        *parts: As of :class:`CohortLoader`; the cohorts are those of the whole plan, by index.
        take: Returns the next cohort's index, ``WAIT`` or ``END``; told whether it is wanted ahead of time.
        wait: Called before it is asked again after ``WAIT``; what it raises ends the iteration.
    """

    def __init__(self, *parts: Any, take: Callable[[bool], int], wait: Callable[[], None]) -> None:
        super().__init__(*parts)
        self.take, self.wait = take, wait
        counts = [len(set(leaders(cohort.ids, self.clips).values())) for cohort in self.cohorts]
        self._begins = [0, *accumulate(counts)]  # where in the reader the voices of each cohort lie

    def __iter__(self) -> Iterator[ClipBatch]:
        while (index := self._next()) != END:
            yield from self._stream(index)

    def _next(self) -> int:
        while (index := self.take(False)) == WAIT:
            self.wait()
        return index

    def _stream(self, first: int) -> Iterator[ClipBatch]:
        """Yields the cohort, and those that follow it without a pause."""
        announced = deque([self.cohorts[first]])
        sounds = raised(self._decoded(self._places(first, announced)))
        while announced:
            cohort = announced.popleft()
            heard = shared_sounds(cohort.ids, self.clips, sounds)
            yield assemble(cohort, self.clips, heard, self.reader.averaged)

    def _places(self, index: int, announced: deque[Cohort]) -> Iterator[int]:
        """Yields what is to be decoded next; asked as far ahead as the decoding processes are."""
        while index not in (WAIT, END):
            yield from range(self._begins[index], self._begins[index + 1])
            if (index := self.take(True)) not in (WAIT, END):
                announced.append(self.cohorts[index])
