"""Workers on a real Ray cluster of this machine: lost, failing, too few. What they make is an empty file."""

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from stylewav_pl.errors import ConfigError, ProcessError, Stopped
from stylewav_pl.processes import ray_workers
from stylewav_pl.processes.dispenser import END, WAIT, Take
from stylewav_pl.processes.ray_actor import Outcome, Seat
from stylewav_pl.processes.ray_workers import Counts, Needs, Workers

pytest.importorskip("ray", reason="needs the extra `ray`")

pytestmark = [pytest.mark.chaos, pytest.mark.usefixtures("ray_cluster")]
ONE_CORE = Needs(gpus=0, cores=1, environment={"TOLD": "by the command"})
COHORTS = range(6)


@pytest.fixture
def said() -> list[str]:
    return []


def worker(
    folder: Path, dies: tuple[int, ...] = (), fails: tuple[int, ...] = (), dies_after: tuple[int, ...] = ()
) -> Callable[..., Outcome]:
    """What a worker does; by value, since no other process can import this file. It dies with cohorts in
    ``dies``, the first time or, where ``for-ever`` exists, always; and after those in ``dies_after``."""

    def work(seat: Seat, take: Take) -> Outcome:
        while (cohort := take(False)) != END:
            if cohort == WAIT:
                time.sleep(0.01)
                continue
            with (folder / "begun").open("a") as file:
                file.write(f"{cohort} {seat.number} {os.environ['TOLD']}\n")
            if cohort in fails:
                return 4, f"cohort {cohort} is wrong"
            begun = [line.split()[0] for line in (folder / "begun").read_text().splitlines()]
            if cohort in dies and (begun.count(str(cohort)) == 1 or (folder / "for-ever").exists()):
                os.kill(os.getpid(), signal.SIGKILL)
            if take.wins(cohort):
                (folder / f"done-{cohort}").touch()
            if cohort in dies_after:
                os.kill(os.getpid(), signal.SIGKILL)
        return 0, ""

    return work


def done(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("done-")) for path in folder.glob("done-*"))


def make_all(folder: Path, work: Callable[..., Outcome], say: Callable[[str], None], counts: Counts) -> None:
    workers = Workers(work, counts, ONE_CORE, COHORTS, say, patience=500.0)
    try:
        while done(folder) != list(COHORTS):
            workers.look_after(lambda: done(folder), seconds=0.05)
        workers.finish(500.0, lambda: None)
    finally:
        workers.dismiss(0.0)


def test_what_a_lost_worker_had_is_made_by_another(tmp_path: Path, said: list[str]) -> None:
    make_all(tmp_path, worker(tmp_path, dies=(0, 3)), said.append, Counts(1, 2))
    begun = [line.split(maxsplit=2) for line in (tmp_path / "begun").read_text().splitlines()]
    assert sorted(int(line[0]) for line in begun) == [0, 0, 1, 2, 3, 3, 4, 5]
    assert {line[1] for line in begun} <= {"0", "1"} and {line[2] for line in begun} == {"by the command"}
    assert len(said) == 2 and all("handed out again: 1" in line for line in said)


def test_a_cohort_that_ends_every_worker_is_named(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_workers, "MOST_LOSSES", 2)
    (tmp_path / "for-ever").touch()
    with pytest.raises(ProcessError, match=r"2 workers were lost with cohort 2.*same command continues"):
        make_all(tmp_path, worker(tmp_path, dies=(2,)), said.append, Counts(1, 1))


def test_a_place_whose_workers_were_lost_after_their_work_is_not_given_up(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on spot machines, in a long run."""
    monkeypatch.setattr(ray_workers, "MOST_LOSSES", 2)
    make_all(tmp_path, worker(tmp_path, dies_after=(0, 1, 2)), said.append, Counts(1, 1))
    assert len(said) == 3 and all("handed out again: 0" in line for line in said)


def test_a_worker_that_fails_ends_the_run_with_its_words_and_its_code(
    tmp_path: Path, said: list[str]
) -> None:
    with pytest.raises(ProcessError, match="cohort 1 is wrong") as caught:
        make_all(tmp_path, worker(tmp_path, fails=(1,)), said.append, Counts(1, 1))
    assert caught.value.exit_code == 4 and not said


def test_a_program_that_cannot_run_there_is_told(tmp_path: Path, said: list[str]) -> None:
    def broken(seat: Seat, take: Take) -> Outcome:
        raise ImportError("No module named 'stylewav_pl'")

    with pytest.raises(ProcessError, match=r"A worker cannot work.*No module named 'stylewav_pl'"):
        make_all(tmp_path, broken, said.append, Counts(1, 1))


def test_a_slow_worker_holds_nothing_up(tmp_path: Path, said: list[str]) -> None:
    """What it has not finished is made by another, and it is not waited for."""

    def work(seat: Seat, take: Take) -> Outcome:
        while (cohort := take(False)) != END:
            if cohort == WAIT:
                time.sleep(0.01)
                continue
            with (tmp_path / "begun").open("a") as file:
                file.write(f"{cohort}\n")
            first = (tmp_path / "begun").read_text().splitlines().count(str(cohort)) == 1
            while cohort == 0 and first:
                time.sleep(0.1)
            if take.wins(cohort):
                (tmp_path / f"done-{cohort}").touch()
        return 0, ""

    make_all(tmp_path, work, said.append, Counts(2, 2))
    begun = (tmp_path / "begun").read_text().splitlines()
    assert sorted(set(begun)) == [str(cohort) for cohort in COHORTS]
    assert begun.count("0") == 2 and not said


def test_a_signal_ends_the_wait_for_the_last_workers(tmp_path: Path, said: list[str]) -> None:
    def lingering(seat: Seat, take: Take) -> Outcome:
        while (cohort := take(False)) != END:
            take.wins(cohort)
            (tmp_path / "here").touch()
        while not (tmp_path / "never").exists():
            time.sleep(0.1)
        return 0, ""

    def signalled() -> None:
        raise Stopped

    workers = Workers(lingering, Counts(1, 1), ONE_CORE, [0], said.append, patience=500.0)
    try:
        while not (tmp_path / "here").exists():
            workers.look_after(tuple, seconds=0.05)
        with pytest.raises(Stopped):
            workers.finish(500.0, signalled)
    finally:
        workers.dismiss(0.0)


def test_workers_for_which_there_is_no_place_are_waited_for_no_longer_than_asked(said: list[str]) -> None:
    large = Needs(gpus=0, cores=64, environment={})
    workers = Workers(partial(int), Counts(1, 2), large, COHORTS, said.append, patience=0.0)
    with pytest.raises(ProcessError, match=r"Only 0 of at least 1 workers.*ray status"):
        workers.look_after(tuple, seconds=0.0)
    workers.dismiss(0.0)


@pytest.mark.parametrize("text", ["0", "8:2", "-1", "many", "1:2:3", ""])
def test_a_wrong_number_of_workers_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Expected --workers MAX or MIN:MAX"):
        Counts.read(text)
