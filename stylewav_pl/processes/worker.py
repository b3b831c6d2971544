"""Every process but the first: it works in a directory that the coordinator has claimed."""

import time
from collections.abc import Callable
from typing import final

from stylewav_pl.errors import ProcessError, RunDirectoryError
from stylewav_pl.processes.participant import PATIENCE_SECONDS, Participant
from stylewav_pl.processes.status import COORDINATOR, read_status, worker_file


@final
class Worker(Participant):
    """A process that begins when the coordinator has answered it."""

    _path = property(lambda self: self.folder / worker_file(self.status.rank, self.status.token))

    def join(
        self, check: Callable[[], None], say: Callable[[str], None], patience: float = PATIENCE_SECONDS
    ) -> "Worker":
        """Returns when the coordinator has opened the directory and knows this process.

        Args:
            check: Raises when waiting has no sense any more.
            say: Tells a person.
            patience: In seconds.

        Raises:
            RunDirectoryError: The coordinator belongs to another job.
            ProcessError: The coordinator failed, or did not answer in time.
        """
        if refusal := self._wait_for_answer(check, say, patience):
            self._path.unlink(missing_ok=True)
            raise RunDirectoryError(refusal)
        self.check()
        self._thread.start()
        return self

    def _wait_for_answer(self, check: Callable[[], None], say: Callable[[str], None], patience: float) -> str:
        began, told = time.monotonic(), False
        while (answer := self._read_answer()) is None:
            check()
            waited, place = time.monotonic() - began, self.folder.parent
            if waited > patience:
                raise ProcessError(
                    f"Process 0 has not opened {place} for {waited:.0f} s. See what it says, then start "
                    "again.",
                    1,
                )
            if waited > self.remark_seconds and not told:
                say(
                    f"Process {self.status.rank} waits for process 0 to open {place}; it gives "
                    f"up after {patience:.0f} s."
                )
                told = True
            if self.folder.is_dir() and not self._path.exists():
                self._publish()
            time.sleep(self.poll_seconds / 5)
        return answer

    def _read_answer(self) -> str | None:
        """Returns why this process is refused, nothing if it is welcome, or None before it is answered."""
        with self._lock:
            coordinator = read_status(self.folder / COORDINATOR)
            if coordinator is None or self.status.token not in coordinator.answers:
                return None
            self._coordinator_token = coordinator.token
            self._heed(coordinator)
            return coordinator.answers[self.status.token]

    def _read_others(self) -> None:
        self._read_answer()
