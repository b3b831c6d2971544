"""Process 0: it has claimed the run directory, so whoever works in it works with its consent."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import final

from stylewav_pl.errors import ProcessError
from stylewav_pl.processes.participant import PATIENCE_SECONDS, Participant
from stylewav_pl.processes.status import COORDINATOR, DONE, FAILED, Status, read_status, worker_files


@final
class Coordinator(Participant):
    """The process that answers the others, and waits for them at the end."""

    _path = property(lambda self: self.folder / COORDINATOR)

    def open(self) -> "Coordinator":
        """Begins to answer the others; called when everything they need is in the directory."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        self._workers: dict[int, Status] = {}
        self._opened = time.monotonic()
        self._last_heard: dict[int, float] = {}
        self._publish()
        self._coordinator_token = self.status.token
        # Of an earlier job, which is silent from now on; those who wait here say it again.
        for left_over in worker_files(self.folder):
            left_over.unlink(missing_ok=True)
        self._thread.start()
        return self

    def wait(
        self,
        missing: Callable[[], int],
        check: Callable[[], None],
        say: Callable[[str], None],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Returns when no cohort is missing.

        Args:
            missing: How many cohorts have no result yet.
            check: Raises when waiting has no sense any more.
            say: Tells a person.
            patience: How long a process may be silent, in seconds; one that works is never too slow.

        Raises:
            ProcessError: A process failed, was silent too long, or ended without having done its share.
        """
        announced = False
        remarked: set[int] = set()
        while left := missing():
            check()
            waiting_for = self.absent()
            if not waiting_for and missing():
                raise ProcessError(
                    f"{left} cohorts are unfinished although every process says that it is done. The same "
                    "command continues.",
                    1,
                )
            if waiting_for and not announced:
                say(f"Waiting for the other processes: {left} cohorts left.")
                announced = True
            self._remark_on_silence(waiting_for, remarked, left, say, patience)
            time.sleep(self.poll_seconds)

    def _remark_on_silence(
        self, ranks: Sequence[int], remarked: set[int], left: int, say: Callable[[str], None], patience: float
    ) -> None:
        """Names each silent process once, and gives up on one that is silent too long."""
        for rank, silence in self._silent(ranks, min(patience, self.remark_seconds)):
            if silence > patience:
                raise ProcessError(
                    f"{self._name(rank)} for {silence:.0f} s, {left} cohorts are left. The same command "
                    "continues.",
                    1,
                )
            if rank not in remarked:
                say(f"{self._name(rank)} for {silence:.0f} s; this process gives up after {patience:.0f} s.")
                remarked.add(rank)

    def close(self, check: Callable[[], None], patience: float = PATIENCE_SECONDS) -> None:
        """Waits until the others have ended too, and leaves no trace of the job.

        Raises:
            ProcessError: One of them failed in the end.
        """
        while (absent := self.absent()) and len(self._silent(absent, patience)) < len(absent):
            check()
            time.sleep(self.poll_seconds)
        for child in self.children():
            child.wait(timeout=patience)
        self.poll()
        self.check()
        self.report_exit()
        shutil.rmtree(self.folder, ignore_errors=True)

    def report_exit(self, code: int = 0, error: str = "") -> None:
        """Says that this process ends; those who are about to appear hear of an error too."""
        deadline = time.monotonic() + self.linger_seconds
        while code and len(self._workers) < self.status.world_size - 1 and time.monotonic() < deadline:
            time.sleep(self.poll_seconds)
        super().report_exit(code, error)

    def absent(self) -> list[int]:
        """Returns the other processes that have not said that they are done."""
        with self._lock:
            done = {rank for rank, worker in self._workers.items() if worker.state == DONE}
            return [rank for rank in range(1, self.status.world_size) if rank not in done]

    def _silent(self, ranks: Sequence[int], seconds: float) -> list[tuple[int, float]]:
        now = time.monotonic()
        silences = [(rank, now - self._last_heard.get(rank, self._opened)) for rank in ranks]
        return [(rank, silence) for rank, silence in silences if silence > seconds]

    def _name(self, rank: int) -> str:
        total = self.status.world_size
        if worker := self._workers.get(rank):
            return f"Nothing was heard from process {rank} of {total} ({worker.where})"
        return f"Process {rank} of {total} has not appeared"

    def _read_others(self) -> None:
        found = [status for path in worker_files(self.folder) if (status := read_status(path))]
        answers = {status.token: self._answer(status) for status in found}
        for status in found:
            if not answers[status.token]:
                self._note(status)
        if answers.keys() - self.status.answers.keys():
            self.status = replace(self.status, answers={**self.status.answers, **answers})
            self._publish()

    def _answer(self, status: Status) -> str:
        """Returns why a process is refused; nothing if it is welcome."""
        mine = self.status
        if status.token in mine.answers:
            return mine.answers[status.token]
        taken = status.rank in self._workers and self._workers[status.rank].token != status.token
        same_job = (status.launch, status.world_size) == (mine.launch, mine.world_size)
        if same_job and not taken and status.rank < mine.world_size:
            return ""
        found = f"a job of {mine.world_size}{' where this place is taken' if taken else ''}"
        return (
            f"{self.folder.parent} is in use by another job ({mine.where}). Expected process {status.rank} "
            f"of {status.world_size} to belong to it, found {found}. Wait for it to end, or choose another "
            "directory with --run."
        )

    def _note(self, status: Status) -> None:
        before = self._workers.get(status.rank)
        if before is None or (before.heartbeat, before.state) != (status.heartbeat, status.state):
            self._last_heard[status.rank] = time.monotonic()
        self._workers[status.rank] = status
        if status.state == FAILED:
            self._fail(
                f"Process {status.rank} of {status.world_size} ({status.where}) failed: {status.error}\nThe "
                "same command continues.",
                status.code,
            )
