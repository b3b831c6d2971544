"""The processes of a job and how they find each other: here as objects in one process, moved by a clock that no machine slows."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stylewav_pl.errors import ProcessError, RunDirectoryError
from stylewav_pl.files import write_json
from stylewav_pl.runs import job
from stylewav_pl.runs.job import FAILED, FOLDER, LOOK_SECONDS, Leader, Member, Participant

# In seconds of the clock below; the threads of the participants wait for as many real ones, which is for ever.
LOOK, BEAT, REMARK, LINGER, PATIENCE = 1e3, 3e3, 2e4, 1e4, 1e5


class Clock:
    """Time that passes when somebody waits; then everybody who lives does what its thread would do."""

    def __init__(self) -> None:
        self.now = 0.0
        self.alive: list[Participant] = []
        self.later: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [each for each in self.later if each[0] <= self.now]
        self.later = [each for each in self.later if each not in due]
        for _, act in due:
            act()
        for participant in self.alive:
            participant.tick()

    def at(self, moment: float, act: Callable[[], None]) -> None:
        self.later.append((moment, act))

    def kill(self, participant: Participant) -> None:
        """It does nothing any more, and its files stay."""
        self.alive.remove(participant)

    def failure_of(self, participant: Participant) -> ProcessError:
        """What ends it, sooner or later."""
        for _ in range(100):
            try:
                participant.check()
            except ProcessError as error:
                return error
            self.sleep(LOOK)
        pytest.fail("nothing ended the process")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(job, "time", clock)
    for name, seconds in (("LOOK", LOOK), ("BEAT", BEAT), ("REMARK", REMARK), ("LINGER", LINGER)):
        monkeypatch.setattr(job, f"{name}_SECONDS", seconds)
    return clock


def nothing() -> None:
    """Finds no reason to stop."""


def lead(path: Path, clock: Clock, world_size: int = 2, launch: str = "") -> Leader:
    leader = Leader(path, 0, world_size, launch).open()
    clock.alive.append(leader)
    return leader


def join(path: Path, clock: Clock, rank: int = 1, world_size: int = 2, launch: str = "") -> Member:
    member = Member(path, rank, world_size, launch).join(nothing, print, PATIENCE)
    clock.alive.append(member)
    return member


def leave(participant: Participant, clock: Clock, code: int = 0, error: str = "") -> None:
    participant.leave(code, error)
    clock.alive.remove(participant)


def notices(path: Path) -> list[Path]:
    """What processes other than the leader have said."""
    return list((path / FOLDER).glob("rank-*.json"))


def test_the_watch_needs_nobody_to_move_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the program has it: a thread of each process, and real time, of which it may take what it needs."""
    monkeypatch.setattr(job, "LOOK_SECONDS", LOOK_SECONDS / 50)
    leader = Leader(tmp_path, 0, 2).open()
    Member(tmp_path, 1, 2).join(nothing, print).leave()
    while leader.absent():
        leader.check()
    leader.close(nothing)
    assert not (tmp_path / FOLDER).exists()


def test_a_job_ends_when_all_are_done_and_leaves_no_trace(tmp_path: Path, clock: Clock) -> None:
    leader = lead(tmp_path, clock)
    member = join(tmp_path, clock)
    assert leader.absent() == [1]
    leave(member, clock)
    leader.wait(lambda: 0, nothing, print, PATIENCE)
    leader.close(nothing)
    assert not (tmp_path / FOLDER).exists()


def test_waiting_ends_with_the_last_cohort_and_is_announced_once(tmp_path: Path, clock: Clock) -> None:
    leader = lead(tmp_path, clock)
    join(tmp_path, clock)
    left, said = [3, 3, 3, 2, 2, 1, 1, 0], []
    leader.wait(lambda: left.pop(0), nothing, said.append, PATIENCE)
    assert said == ["Waiting for the other processes: 3 cohorts left."]


def test_an_answer_left_behind_by_an_earlier_start_is_not_taken_for_one(tmp_path: Path, clock: Clock) -> None:
    leader = lead(tmp_path, clock)
    join(tmp_path, clock)
    clock.kill(leader)
    with pytest.raises(ProcessError, match="Process 0 has not opened"):
        join(tmp_path, clock)


def test_who_outlived_an_earlier_job_ends_is_silent_and_takes_nobodys_place(
    tmp_path: Path, clock: Clock
) -> None:
    first = lead(tmp_path, clock)
    left_over = join(tmp_path, clock)
    clock.kill(first)
    leader = lead(tmp_path, clock)
    error = clock.failure_of(left_over)
    assert f"Another job has begun in {tmp_path}" in str(error) and error.exit_code == 1
    leave(left_over, clock, 1, "must not end the new job")
    clock.sleep(LOOK)
    assert leader.absent() == [1] and not notices(tmp_path)
    join(tmp_path, clock)
    leader.check()


