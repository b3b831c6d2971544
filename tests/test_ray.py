"""``fit --engine ray``, with the program itself in the worker: a run that one process began is finished by a
worker, and the other way round, and no byte tells."""

import builtins
import csv
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from six_voices import VOICES, fit, made, write_experiment

from stylewav_pl.commands import ray_engine
from stylewav_pl.errors import ConfigError, Stopped
from stylewav_pl.processes.ray_actor import Seat, Way
from stylewav_pl.processes.ray_cluster import Cluster

ray = pytest.importorskip("ray", reason="needs the extra `ray`")

COHORTS = VOICES


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_experiment(tmp_path, cohort_size=1)
    return tmp_path


def interrupt(run: Path, cohorts: int) -> None:
    """Leaves what a crash after so many cohorts would have left."""
    shutil.copytree("whole", run)
    index = run / "journal" / "rank-00000.index"
    index.write_bytes(b"".join(index.read_bytes().splitlines(keepends=True)[:cohorts]))
    for name in ("results.csv", "curves.csv", "statistics.json", "report.html", "grid.png"):
        (run / name).unlink()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ray_finishes_what_one_process_began_and_back(place: Path, ray_cluster: None) -> None:
    assert fit("whole") == 0
    interrupt(place / "run", 2)
    assert fit("run", "--engine", "ray", "--workers", "1") == 0
    assert made(place / "run") == made(place / "whole")
    journal = place / "run" / "journal" / "rank-00000.index"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert [int(line.split()[0]) for line in lines] == list(range(COHORTS)), "none twice"
    assert not (place / "run" / ".job").exists() and ray.is_initialized()
    with (place / "run" / "log.csv").open(newline="") as file:
        log = [row for row in csv.DictReader(file) if row["metric"].endswith("/similarity/end")]
    assert [(row["metric"].partition("/")[0], row["step"]) for row in log] == [
        *(("rank0", str(step)) for step in range(1, VOICES + 1)),  # of the run that was copied
        *(("workers", str(step)) for step in range(3, VOICES + 1)),
    ]
    journal.write_bytes(b"".join(lines[1:4]))
    assert fit("run") == 0
    assert made(place / "run") == made(place / "whole")


def test_without_ray_it_is_said_what_to_install(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stylewav_pl.processes.ray_cluster.find_spec", lambda name: None)
    assert fit("run", "--engine", "ray") == 2
    assert "pip install 'stylewav-pl[ray]'" in capsys.readouterr().err
    assert not (place / "run").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--workers", "8:2"], "--workers MAX or MIN:MAX"),
        (["--dashboard.every_rank", "true"], "shows those of all workers"),
        (["--trainer.devices", "2"], "trainer.devices cannot be 2 with --engine ray"),
        (["--data.cohort_size", "auto", "--trainer.accelerator", "auto"], "Give a number"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    place: Path,
    options: list[str],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert fit("run", "--engine", "ray", *options) == 2
    assert why in capsys.readouterr().err
    assert not (place / "run").exists()


def test_workers_without_ray_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit("run", "--workers", "2") == 2
    assert "Add --engine ray" in capsys.readouterr().err
    assert not (place / "run").exists()


@pytest.mark.parametrize("signalled", [SystemExit(15), Stopped()])
def test_a_worker_that_is_told_to_stop_is_lost_and_has_not_failed(
    place: Path, monkeypatch: pytest.MonkeyPatch, signalled: BaseException
) -> None:
    def told(*_: object) -> None:
        raise signalled

    monkeypatch.setattr(ray_engine, "WorkerCLI", told)
    with pytest.raises(SystemExit):
        ray_engine.work_in(str(place), [], "token", Seat(0, 1), Way(0, None))


def test_what_fails_in_a_worker_is_told_with_its_exit_code(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*_: object) -> None:
        raise ConfigError("wrong")

    monkeypatch.setattr(ray_engine, "WorkerCLI", told)
    assert ray_engine.work_in(str(place), [], "token", Seat(0, 1), Way(0, None)) == (2, "wrong")


def test_print_stays_what_python_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray would replace it with one that knows about its progress bars."""
    from ray.experimental import tqdm_ray

    monkeypatch.delenv("RAY_TQDM_PATCH_PRINT", raising=False)
    monkeypatch.setattr(tqdm_ray, "_manager", None)
    monkeypatch.setattr(builtins, "print", own := print)  # undone afterwards, whatever comes
    for name, value in (
        ("init", None),
        ("is_initialized", False),
        ("cluster_resources", {}),
        ("shutdown", None),
    ):
        monkeypatch.setattr(ray, name, lambda *args, value=value, **kwargs: value)
    with closing(Cluster()) as cluster:
        cluster.connect()
        tqdm_ray.instance()
    assert builtins.print is own
