"""Several real processes on one machine: the same bytes as one, idle ranks, and a crash that is not
swallowed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from lightning.pytorch import Trainer
from safetensors import safe_open
from safetensors.torch import save
from torch.utils.data import DataLoader

from stylewav_pl.callbacks.writer import in_one_order
from stylewav_pl.cli import main
from stylewav_pl.commands.trainer_settings import FORCED
from stylewav_pl.module import StyleWav
from stylewav_pl.processes.strategy import LAUNCHED_WITH, IndependentStrategy
from stylewav_pl.processes.threads import default_threads, use_threads
from stylewav_pl.types import ClipBatch

pytestmark = pytest.mark.slow  # each start of the program costs seconds

CONFIG = """
seed_everything: 0
model: {{generator: linear, guide: linear, audio: linear, num_steps: 4}}
data:
  cohort_size: 4
  num_workers: 0
  sources: [{{class_path: Folder, init_args: {{path: {folder}}}}}]
clip_score:
  prompts: {{sex: {{male: a boy, female: a girl}}}}
"""

# Found by every Python on PYTHONPATH at its start: makes the audio encoder of process 1 fail, without a hook
# in the package.
CRASH = """
import os
if os.environ.get("LOCAL_RANK") == "1":
    from stylewav_pl.embedders.linear import LinearAudioEmbedder
    def embed_audio(self, waveforms):
        raise RuntimeError("crash in rank 1")
    LinearAudioEmbedder.embed_audio = embed_audio
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five voices of a sort, two of them labelled female, and a configuration."""
    folder = tmp_path_factory.mktemp("strategies")
    random = np.random.default_rng(0)
    for number in range(5):
        path = folder / "wavs" / ("female" if number % 2 else "male") / f"v{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        seconds = np.arange(16_000) / 16_000
        soundfile.write(
            path,
            0.3 * np.sin(2 * np.pi * (120 + 70 * number) * seconds) + 0.05 * random.standard_normal(16_000),
            16_000,
        )
    (folder / "run.yaml").write_text(CONFIG.format(folder=folder / "wavs"))
    return folder


SLOW = """
import time
from stylewav_pl.embedders.linear import LinearAudioEmbedder
embed_audio = LinearAudioEmbedder.embed_audio
def slowly(self, waveforms):
    time.sleep(2)
    return embed_audio(self, waveforms)
