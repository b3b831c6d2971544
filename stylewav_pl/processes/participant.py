"""The processes of one start, which meet in the run directory and nowhere else.

Each keeps a status file in ``.job/``: who it is, whether it works, and a heartbeat. Process 0, the
coordinator, owns the directory: it answers every worker that shows up, and a worker begins when it has its
answer. An answer names the token that the worker made up at its start, so what an earlier start left behind
is never taken for one. A process that outlived its job (nobody killed it after a crash) ends when it finds
the status of another coordinator. No process waits for another's pace; only at the end the coordinator waits
for all.
"""

import os
import secrets
import signal
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

from stylewav_pl.errors import ProcessError
from stylewav_pl.processes.signals import stop_requested
from stylewav_pl.processes.status import COORDINATOR, DONE, FAILED, FOLDER, Status, read_status, write_status

PATIENCE_SECONDS = 900.0

Children = Callable[[], Sequence["Popen[bytes]"]]


class Participant(ABC):
    """One process of a job; a thread of it keeps its status alive and looks after the others.

    Args:
        run: The run directory.
        rank: This process.
        world_size: How many there are.
        launch: What the launcher calls the job.
        children: The processes that this one has started.

    Attributes:
        poll_seconds: How often a process looks at the others.
        heartbeat_seconds: How often it says that it lives.
        remark_seconds: After how much silence a person is told.
        linger_seconds: How long a coordinator that failed waits for those who are about to appear.
    """

    poll_seconds = 0.5
    heartbeat_seconds = 5.0
    remark_seconds = 60.0
    linger_seconds = 5.0

    def __init__(
        self, run: Path, rank: int, world_size: int, launch: str = "", children: Children = tuple
    ) -> None:
        self.folder = run / FOLDER
        self.children = children
        where = f"{socket.gethostname()}, process id {os.getpid()}"
        self.status = Status(secrets.token_hex(8), launch, rank, world_size, where)
        self._coordinator_token = ""  # whom this process follows
        self._failure: ProcessError | None = None
        self._last_heartbeat = time.monotonic()
        self._ended = threading.Event()
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._live, daemon=True, name="job")

    def check(self) -> None:
        """Raises what ended the job, if something has.

        Raises:
            ProcessError: Another process failed.
        """
        if self._failure is not None:
            raise self._failure

    def poll(self) -> None:
        """Reads what the others say, at once."""
        with self._lock:
            try:
                if self._is_displaced():
                    return
                self._read_others()
                self._check_children()
            except OSError:
                return  # a failing file system is noticed, with the right words, by whoever writes results

    def report_exit(self, code: int = 0, error: str = "") -> None:
        """Says that this process ends, well or with an error; it is silent from then on."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self.status = replace(self.status, state=FAILED if code else DONE, code=code, error=error)
            self._publish()

    def tick(self) -> None:
        """Does what a process of a job does all the time: looks after the others, and says that it lives."""
        self.poll()
        if time.monotonic() - self._last_heartbeat > self.heartbeat_seconds:
            self._last_heartbeat = time.monotonic()
            with self._lock:
                self.status = replace(self.status, heartbeat=self.status.heartbeat + 1)
                self._publish()

    @abstractmethod
    def _read_others(self) -> None:
        """Reads what the others say."""

    @property
    @abstractmethod
    def _path(self) -> Path:
        """Where this process's status lies."""

    def _live(self) -> None:
        while not self._ended.wait(self.poll_seconds):
            self.tick()

    def _fail(self, message: str, code: int) -> None:
        self._failure = self._failure or ProcessError(message, code)

    def _heed(self, coordinator: Status) -> None:
        """Ends this process when the coordinator has failed."""
        if coordinator.state == FAILED:
            self._fail(
                f"Process 0 ({coordinator.where}) failed: {coordinator.error}\nThe same command continues.",
                coordinator.code,
            )

    def _is_displaced(self) -> bool:
        """Returns whether another job has begun here.

        That cannot be while this job's coordinator lives and locks reach over all machines.
        """
        found = read_status(self.folder / COORDINATOR)
        if found is None or self._coordinator_token in ("", found.token):
            return False
        self._fail(
            f"Another job has begun in {self.folder.parent} ({found.where}); it does what this process "
            "has not finished.",
            1,
        )
        return True

    def _publish(self) -> None:
        try:
            # no folder: the disk was lost, and nothing may be put where it was
            if self.folder.is_dir() and not self._is_displaced():
                write_status(self._path, self.status)
        except OSError:
            return  # see poll()

    def _check_children(self) -> None:
        ended = [child for child in self.children() if child.poll() and not _was_stopped(child)]
        if not ended or self._failure:
            return
        self._read_others()  # the child may have said why
        code: int = ended[0].returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._fail(
            f"Another process of this job (process id {ended[0].pid}) {how}. The same command continues.",
            code if code > 0 else 1,
        )


def _was_stopped(child: "Popen[bytes]") -> bool:
    """Returns whether a child has died of a signal that was passed on to it.

    So it does where it could not handle signals yet.
    """
    return child.returncode == -signal.SIGTERM and stop_requested()
