"""Work that must not hold up the optimisation.

Done in order by one thread, with a bounded queue before it.
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import final


@final
class Background:
    """A thread that works off what it is given.

    Args:
        limit: How much may wait; whoever adds more waits too, so that memory does not grow when the disk is
            slow.
    """

    def __init__(self, limit: int) -> None:
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue(maxsize=limit)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="background")
        self._thread.start()

    def check(self) -> None:
        """Raises the error of work that failed; after it nothing more is done."""
        if self._error is not None:
            raise self._error

    def add(self, work: Callable[[], None]) -> None:
        """Adds work; waits while the queue is full."""
        while True:
            self.check()
            try:
                return self._work.put(work, timeout=0.1)
            except queue.Full:
                continue

    def finish(self, seconds: float | None = None) -> None:
        """Waits until all work is done, or ``seconds`` have passed; nothing can be added afterwards."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._thread.is_alive():
            try:
                self._work.put(None, timeout=0.1)
                break
            except queue.Full:
                if deadline and time.monotonic() > deadline:
                    return
        self._thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        self.check()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            if self._error is None:
                try:
                    work()
                except Exception as error:  # whatever it is: whoever adds work must hear of it
                    self._error = error