LinearAudioEmbedder.embed_audio = slowly
"""


def fit(place: Path, name: str, devices: int, *more: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Runs the program as a user does; Lightning's launcher starts the other processes."""
    with start(place, name, devices, *more, path=path) as process:
        out, error = process.communicate(timeout=500)
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def start(place: Path, name: str, devices: int, *more: str, path: str = "") -> "subprocess.Popen[str]":
    options = [
        "--config",
        "run.yaml",
        "--run",
        name,
        "--trainer.devices",
        str(devices),
        "--trainer.accelerator",
        "cpu",
        *more,
    ]
    folders = [path, str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
    for name in LAUNCHED_WITH:
        environment.pop(name, None)
    environment["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, "-m", "stylewav_pl", "fit", *options]
    return subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def fit_here(place: Path, name: str, *more: str) -> int:
    """Runs the same in this process, which has imported the libraries already."""
    options = ["--config", str(place / "run.yaml"), "--run", str(place / name), *more]
    return main(["fit", *options, "--trainer.devices", "1", "--trainer.accelerator", "cpu"])


@pytest.fixture(scope="module")
def alone(place: Path) -> Path:
    """The run of one process."""
    assert fit_here(place, "alone") == 0
    return place / "alone"


def compared(run: Path) -> dict[str, bytes]:
    """What must be the same whoever computed it."""
    paths = [
        run / "results.csv",
        run / "curves.csv",
        run / "skipped.csv",
        run / "statistics.json",
        *run.glob("images/*"),
        *run.glob("latents/*"),
    ]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def assert_same_bytes(run: Path, other: Path) -> None:
    found, expected = compared(run), compared(other)
    assert len(expected) == 4 + 5 + 5
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def test_more_processes_than_cohorts_give_the_same_bytes_as_one(place: Path) -> None:
    """One cohort for two processes: the last has none."""
    whole = ("--data.cohort_size", "8")
    assert fit_here(place, "one", *whole) == 0
    ended = fit(place, "two", 2, *whole)
    assert ended.returncode == 0, ended.stderr
    journals = sorted(path.name for path in (place / "two" / "journal").glob("rank-*"))
    assert journals == ["rank-00000.index", "rank-00000.jsonl"]
    assert_same_bytes(place / "two", place / "one")
    with (place / "two" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["female/v1", "female/v3", "male/v0", "male/v2", "male/v4"]
    assert {row["status"] for row in rows} == {"done"}
    assert all(float(row["similarity_end"]) > float(row["similarity_start"]) for row in rows)


def test_a_crash_in_one_process_fails_the_job_and_the_same_command_goes_on(
    place: Path,
    alone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "sitecustomize.py").write_text(CRASH)
    crashed = fit(place, "crashed", devices=2, path=str(tmp_path))
    assert crashed.returncode == 1
    assert "RuntimeError: crash in rank 1" in crashed.stderr
    assert "Process 1 of 2" in crashed.stderr.splitlines()[-2], "the first process says who failed"
    assert not (place / "crashed" / "results.csv").exists(), "an unfinished run has no table"
    kept = json.loads((place / "crashed" / "manifest.json").read_text())["threads"]
    # another number of threads: that of the first start counts
    monkeypatch.setenv("OMP_NUM_THREADS", str(kept + 1))
    capsys.readouterr()
    assert fit_here(place, "crashed") == 0
    assert "4 faces are there already" in capsys.readouterr().out
    assert json.loads((place / "crashed" / "manifest.json").read_text())["threads"] == kept
    assert_same_bytes(place / "crashed", alone)


@pytest.mark.chaos
def test_a_signal_to_the_first_process_stops_all_and_leaves_none(place: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    with start(place, "stopped", devices=2, path=str(tmp_path)) as process:
        deadline = time.monotonic() + 500
        while (
            len(list((place / "stopped" / ".job").glob("rank-*.json"))) < 1
            and time.monotonic() < deadline
            and process.poll() is None
        ):
            time.sleep(0.05)
        children = children_of(process.pid)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=500)
    assert process.returncode == 75, said
    assert "stopped by a signal" in said[1], "and was not ended by force, which says nothing"
    assert len(children) == 1 and not Path(f"/proc/{children[0]}").exists()
    assert not (place / "stopped" / "results.csv").exists()


# The first process that is started as process 1 stops there, before a line of the program, until there is a
# gate.
HELD = """
import os, pathlib, time
held = pathlib.Path("held")
if os.environ.get("LOCAL_RANK") == "1" and not held.exists():
    held.write_text(str(os.getpid()))
    while not pathlib.Path("gate").exists():
        time.sleep(0.02)
"""


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_child_whose_leader_was_killed_while_it_started_takes_no_place_in_the_next_start(
    place: Path, alone: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HELD)
    with start(place, "orphaned", devices=2, path=str(tmp_path)) as leader:
        while not (place / "held").exists() or not (place / "held").read_text():
            assert leader.poll() is None
            time.sleep(0.02)
        leader.kill()
        leader.wait()
    orphan = int((place / "held").read_text())
    assert is_alive(orphan), "it has not come to its first line"
    (place / "gate").touch()
    while is_alive(orphan):  # it does not wait for the next start, of which it would take itself for a part
        time.sleep(0.02)
    assert fit_here(place, "orphaned") == 0
    assert_same_bytes(place / "orphaned", alone)


def is_alive(process: int) -> bool:
    """Whether a process runs; one that has ended may keep its number until somebody asks for
    its exit code."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def children_of(parent: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_threads_do_not_depend_on_processes_and_what_torchrun_says_about_them_is_no_statement() -> None:
    cores = len(os.sched_getaffinity(0))
    assert default_threads({}) == cores
    assert default_threads({"OMP_NUM_THREADS": "3"}) == 3
    assert default_threads({"OMP_NUM_THREADS": "1", "TORCHELASTIC_RUN_ID": "x"}) == cores
    assert default_threads({"SLURM_CPUS_PER_TASK": "5"}) == 5


def test_threads_are_set_here_and_for_the_processes_that_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another number of threads adds up in another order: the same bytes need the same number."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    try:
        use_threads(3)
        assert torch.get_num_threads() == 3
        assert os.environ["OMP_NUM_THREADS"] == "3"
    finally:
        torch.set_num_threads(before)


def test_a_job_leaves_no_trace_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run in this process must not take itself for a part of the first one's job, and
    wait for ever."""
    for name in LAUNCHED_WITH:
        monkeypatch.delenv(name, raising=False)
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, **FORCED)
    seen: list[str | None] = []
    model = StyleWav.from_sources("linear", "linear", "linear", cohort_size=1, num_steps=1)
    monkeypatch.setattr(model, "on_train_start", lambda: seen.append(os.environ.get("LOCAL_RANK")))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        trainer.fit(model, DataLoader([ClipBatch(0, (None,), ())], batch_size=None))
    assert seen == ["0"], "the launcher worked"
    assert [name for name in LAUNCHED_WITH if name in os.environ] == []
    assert isinstance(trainer.strategy, IndependentStrategy) and trainer.global_rank == 0


def test_latent_files_have_one_byte_order(tmp_path: Path) -> None:
    latent, metadata = (
        torch.arange(5.0),
        {"id": "a", "space": "w", "generator_sha256": "0" * 64, "x": "ü", "y": "1"},
    )
    files = {in_one_order(save({"latent": latent}, metadata=metadata)) for _ in range(50)}
    assert len(files) == 1
    (tmp_path / "a.safetensors").write_bytes(files.pop())
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert file.metadata() == metadata
        assert torch.equal(file.get_tensor("latent"), latent)
