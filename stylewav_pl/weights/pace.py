"""How long a download waits, and how slow it may be."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from stylewav_pl.weights.answers import UnavailableError


@dataclass(frozen=True)
class Patience:
    """How long a download waits.

    Attributes:
        silence: Seconds without an answer or a byte after which a connection counts as broken.
        attempts: Failures in a row, each without a further block, after which an address is given up.
        pause: Seconds before the second attempt; doubles with each further one.
        slowest: Bytes per second below which it is given up ...
        slow_seconds: ... when they are not reached for so long.
        clock: Seconds; another one only in tests.
    """

    silence: float = 30.0
    attempts: int = 5
    pause: float = 1.0
    slowest: float = 2000.0
    slow_seconds: float = 120.0
    clock: Callable[[], float] = time.monotonic


class Pace:
    """Whether bytes come fast enough."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._since, self._count = patience.clock(), 0

    def check(self, count: int) -> None:
        """Counts bytes that came.

        Raises:
            UnavailableError: They were too few for too long.
        """
        self._count += count
        seconds = self.patience.clock() - self._since
        if seconds < self.patience.slow_seconds:
            return
        if self._count < self.patience.slowest * seconds:
            raise UnavailableError(
                f"it is too slow: {self._count / seconds / 1000:.1f} kB/s for {seconds:.0f} s, and "
                f"{self.patience.slowest / 1000:g} kB/s are the least; what came is kept and will be "
                "continued"
            )
        self._since, self._count = self.patience.clock(), 0
