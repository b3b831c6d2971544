"""Weights & Biases, offline: what a run recorded is read back from its file, and no trouble with the service
reaches the job."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stylewav_pl.callbacks import writer
from stylewav_pl.loggers import WandbLog

# What an offline W&B run recorded, read from its ``.wandb`` file: a LevelDB log
# (https://github.com/google/leveldb/blob/main/doc/log_format.md) after a header of 7 bytes: blocks of 32 KiB
# with records of checksum (4), length (2), type (1) and data, each a protocol buffer.

BLOCK, HEADER = 32_768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class Recorded:
    """One start of a W&B run."""

    id: str = ""
    project: str = ""
    resume: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, list[str]] = field(default_factory=dict)
    exit_code: int | None = None

    def series(self, name: str, axis: str = "clips_done") -> list[tuple[float, Any]]:
        return [(row[axis], row[name]) for row in self.history if name in row]


def starts(run: Path) -> list[Recorded]:
    """Every start of a run directory, in order."""
    import wandb

    wandb.teardown()  # ends the service process, which is what completes the files
    folders = sorted((run / "wandb").glob("offline-run-*"), key=lambda folder: folder.stat().st_mtime_ns)
    return [read(next(folder.glob("*.wandb"))) for folder in folders]


def read(path: Path) -> Recorded:
    from wandb.proto.wandb_internal_pb2 import Record

    found = Recorded()
    for data in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        _add(found, record)
    return found


def _add(found: Recorded, record: Any) -> None:
    match record.WhichOneof("record_type"):
        case "run":
            found.id, found.project, found.resume = record.run.run_id, record.run.project, record.run.resume
            found.config |= _items(record.run.config.update)
        case "config":
            found.config |= _items(record.config.update)
        case "metric":
            found.axes[record.metric.glob_name or record.metric.name] = record.metric.step_metric
        case "history":
            found.history.append(_items(record.history.item))
        case "summary":
            found.summary |= _items(record.summary.update)
            for item in record.summary.remove:
                found.summary.pop(item.key or "/".join(item.nested_key), None)
        case "artifact":
            found.artifacts[record.artifact.name] = [
                entry.path for entry in record.artifact.manifest.contents
            ]
        case "exit":
            found.exit_code = record.exit.exit_code


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(data: bytes) -> Iterator[bytes]:
    assert data[:4] == b":W&B", data[:HEADER]
    place, parts = HEADER, b""
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:  # too little for a header: the rest of the block is padding
            place += BLOCK - place % BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        body = data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        parts = body if kind in (FULL, FIRST) else parts + body
        if kind in (FULL, LAST):
            yield parts


# The tests

slow = pytest.mark.slow  # W&B's service process takes seconds to start


@pytest.fixture(autouse=True)
def wandb_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing from or into the person's account and caches; settings are read anew."""
    import wandb

    wandb.teardown()
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "home" / name.lower()))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    yield
    wandb.teardown()


def logger(path: Path, rank: int = 0, **settings: Any) -> WandbLog:
    class OfRank(WandbLog):
        """A logger of one of a job's processes, as Lightning would say."""

    OfRank.rank = rank  # type: ignore[method-assign, assignment]
    log = OfRank(**settings)
    log.run_path = path
    return log


