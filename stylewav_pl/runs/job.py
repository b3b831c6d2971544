"""The processes of one start, which meet in the run directory and nowhere else.

Each keeps a small file in ``.job/``: who it is, whether it works, and a number that grows as long as it
lives. Process 0, the leader, owns the directory: it answers every process that shows up, and a process begins
when it has its answer. An answer names the token that the process made up at its start, so what an earlier
start left behind is never taken for one. A process that outlived its job (nobody killed it after a crash)
ends when it finds the notice of another leader. No process waits for another's pace; only at the end the
leader waits for all.
"""

import json
import os
import secrets
import shutil
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from subprocess import Popen
from typing import final

from stylewav_pl.errors import ProcessError, RunDirectoryError
from stylewav_pl.files import write_json

FOLDER = ".job"
LEADER = "leader.json"
LOOK_SECONDS = 0.5
BEAT_SECONDS = 5.0
REMARK_SECONDS = 60.0
PATIENCE_SECONDS = 900.0
LINGER_SECONDS = 5.0

WORKING, DONE, FAILED = "working", "done", "failed"
Children = Callable[[], Sequence["Popen[bytes]"]]


@dataclass(frozen=True)
class Notice:
    """What one process says about itself.

    Attributes:
        token: Made up by the process at its start.
        launch: What its launcher calls the job; empty where it has no name.
        rank: From 0.
        world_size: How many processes it believes there are.
        where: Host and process id, for people.
        state: ``working``, ``done`` or ``failed``.
        beat: Grows as long as the process lives.
        code: Exit code of a process that failed.
        error: What it said.
        answers: By token of another process: why it is refused, or nothing if it is welcome. Only the
            leader's notice has them.
    """

    token: str
    launch: str
    rank: int
    world_size: int
    where: str
    state: str = WORKING
    beat: int = 0
    code: int = 0
    error: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)