def test_a_leader_whose_place_was_taken_ends(tmp_path: Path, clock: Clock) -> None:
    """Where locks do not reach from one machine to another."""
    first, second = lead(tmp_path, clock), lead(tmp_path, clock)
    assert "Another job has begun" in str(clock.failure_of(first))
    leave(first, clock, 1)
    clock.sleep(LOOK)
    second.check()


@pytest.mark.parametrize(
    ("rank", "world_size", "launch"),
    [(1, 2, "here"), (1, 3, "here"), (5, 2, "here"), (2, 3, "there")],
    ids=["taken", "size", "rank", "launch"],
)
def test_a_process_of_another_job_is_refused(
    tmp_path: Path, clock: Clock, rank: int, world_size: int, launch: str
) -> None:
    lead(tmp_path, clock, launch="here")
    join(tmp_path, clock, launch="here")
    with pytest.raises(
        RunDirectoryError, match=r"in use by another job .*choose another directory with --run"
    ):
        join(tmp_path, clock, rank, world_size, launch)


def test_an_error_reaches_the_others_with_its_words_and_its_code(tmp_path: Path, clock: Clock) -> None:
    leader = lead(tmp_path, clock, world_size=3)
    second, third = join(tmp_path, clock, 1, 3), join(tmp_path, clock, 2, 3)
    leave(second, clock, 4, "too many skips")
    error = clock.failure_of(leader)
    assert "Process 1 of 3" in str(error) and "failed: too many skips" in str(error) and error.exit_code == 4
    leave(leader, clock, error.exit_code, str(error))
    other = clock.failure_of(third)
    assert str(other).startswith("Process 0") and "too many skips" in str(other) and other.exit_code == 4


def test_an_error_before_the_others_appeared_is_kept_for_them(tmp_path: Path, clock: Clock) -> None:
    leader = lead(tmp_path, clock)
    joined: list[Member] = []
    clock.at(clock.now + LINGER / 2, lambda: joined.append(join(tmp_path, clock)))
    leave(leader, clock, 1, "broken at once")
    error = clock.failure_of(joined[0])
    assert str(error).startswith("Process 0") and "broken at once" in str(error)


def test_a_child_that_is_killed_is_noticed(tmp_path: Path, clock: Clock) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        leader = Leader(tmp_path, 0, 2, children=lambda: (child,)).open()
        clock.alive.append(leader)
        clock.sleep(LOOK)
        leader.check()
        child.kill()
        child.wait()
    error = clock.failure_of(leader)
    assert "was killed by signal 9" in str(error) and error.exit_code == 1


def test_a_process_that_falls_silent_is_named_and_not_waited_for_for_ever(
    tmp_path: Path, clock: Clock
) -> None:
    leader = lead(tmp_path, clock)
    member = join(tmp_path, clock)
    clock.kill(member)
    said: list[str] = []
    with pytest.raises(ProcessError, match=r"Nothing was heard from process 1 of 2 .* 2 cohorts are left"):
        leader.wait(lambda: 2, nothing, said.append, PATIENCE)
    assert "gives up after" in said[1]


def test_a_slow_process_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    leader = lead(tmp_path, clock)
    join(tmp_path, clock)
    end = clock.now + 2 * PATIENCE
    leader.wait(lambda: int(clock.now < end), nothing, print, PATIENCE)
    assert clock.now >= end


def test_done_but_not_finished_is_an_error(tmp_path: Path, clock: Clock) -> None:
    leader = lead(tmp_path, clock)
    leave(join(tmp_path, clock), clock)
    with pytest.raises(
        ProcessError, match="1 cohorts are unfinished although every process says that it is done"
    ):
        leader.wait(lambda: 1, nothing, print, PATIENCE)


def test_a_failing_disk_does_not_stop_the_watch(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = lead(tmp_path, clock)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "write_json", fail)
    clock.sleep(BEAT + LOOK)
    monkeypatch.setattr(job, "write_json", write_json)
    join(tmp_path, clock)
    leader.check()


def test_a_notice_says_what_happened(tmp_path: Path, clock: Clock) -> None:
    lead(tmp_path, clock)
    member = join(tmp_path, clock)
    leave(member, clock, 1, "caf\udce9")
    (path,) = notices(tmp_path)
    notice = json.loads(path.read_text("utf-8", "surrogateescape"))
    assert (notice["state"], notice["code"], notice["error"], notice["rank"]) == (FAILED, 1, "caf\udce9", 1)
