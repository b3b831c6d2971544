"""``fit --engine ray``, with the program itself in the worker: a run that one process began is finished by a
worker, and the other way round, and no byte tells."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stylewav_pl.cli import main
from stylewav_pl.commands import ray_engine
from stylewav_pl.errors import ConfigError, Stopped
from stylewav_pl.processes.dispenser import END
from stylewav_pl.processes.ray_workers import Seat

ray = pytest.importorskip("ray", reason="needs the extra `ray`")

CONFIG = """
model: {{generator: linear, guide: linear, audio: linear, num_steps: 3}}
data: {{cohort_size: 1, num_workers: 0, sources: [{{class_path: Folder, init_args: {{path: {folder}}}}}]}}
clip_score: {{prompts: {{sex: {{male: a boy, female: a girl}}}}}}
trainer: {{accelerator: cpu}}
"""
COHORTS = 6
TOLD_APART = ("journal/rank-", "journal/manifest.json", "log.csv", ".lock", "manifest.json", "config.yaml")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(COHORTS):
        path = tmp_path / "voices" / ("male" if number % 2 else "female") / f"v{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(9_600), 16_000)
    (tmp_path / "run.yaml").write_text(CONFIG.format(folder="voices"))
    return tmp_path


def fit(run: str, *options: str) -> int:
    return main(["fit", "--config", "run.yaml", "--run", run, "--threads", "1", *options])


def made(run: Path) -> dict[str, bytes]:
    """Everything in a run directory that must not depend on how it came about."""
    found = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.startswith((*TOLD_APART, "report.html"))}


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
        ray_engine.work_in(str(place), [], "token", Seat(0, 1), lambda ahead: END)


def test_what_fails_in_a_worker_is_told_with_its_exit_code(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*_: object) -> None:
        raise ConfigError("wrong")

    monkeypatch.setattr(ray_engine, "WorkerCLI", told)
    assert ray_engine.work_in(str(place), [], "token", Seat(0, 1), lambda ahead: END) == (2, "wrong")
