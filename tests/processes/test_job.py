"""The processes of a job and how they find each other: here as objects in one process, moved by a clock that
no machine slows."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stylewav_pl.errors import ProcessError, RunDirectoryError
from stylewav_pl.processes import coordinator as coordinator_module
from stylewav_pl.processes import participant as participant_module
from stylewav_pl.processes import worker as worker_module
from stylewav_pl.processes.coordinator import Coordinator
from stylewav_pl.processes.guest import Guest
from stylewav_pl.processes.participant import Participant
from stylewav_pl.processes.status import FAILED, FOLDER
from stylewav_pl.processes.worker import Worker

# In seconds of the clock below; the threads of the participants wait for as many real ones, which is for
# ever.
POLL, HEARTBEAT, REMARK, LINGER, PATIENCE = 1e3, 3e3, 2e4, 1e4, 1e5


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
            self.sleep(POLL)
        pytest.fail("nothing ended the process")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (coordinator_module, participant_module, worker_module):
        monkeypatch.setattr(module, "time", clock)
    for name, seconds in (("poll", POLL), ("heartbeat", HEARTBEAT), ("remark", REMARK), ("linger", LINGER)):
        monkeypatch.setattr(Participant, f"{name}_seconds", seconds)
    return clock


def nothing() -> None:
    """Finds no reason to stop."""


def start(path: Path, clock: Clock, world_size: int = 2, launch: str = "") -> Coordinator:
    coordinator = Coordinator(path, 0, world_size, launch).open()
    clock.alive.append(coordinator)
    return coordinator


def join(path: Path, clock: Clock, rank: int = 1, world_size: int = 2, launch: str = "") -> Worker:
    worker = Worker(path, rank, world_size, launch).join(nothing, print, PATIENCE)
    clock.alive.append(worker)
    return worker


def end(participant: Participant, clock: Clock, code: int = 0, error: str = "") -> None:
    participant.report_exit(code, error)
    clock.alive.remove(participant)


def worker_statuses(path: Path) -> list[Path]:
    """What processes other than the coordinator have said."""
    return list((path / FOLDER).glob("rank-*.json"))


def test_the_watch_needs_nobody_to_move_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the program has it: a thread of each process, and real time, of which it may take what it needs."""
    monkeypatch.setattr(Participant, "poll_seconds", Participant.poll_seconds / 50)
    coordinator = Coordinator(tmp_path, 0, 2).open()
    Worker(tmp_path, 1, 2).join(nothing, print).report_exit()
    while coordinator.absent():
        coordinator.check()
    coordinator.close(nothing)
    assert not (tmp_path / FOLDER).exists()


def test_a_job_ends_when_all_are_done_and_leaves_no_trace(tmp_path: Path, clock: Clock) -> None:
    coordinator = start(tmp_path, clock)
    worker = join(tmp_path, clock)
    assert coordinator.absent() == [1]
    end(worker, clock)
    coordinator.wait(lambda: 0, nothing, print, PATIENCE)
    coordinator.close(nothing)
    assert not (tmp_path / FOLDER).exists()


def test_waiting_ends_with_the_last_cohort_and_is_announced_once(tmp_path: Path, clock: Clock) -> None:
    coordinator = start(tmp_path, clock)
    join(tmp_path, clock)
    left, said = [3, 3, 3, 2, 2, 1, 1, 0], []
    coordinator.wait(lambda: left.pop(0), nothing, said.append, PATIENCE)
    assert said == ["Waiting for the other processes: 3 cohorts left."]


def test_an_answer_left_behind_by_an_earlier_start_is_not_taken_for_one(tmp_path: Path, clock: Clock) -> None:
    coordinator = start(tmp_path, clock)
    join(tmp_path, clock)
    clock.kill(coordinator)
    with pytest.raises(ProcessError, match="Process 0 has not opened"):
        join(tmp_path, clock)


def test_who_outlived_an_earlier_job_ends_is_silent_and_takes_nobodys_place(
    tmp_path: Path, clock: Clock
) -> None:
    first = start(tmp_path, clock)
    left_over = join(tmp_path, clock)
    clock.kill(first)
    coordinator = start(tmp_path, clock)
    error = clock.failure_of(left_over)
    assert f"Another job has begun in {tmp_path}" in str(error) and error.exit_code == 1
    end(left_over, clock, 1, "must not end the new job")
    clock.sleep(POLL)
    assert coordinator.absent() == [1] and not worker_statuses(tmp_path)
    join(tmp_path, clock)
    coordinator.check()


def test_a_leader_whose_place_was_taken_ends(tmp_path: Path, clock: Clock) -> None:
    """Where locks do not reach from one machine to another."""
    first, second = start(tmp_path, clock), start(tmp_path, clock)
    assert "Another job has begun" in str(clock.failure_of(first))
    end(first, clock, 1)
    clock.sleep(POLL)
    second.check()


@pytest.mark.parametrize(
    ("rank", "world_size", "launch"),
    [(1, 2, "here"), (1, 3, "here"), (5, 2, "here"), (2, 3, "there")],
    ids=["taken", "size", "rank", "launch"],
)
def test_a_process_of_another_job_is_refused(
    tmp_path: Path, clock: Clock, rank: int, world_size: int, launch: str
) -> None:
    start(tmp_path, clock, launch="here")
    join(tmp_path, clock, launch="here")
    with pytest.raises(
        RunDirectoryError, match=r"in use by another job .*choose another directory with --run"
    ):
        join(tmp_path, clock, rank, world_size, launch)