class Participant(ABC):
    """One process of a job; a thread of it keeps its notice alive and looks after the others.

    Args:
        run: The run directory.
        rank: This process.
        world_size: How many there are.
        launch: What the launcher calls the job.
        children: The processes that this one has started.
    """

    def __init__(
        self, run: Path, rank: int, world_size: int, launch: str = "", children: Children = tuple
    ) -> None:
        self.folder = run / FOLDER
        self.children = children
        self.notice = Notice(
            secrets.token_hex(8),
            launch,
            rank,
            world_size,
            f"{socket.gethostname()}, process id {os.getpid()}",
        )
        self._leader = ""  # the token of the leader whom this process follows
        self._failure: ProcessError | None = None
        self._beaten = time.monotonic()
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

    def look(self) -> None:
        """Reads what the others say, at once."""
        with self._lock:
            try:
                if self._is_displaced():
                    return
                self._look()
                self._look_after_children()
            except (
                OSError
            ):  # a file system that fails is noticed, with the right words, by whoever writes results
                return

    def leave(self, code: int = 0, error: str = "") -> None:
        """Says that this process ends, well or with an error; it is silent from then on."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self.notice = replace(self.notice, state=FAILED if code else DONE, code=code, error=error)
            self._publish()

    @abstractmethod
    def _look(self) -> None:
        """Reads what the others say."""

    @property
    @abstractmethod
    def _path(self) -> Path:
        """Where this process's notice lies."""

    def _fail(self, message: str, code: int) -> None:
        self._failure = self._failure or ProcessError(message, code)

    def _is_displaced(self) -> bool:
        """Whether another job has begun here, which cannot be while this one's leader lives and locks reach over all machines."""
        found = _read(self.folder / LEADER)
        displaced = found is not None and self._leader not in ("", found.token)
        if found is not None and displaced:
            self._fail(
                f"Another job has begun in {self.folder.parent} ({found.where}); it does what this process "
                "has not finished.",
                1,
            )
        return displaced

    def _publish(self) -> None:
        try:
            if (
                self.folder.is_dir() and not self._is_displaced()
            ):  # no folder: the disk was lost, and nothing may be put where it was
                write_json(self._path, asdict(self.notice))
        except OSError:
            return  # see look()

    def _live(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.tick()

    def tick(self) -> None:
        """Does what a process of a job does all the time: looks after the others, and says that it lives."""
        self.look()
        if time.monotonic() - self._beaten > BEAT_SECONDS:
            self._beaten = time.monotonic()
            with self._lock:
                self.notice = replace(self.notice, beat=self.notice.beat + 1)
                self._publish()

    def _look_after_children(self) -> None:
        ended = [child for child in self.children() if child.poll()]
        if ended and not self._failure:
            self._look()  # the child may have said why
            code: int = ended[0].returncode
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            self._fail(
                f"Another process of this job (process id {ended[0].pid}) {how}. The same command continues.",
                code if code > 0 else 1,
            )


@final
class Leader(Participant):
    """Process 0: it has claimed the directory, so whoever works in it works with its consent."""

    _path = property(lambda self: self.folder / LEADER)

    def open(self) -> "Leader":
        """Begins to answer the others; called when everything they need is in the directory."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        self._members: dict[int, Notice] = {}
        self._opened = time.monotonic()
        self._heard: dict[int, float] = {}
        self._publish()
        self._leader = self.notice.token
        for left_over in self.folder.glob(
            "rank-*.json"
        ):  # of an earlier job, which is silent from now on; those who wait here say it again
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
        told: set[int] = set()
        while left := missing():
            check()
            waiting_for = self.absent()
            if not waiting_for and missing():
                raise ProcessError(
                    f"{left} cohorts are unfinished although every process says that it is done. The same "
                    "command continues.",
                    1,
                )
            if waiting_for and -1 not in told:
                say(f"Waiting for the other processes: {left} cohorts left.")
                told.add(-1)
            for rank, silence in self._silent(waiting_for, min(patience, REMARK_SECONDS)):
                if silence > patience:
                    raise ProcessError(
                        f"{self._who(rank)} for {silence:.0f} s, {left} cohorts are left. The same command "
                        "continues.",
                        1,
                    )
                if rank not in told:
                    say(
                        f"{self._who(rank)} for {silence:.0f} s; this process gives up after {patience:.0f} "
                        "s."
                    )
                    told.add(rank)
            time.sleep(LOOK_SECONDS)

    def close(self, check: Callable[[], None], patience: float = PATIENCE_SECONDS) -> None:
        """Waits until the others have ended too, and leaves no trace of the job.

        Raises:
            ProcessError: One of them failed in the end.
        """
        while (absent := self.absent()) and len(self._silent(absent, patience)) < len(absent):
            check()
            time.sleep(LOOK_SECONDS)
        for child in self.children():
            child.wait(timeout=patience)
        self.look()
        self.check()
        self.leave()
        shutil.rmtree(self.folder, ignore_errors=True)

    def leave(self, code: int = 0, error: str = "") -> None:
        """See :meth:`Participant.leave`; those who are about to appear hear of an error too."""
        deadline = time.monotonic() + LINGER_SECONDS
        while code and len(self._members) < self.notice.world_size - 1 and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        super().leave(code, error)

    def absent(self) -> list[int]:
        """The other processes that have not said that they are done."""
        with self._lock:
            return [
                rank
                for rank in range(1, self.notice.world_size)
                if rank not in self._members or self._members[rank].state != DONE
            ]

    def _silent(self, ranks: Sequence[int], seconds: float) -> list[tuple[int, float]]:
        now = time.monotonic()
        silences = [(rank, now - self._heard.get(rank, self._opened)) for rank in ranks]
        return [(rank, silence) for rank, silence in silences if silence > seconds]

    def _who(self, rank: int) -> str:
        total = self.notice.world_size
        member = self._members.get(rank)
        return (
            f"Nothing was heard from process {rank} of {total} ({member.where})"
            if member
            else f"Process {rank} of {total} has not appeared"
        )

    def _look(self) -> None:
        notices = [notice for path in sorted(self.folder.glob("rank-*.json")) if (notice := _read(path))]
        answers = {notice.token: self._answer(notice) for notice in notices}
        for notice in notices:
            if not answers[notice.token]:
                self._hear(notice)
        if answers.keys() - self.notice.answers.keys():
            self.notice = replace(self.notice, answers={**self.notice.answers, **answers})
            self._publish()

    def _answer(self, notice: Notice) -> str:
        if notice.token in self.notice.answers:
            return self.notice.answers[notice.token]
        mine, place = self.notice, self.folder.parent
        taken = notice.rank in self._members and self._members[notice.rank].token != notice.token
        found = f"a job of {mine.world_size}{' where this place is taken' if taken else ''}"
        if (
            taken
            or notice.launch != mine.launch
            or notice.world_size != mine.world_size
            or notice.rank >= mine.world_size
        ):
            return (
                f"{place} is in use by another job ({mine.where}). Expected process {notice.rank} of "
                f"{notice.world_size} to belong to it, "
                f"found {found}. Wait for it to end, or choose another directory with --run."
            )
        return ""

    def _hear(self, notice: Notice) -> None:
        before = self._members.get(notice.rank)
        if before is None or (before.beat, before.state) != (notice.beat, notice.state):
            self._heard[notice.rank] = time.monotonic()
        self._members[notice.rank] = notice
        if notice.state == FAILED:
            self._fail(
                f"Process {notice.rank} of {notice.world_size} ({notice.where}) failed: {notice.error}\nThe "
                "same command continues.",
                notice.code,
            )


@final
class Member(Participant):
    """Every other process: it works in a directory that the leader has claimed."""

    _path = property(lambda self: self.folder / f"rank-{self.notice.rank:05d}-{self.notice.token}.json")

    def join(
        self, check: Callable[[], None], say: Callable[[str], None], patience: float = PATIENCE_SECONDS
    ) -> "Member":
        """Returns when the leader has opened the directory and knows this process.

        Args:
            check: Raises when waiting has no sense any more.
            say: Tells a person.
            patience: In seconds.

        Raises:
            RunDirectoryError: The leader belongs to another job.
            ProcessError: The leader failed, or did not answer in time.
        """
        began, told = time.monotonic(), False
        while (answer := self._answer()) is None:
            check()
            waited = time.monotonic() - began
            if waited > patience:
                raise ProcessError(
                    f"Process 0 has not opened {self.folder.parent} for {waited:.0f} s. See what it says, "
                    "then start again.",
                    1,
                )
            if waited > REMARK_SECONDS and not told:
                say(
                    f"Process {self.notice.rank} waits for process 0 to open {self.folder.parent}; it gives "
                    f"up after {patience:.0f} s."
                )
                told = True
            if self.folder.is_dir() and not self._path.exists():
                self._publish()
            time.sleep(LOOK_SECONDS / 5)
        if answer:
            self._path.unlink(missing_ok=True)
            raise RunDirectoryError(answer)
        self.check()
        self._thread.start()
        return self

    def _answer(self) -> str | None:
        with self._lock:
            leader = _read(self.folder / LEADER)
            if leader is None or self.notice.token not in leader.answers:
                return None
            self._leader = leader.token
            self._hear(leader)
            return leader.answers[self.notice.token]

    def _look(self) -> None:
        self._answer()

    def _hear(self, leader: Notice) -> None:
        if leader.state == FAILED:
            self._fail(
                f"Process 0 ({leader.where}) failed: {leader.error}\nThe same command continues.", leader.code
            )


def _read(path: Path) -> Notice | None:
    try:
        return Notice(**json.loads(path.read_text("utf-8", "surrogateescape")))
    except (OSError, ValueError, TypeError):
        return None
