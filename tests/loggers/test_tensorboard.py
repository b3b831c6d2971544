"""TensorBoard: what was logged can be read back by TensorBoard's own reader, also when the run came in two
pieces."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stylewav_pl.callbacks import writer
from stylewav_pl.errors import ConfigError
from stylewav_pl.loggers import TensorBoardLog, tensorboard


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(
        str(folder), size_guidance={"scalars": 0, "images": 0, "histograms": 0, "tensors": 0}
    )
    events.Reload()
    return events


def text(events: Any, name: str) -> str:
    return str(events.Tensors(f"{name}/text_summary")[-1].tensor_proto.string_val[0].decode())


def scalars(events: Any, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_everything_comes_back(tmp_path: Path) -> None:
    logger = TensorBoardLog()
    logger.run_path = tmp_path
    logger.log_hyperparams({"model": {"num_steps": 10}})
    logger.log_metrics({"rank0/score/sex/male/a photo of a boy.": 0.25}, step=4)
    logger.log_curve("curve/learning_rate", [0.0, 0.1])
    logger.log_picture("faces/male", Image.new("RGB", (4, 2), (255, 0, 10)), 4)
    logger.log_histogram("histogram/similarity_end", np.linspace(0, 1, 50), 4)
    logger.log_table(
        "final/scores",
        ["face", "id", "score"],
        [[Image.new("RGB", (4, 4)), "a|b", 0.5], [None, "c", None]],
        4,
    )
    logger.log_summary({"statistics/sex/verdict": "they differ", "statistics/sex/p": 0.5}, 4)
    logger.log_files("report", [tmp_path / "report.html"])
    logger.close()
    events = read(tmp_path / "tensorboard")
    assert scalars(events, "rank0/score/sex/male/a photo of a boy.") == [(4, 0.25)]
    assert scalars(events, "curve/learning_rate") == [(0, 0.0), (1, pytest.approx(0.1))]
    assert scalars(events, "statistics/sex/p") == [(4, 0.5)]
    (image,) = events.Images("faces/male")
    assert (image.step, image.width, image.height) == (4, 4, 2)
    assert events.Histograms("histogram/similarity_end")[0].histogram_value.num == 50
    assert text(events, "final/scores") == "| id | score |\n| --- | --- |\n| a\\|b | 0.5000 |\n| c |  |"
    assert text(events, "statistics/sex/verdict") == "they differ"
    assert "num_steps: 10" in text(events, "config")
    assert str(tmp_path / "report.html") in text(events, "report")


def test_nothing_is_opened_before_the_first_log(tmp_path: Path) -> None:
    logger = TensorBoardLog()
    logger.run_path = tmp_path
    logger.finalize("success")
    logger.close()
    assert list(tmp_path.iterdir()) == []


def test_without_tensorboard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'stylewav-pl\[tensorboard\]'"):
        TensorBoardLog()


def test_a_run_in_two_pieces_is_one_in_tensorboard_with_the_names_of_the_csv(
    fit: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, write = [0], writer.ResultsWriter.on_train_batch_end

    def failing_in_the_third_cohort(*args: Any) -> None:
        calls[0] += 1
        if calls[0] > 2:
            raise OSError(28, "No space left on device")
        write(*args)

    monkeypatch.setattr(writer.ResultsWriter, "on_train_batch_end", failing_in_the_third_cohort)
    overlay = ("--config", "logging/tensorboard.yaml")
    assert fit(*overlay) == 1
    monkeypatch.undo()
    assert fit(*overlay) == 0
    events = read(tmp_path / "run" / "tensorboard")
    assert [step for step, _ in scalars(events, "rank0/similarity/end")] == [2, 4, 6]
    assert [event.step for event in events.Images("faces/male")] == [4, 6]
    assert len(scalars(events, "curve/similarity/all")) == 4
    assert scalars(events, "clips/done") == [(6, 6.0)]
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = {name for name in events.Tags()["scalars"] if not name.startswith("curve/")}
    assert names < {row["metric"] for row in rows}, "the file has them all, and more"
    assert len(names) <= 12, sorted(names)
    assert [int(row["step"]) for row in rows if row["metric"] == "rank0/similarity/end"] == [2, 4, 6]
    assert {"histogram/similarity_end", "live_histogram/similarity_end"} <= set(events.Tags()["histograms"])
    assert "differ" in text(events, "statistics/sex/verdict") or "shows" in text(
        events, "statistics/sex/verdict"
    )
    assert "final/faces" in events.Tags()["images"]
