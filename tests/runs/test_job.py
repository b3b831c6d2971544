"""The processes of a job and how they find each other: here as threads' worth of objects in one process."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stylewav_pl.runs import job
from stylewav_pl.runs.job import FAILED, FOLDER, Leader, Member, Participant
from stylewav_pl.types import ProcessError, RunDirectoryError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(job, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(job, "REMARK_SECONDS", 0.2)
    monkeypatch.setattr(job, "LINGER_SECONDS", 1.0)


@pytest.fixture
def started() -> Iterator[list[Participant]]:
    """Everybody who must be silent again when the test ends."""
    started: list[Participant] = []
    yield started
    for participant in started:
        participant.leave()


def nothing() -> None:
    """Finds no reason to stop."""


def lead(path: Path, started: list[Participant], world_size: int = 2, launch: str = "") -> Leader:
    leader = Leader(path, 0, world_size, launch).open()
    started.append(leader)
    return leader


def join(
    path: Path,
    started: list[Participant],
    rank: int = 1,
    world_size: int = 2,
    launch: str = "",
    patience: float = 20.0,
) -> Member:
    member = Member(path, rank, world_size, launch).join(nothing, print, patience)
    started.append(member)
    return member


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_job_ends_when_all_are_done_and_leaves_no_trace(tmp_path: Path, started: list[Participant]) -> None:
    leader = lead(tmp_path, started)
    member = join(tmp_path, started)
    assert leader.absent() == [1]
    member.leave()
    leader.wait(lambda: 0, nothing, print)
    leader.close(nothing)
    assert not (tmp_path / FOLDER).exists()


def test_waiting_ends_with_the_last_cohort_and_is_announced_once(
    tmp_path: Path, started: list[Participant]
) -> None:
    leader = lead(tmp_path, started)
    join(tmp_path, started)
    left, said = [3, 3, 3, 2, 2, 1, 1, 0], []
    leader.wait(lambda: left.pop(0), nothing, said.append)
    assert said == ["Waiting for the other processes: 3 cohorts left."]


def test_an_answer_left_behind_by_an_earlier_start_is_not_taken_for_one(
    tmp_path: Path, started: list[Participant]
) -> None:
    leader = Leader(tmp_path, 0, 2).open()
    join(tmp_path, started)
    leader._ended.set()  # killed: its files stay
    with pytest.raises(ProcessError, match="Process 0 has not opened"):
        Member(tmp_path, 1, 2).join(nothing, print, patience=0.3)


def test_who_outlived_an_earlier_job_ends_is_silent_and_takes_nobodys_place(
    tmp_path: Path, started: list[Participant]
) -> None:
    first = Leader(tmp_path, 0, 2).open()
    left_over = join(tmp_path, started)
    first._ended.set()  # killed
    leader = lead(tmp_path, started)
    with pytest.raises(ProcessError, match=rf"Another job has begun in {tmp_path}") as error:
        until(lambda: left_over.check() is not None)
    assert error.value.exit_code == 1
    left_over.leave(1, "must not end the new job")
    time.sleep(0.1)
    assert leader._members == {} and not list((tmp_path / FOLDER).glob("rank-*.json"))
    join(tmp_path, started)
    leader.check()


def test_a_leader_whose_place_was_taken_ends(tmp_path: Path, started: list[Participant]) -> None:
    """Where locks do not reach from one machine to another."""
    first, second = lead(tmp_path, started), lead(tmp_path, started)
    with pytest.raises(ProcessError, match="Another job has begun"):
        until(lambda: first.check() is not None)
    first.leave(1)
    second.check()


@pytest.mark.parametrize(
    ("rank", "world_size", "launch"),
    [(1, 2, "here"), (1, 3, "here"), (5, 2, "here"), (2, 3, "there")],
    ids=["taken", "size", "rank", "launch"],
)
def test_a_process_of_another_job_is_refused(
    tmp_path: Path, started: list[Participant], rank: int, world_size: int, launch: str
) -> None:
    lead(tmp_path, started, launch="here")
    join(tmp_path, started, launch="here")
    with pytest.raises(
        RunDirectoryError, match=r"in use by another job .*choose another directory with --run"
    ):
        join(tmp_path, started, rank, world_size, launch)


def test_an_error_reaches_the_others_with_its_words_and_its_code(
    tmp_path: Path, started: list[Participant]
) -> None:
    leader = lead(tmp_path, started, world_size=3)
    second, third = join(tmp_path, started, 1, 3), join(tmp_path, started, 2, 3)
    second.leave(4, "too many skips")
    until(lambda: leader._failure is not None)
    with pytest.raises(ProcessError, match=r"Process 1 of 3 .* failed: too many skips") as error:
        leader.check()
    assert error.value.exit_code == 4
    leader.leave(error.value.exit_code, str(error.value))
    until(lambda: third._failure is not None)
    with pytest.raises(ProcessError, match=r"Process 0 .*too many skips") as other:
        third.check()
    assert other.value.exit_code == 4


def test_an_error_before_the_others_appeared_is_kept_for_them(
    tmp_path: Path, started: list[Participant]
) -> None:
    leader = lead(tmp_path, started)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(lambda: (time.sleep(0.2), join(tmp_path, started)))
        leader.leave(1, "broken at once")
        with pytest.raises(ProcessError, match=r"Process 0 .*broken at once"):
            until(lambda: late.result() and started[-1].check())


def test_a_child_that_is_killed_is_noticed(tmp_path: Path, started: list[Participant]) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        leader = Leader(tmp_path, 0, 2, children=lambda: (child,)).open()
        started.append(leader)
        leader.look()
        leader.check()
        child.kill()
        child.wait()
    until(lambda: leader._failure is not None)
    with pytest.raises(ProcessError, match="was killed by signal 9") as error:
        leader.check()
    assert error.value.exit_code == 1


def test_a_process_that_falls_silent_is_named_and_not_waited_for_for_ever(
    tmp_path: Path, started: list[Participant]
) -> None:
    leader = lead(tmp_path, started)
    member = join(tmp_path, started)
    member._ended.set()
    said: list[str] = []
    with pytest.raises(ProcessError, match=r"Nothing was heard from process 1 of 2 .* 2 cohorts are left"):
        leader.wait(lambda: 2, nothing, said.append, patience=0.6)
    assert "gives up after" in said[1]


def test_a_slow_process_is_waited_for(tmp_path: Path, started: list[Participant]) -> None:
    leader = lead(tmp_path, started)
    join(tmp_path, started)
    end = time.monotonic() + 1.0
    leader.wait(lambda: int(time.monotonic() < end), nothing, print, patience=0.5)


def test_done_but_not_finished_is_an_error(tmp_path: Path, started: list[Participant]) -> None:
    leader = lead(tmp_path, started)
    join(tmp_path, started).leave()
    with pytest.raises(
        ProcessError, match="1 cohorts are unfinished although every process says that it is done"
    ):
        leader.wait(lambda: 1, nothing, print)


def test_a_failing_disk_does_not_stop_the_watch(
    tmp_path: Path, started: list[Participant], monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = lead(tmp_path, started)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "write_json", fail)
    time.sleep(0.2)
    monkeypatch.undo()
    join(tmp_path, started)
    leader.check()


def test_a_notice_says_what_happened(tmp_path: Path, started: list[Participant]) -> None:
    lead(tmp_path, started)
    member = join(tmp_path, started)
    member.leave(1, "caf\udce9")
    notice = json.loads(member._path.read_text("utf-8", "surrogateescape"))
    assert (notice["state"], notice["code"], notice["error"], notice["rank"]) == (FAILED, 1, "caf\udce9", 1)