def test_an_error_reaches_the_others_with_its_words_and_its_code(tmp_path: Path, clock: Clock) -> None:
    coordinator = start(tmp_path, clock, world_size=3)
    second, third = join(tmp_path, clock, 1, 3), join(tmp_path, clock, 2, 3)
    end(second, clock, 4, "too many skips")
    error = clock.failure_of(coordinator)
    assert "Process 1 of 3" in str(error) and "failed: too many skips" in str(error) and error.exit_code == 4
    end(coordinator, clock, error.exit_code, str(error))
    other = clock.failure_of(third)
    assert str(other).startswith("Process 0") and "too many skips" in str(other) and other.exit_code == 4


def test_an_error_before_the_others_appeared_is_kept_for_them(tmp_path: Path, clock: Clock) -> None:
    coordinator = start(tmp_path, clock)
    joined: list[Worker] = []
    clock.at(clock.now + LINGER / 2, lambda: joined.append(join(tmp_path, clock)))
    end(coordinator, clock, 1, "broken at once")
    error = clock.failure_of(joined[0])
    assert str(error).startswith("Process 0") and "broken at once" in str(error)


def invite(path: Path, clock: Clock, coordinator: Coordinator) -> Guest:
    guest = Guest(path, 1, 4, coordinator.status.token).join()
    clock.alive.append(guest)
    return guest


def test_a_guest_hears_of_the_coordinators_failure_and_says_nothing(tmp_path: Path, clock: Clock) -> None:
    coordinator = start(tmp_path, clock, world_size=1)
    guest = invite(tmp_path, clock, coordinator)
    clock.sleep(HEARTBEAT)
    guest.check()
    end(coordinator, clock, 75, "stopped by a signal")
    error = clock.failure_of(guest)
    assert "stopped by a signal" in str(error) and error.exit_code == 75
    end(guest, clock, 1, "nobody reads this")
    assert not worker_statuses(tmp_path)


def test_a_guest_ends_when_the_next_job_begins_and_does_not_enter_it(tmp_path: Path, clock: Clock) -> None:
    first = start(tmp_path, clock, world_size=1)
    guest = invite(tmp_path, clock, first)
    clock.kill(first)
    start(tmp_path, clock, world_size=1)
    assert "Another job has begun" in str(clock.failure_of(guest))
    with pytest.raises(ProcessError, match="Another job has begun"):
        invite(tmp_path, clock, first)


def test_a_child_that_is_killed_is_noticed(tmp_path: Path, clock: Clock) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        coordinator = Coordinator(tmp_path, 0, 2, children=lambda: (child,)).open()
        clock.alive.append(coordinator)
        clock.sleep(POLL)
        coordinator.check()
        child.kill()
        child.wait()
    error = clock.failure_of(coordinator)
    assert "was killed by signal 9" in str(error) and error.exit_code == 1


def test_a_child_that_dies_of_the_signal_to_stop_is_no_failure(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        coordinator = Coordinator(tmp_path, 0, 2, children=lambda: (child,)).open()
        clock.alive.append(coordinator)
        child.terminate()
        child.wait()
    monkeypatch.setattr(participant_module, "stop_requested", lambda: True)
    clock.sleep(POLL)
    coordinator.check()
    monkeypatch.setattr(participant_module, "stop_requested", lambda: False)
    assert "was killed by signal 15" in str(clock.failure_of(coordinator))


def test_a_process_that_falls_silent_is_named_and_not_waited_for_for_ever(
    tmp_path: Path, clock: Clock
) -> None:
    coordinator = start(tmp_path, clock)
    worker = join(tmp_path, clock)
    clock.kill(worker)
    said: list[str] = []
    with pytest.raises(ProcessError, match=r"Nothing was heard from process 1 of 2 .* 2 cohorts are left"):
        coordinator.wait(lambda: 2, nothing, said.append, PATIENCE)
    assert "gives up after" in said[1]


def test_a_slow_process_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    coordinator = start(tmp_path, clock)
    join(tmp_path, clock)
    end = clock.now + 2 * PATIENCE
    coordinator.wait(lambda: int(clock.now < end), nothing, print, PATIENCE)
    assert clock.now >= end


def test_done_but_not_finished_is_an_error(tmp_path: Path, clock: Clock) -> None:
    coordinator = start(tmp_path, clock)
    end(join(tmp_path, clock), clock)
    with pytest.raises(
        ProcessError, match="1 cohorts are unfinished although every process says that it is done"
    ):
        coordinator.wait(lambda: 1, nothing, print, PATIENCE)


def test_a_failing_disk_does_not_stop_the_watch(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    coordinator = start(tmp_path, clock)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(participant_module, "write_status", fail)
        clock.sleep(HEARTBEAT + POLL)
    join(tmp_path, clock)
    coordinator.check()


def test_a_notice_says_what_happened(tmp_path: Path, clock: Clock) -> None:
    start(tmp_path, clock)
    worker = join(tmp_path, clock)
    end(worker, clock, 1, "caf\udce9")
    (path,) = worker_statuses(tmp_path)
    status = json.loads(path.read_text("utf-8", "surrogateescape"))
    assert (status["state"], status["code"], status["error"], status["rank"]) == (FAILED, 1, "caf\udce9", 1)
