"""The default log: one file that a resumed run continues."""

import csv
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from stylewav_pl.callbacks import ClipScore, LiveLog
from stylewav_pl.callbacks.live_log import AppendingCsvLogger
from stylewav_pl.types import Clip, CohortResult


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_second_start_continues_rows_and_steps(tmp_path: Path) -> None:
    path = tmp_path / "run" / "log.csv"
    first = AppendingCsvLogger(path)
    first.log_metrics({"similarity_end": 0.5}, step=2)
    first.log_metrics({"similarity_end": 0.25, "clips_per_second": 3.0}, step=4)
    AppendingCsvLogger(path).log_metrics({"similarity_end": 1 / 3}, step=1)
    assert rows(path) == [
        ["step", "metric", "value"],
        ["2", "similarity_end", "0.500000"],
        ["4", "similarity_end", "0.250000"],
        ["4", "clips_per_second", "3.000000"],
        ["5", "similarity_end", "0.333333"],
    ]


def test_a_torn_last_row_does_not_stop_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,metric,value\n2,similarity_end,0.5\n3,simil")
    AppendingCsvLogger(path).log_metrics({"similarity_end": 0.25}, step=1)
    assert rows(path)[-1] == ["4", "similarity_end", "0.250000"]


def test_settings_are_not_written(tmp_path: Path) -> None:
    logger = AppendingCsvLogger(tmp_path / "log.csv")
    logger.log_hyperparams({"a": 1})
    assert list(tmp_path.iterdir()) == []


def cohort(count: int, end: float) -> CohortResult:
    curves = torch.tensor([0.0, end]).expand(count, 2)
    clips = tuple(Clip(str(index), "", labels={"sex": "male"}) for index in range(count))
    nothing = torch.zeros(count, 0, 3, 8, 8)
    return CohortResult(
        0,
        clips,
        (),
        torch.zeros(count, 3, 8, 8),
        torch.zeros(count, 4),
        curves,
        torch.zeros(count, 4),
        nothing,
        (),
        (0,) * count,
        torch.zeros(count, 4),
        torch.zeros(count, 3, 8, 8),
    )


def test_one_row_per_cohort_over_clips_done(tmp_path: Path) -> None:
    logger, log = AppendingCsvLogger(tmp_path / "log.csv"), LiveLog()
    trainer = Mock(Trainer, loggers=[logger], callbacks=[log, ClipScore()])
    log.on_train_start(trainer, Mock(LightningModule))
    for result in (cohort(3, 0.5), cohort(0, 0.0), cohort(2, 0.25)):
        log.on_train_batch_end(trainer, Mock(LightningModule), {"result": result}, None, 0)
    found = {(step, metric): float(value) for step, metric, value in rows(tmp_path / "log.csv")[1:]}
    assert {step for step, _ in found} == {"3", "5"}
    assert found["3", "similarity_end"] == pytest.approx(0.5)
    assert found["5", "similarity_end"] == pytest.approx(0.25)
    assert found["5", "similarity_start"] == 0.0
    assert found["5", "clips_per_second"] > 0