@slow
def test_a_run_in_two_pieces_is_one_wandb_run(
    fit: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, write = [0], writer.ResultsWriter.on_train_batch_end

    def failing_in_the_third_cohort(*args: Any) -> None:
        calls[0] += 1
        if calls[0] > 2:
            raise OSError(28, "No space left on device")
        write(*args)

    monkeypatch.setattr(writer.ResultsWriter, "on_train_batch_end", failing_in_the_third_cohort)
    overlay = ("--config", "logging/wandb.yaml")
    assert fit(*overlay) == 1
    monkeypatch.undo()
    assert fit(*overlay) == 0
    torn, whole = starts(tmp_path / "run")
    assert torn.id == whole.id == (tmp_path / "run/wandb/run-id").read_text().strip()
    assert torn.resume and whole.resume, "both pieces ask W&B to go on with the run of this id"
    assert (torn.exit_code, whole.exit_code) == (1, 0)
    assert [step for part in (torn, whole) for step, _ in part.series("rank0/similarity/end")] == [2, 4, 6]
    assert not torn.artifacts
    check_the_whole(whole, tmp_path / "run")


def check_the_whole(found: Recorded, run: Path) -> None:
    assert found.project == "stylewav-pl"
    assert found.config["model"]["num_steps"] == 3
    axes = {"rank0/*", "faces/*", "histogram/*", "live_histogram/*", "final/*"}
    assert {name: axis for name, axis in found.axes.items() if axis} == {
        **dict.fromkeys(axes, "clips_done"),
        "curve/*": "optimisation_step",
    }
    assert [step for step, _ in found.series("curve/similarity/all", "optimisation_step")] == [0, 1, 2, 3]
    assert found.series("curve/learning_rate", "optimisation_step") == [], "the first piece has it"
    ((step, path),) = found.series("final/faces/path")
    assert step == 6
    (folder,) = [
        place.parent
        for place in run.glob("wandb/offline-run-*/*.wandb")
        if (place.parent / "files" / path).exists()
    ]
    with Image.open(folder / "files" / path) as picture, Image.open(run / "grid.png") as grid:
        assert picture.size == grid.size
    ((_, rows),) = found.series("final/scores/nrows")
    assert rows == 6
    assert sum(found.series("histogram/similarity_end/values")[0][1]) == 6
    numbers = [name for name in found.summary if name.startswith("statistics/sex/")]
    assert len(numbers) <= 6 and 0 <= found.summary["statistics/sex/faces_right"] <= 1
    assert "sex" in found.summary["statistics/sex/verdict"]
    (report,) = [files for name, files in found.artifacts.items() if name.startswith("report-")]
    assert report == ["report.html", "statistics.json"]


@slow
def test_nobody_logged_in_goes_offline_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    log = logger(tmp_path, name="named", tags=("a",))
    log.log_metrics({"rank0/similarity/end": 0.5}, step=3)
    log.log_summary({"statistics/sex/means/a boy": 0.25, "statistics/sex/verdict": "they differ"}, step=3)
    log.log_summary(
        {"statistics/sex/means/a king": 0.5, "statistics/sex/verdict": "they do not differ"}, step=3
    )
    log.close()
    assert "logging OFFLINE: nobody is logged in here (`wandb login`)" in capfd.readouterr().err
    (found,) = starts(tmp_path)
    assert found.series("rank0/similarity/end") == [(3, 0.5)]
    facts = {name: value for name, value in found.summary.items() if name.startswith("statistics/")}
    assert facts == {"statistics/sex/means/a king": 0.5, "statistics/sex/verdict": "they do not differ"}, (
        "of the first scoring nothing is left"
    )


@slow
def test_a_service_that_cannot_be_reached_goes_offline_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    log = logger(tmp_path, rank=2, mode="online", connect_seconds=3.0, upload_seconds=3.0)
    log.log_metrics({"rank2/similarity/end": 0.5}, step=3)
    log.close(failed=True)
    assert "W&B is not available, logging OFFLINE" in capfd.readouterr().err
    (found,) = starts(tmp_path)
    assert found.series("rank2/similarity/end") == [(3, 0.5)]
    assert found.id == (tmp_path / "wandb/run-id-rank-2").read_text().strip()
    assert found.exit_code == 1


def test_a_wandb_that_cannot_even_start_ends_no_job(
    fit: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def failing(*args: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(WandbLog, "_start", failing)
    assert fit("--config", "logging/wandb.yaml") == 0
    assert "WandbLog is left alone from now on" in capfd.readouterr().err
    assert (tmp_path / "run" / "report.html").exists()


def test_nothing_is_opened_before_the_first_log(tmp_path: Path) -> None:
    log = logger(tmp_path)
    getattr(
        log, "experiment", None
    )  # Lightning asks the loggers of every process for it, those that log nothing too
    log.finalize("success")
    log.close()
    assert [path for path in tmp_path.iterdir() if path.name != "home"] == []


def test_the_id_is_that_of_the_run_directory(tmp_path: Path) -> None:
    first = logger(tmp_path / "one").run_id
    assert logger(tmp_path / "one").run_id == first
    assert logger(tmp_path / "one", rank=1).run_id != first
    assert logger(tmp_path / "two").run_id != first
