"""The default log: one file that a resumed run continues."""

import csv
from pathlib import Path

import pytest
from lightning.fabric.utilities.rank_zero import rank_zero_only

from stylewav_pl.loggers import CsvLog


def log(path: Path) -> CsvLog:
    return CsvLog(path)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_second_start_continues_the_file(tmp_path: Path) -> None:
    run = tmp_path
    first = log(run)
    first.log_metrics({"similarity_end": 0.5}, step=2)
    first.log_metrics({"similarity_end": 0.25, "clips_per_second": 3.0}, step=4)
    log(run).log_metrics({"similarity_end": 1 / 3, "p": 1.25e-30}, step=5)
    assert rows(run / "log.csv") == [
        ["step", "metric", "value"],
        ["2", "similarity_end", "0.5"],
        ["4", "similarity_end", "0.25"],
        ["4", "clips_per_second", "3"],
        ["5", "similarity_end", "0.333333"],
        ["5", "p", "1.25e-30"],
    ]


def test_a_torn_last_row_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,metric,value\n2,similarity_end,0.5\n3,simil")
    log(tmp_path).log_metrics({"similarity_end": 0.25}, step=4)
    assert rows(tmp_path / "log.csv")[-2:] == [["3", "simil"], ["4", "similarity_end", "0.25"]]


def test_each_process_that_logs_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rank in (0, 3):
        monkeypatch.setattr(rank_zero_only, "rank", rank)
        log(tmp_path).log_metrics({"a": float(rank)}, step=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log-rank-00003.csv", "log.csv"]
    assert rows(tmp_path / "log-rank-00003.csv")[1] == ["1", "a", "3"]


def test_settings_are_not_written_and_facts_are_without_their_texts(tmp_path: Path) -> None:
    logger = log(tmp_path)
    logger.log_hyperparams({"a": 1})
    assert list(tmp_path.iterdir()) == []
    logger.log_summary({"verdict": "they differ", "p": 0.5}, step=80)
    assert rows(tmp_path / "log.csv")[1:] == [["80", "p", "0.5"]]
