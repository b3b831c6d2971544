"""Numbers for dashboards while a run works, and the default logger that keeps them."""

import csv
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from stylewav_pl.callbacks.clip_score import ClipScore
from stylewav_pl.types import CohortResult


class LiveLog(Callback):
    """Logs one row per cohort of rank 0; the x-axis is the number of clips this process has done."""

    def __init__(self) -> None:
        """Starts counting at the first cohort."""
        self.clips_done = 0
        self._began = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self._began = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Logs similarity, throughput and running scores."""
        result: CohortResult = outputs["result"]
        if not result.clips:
            return
        self.clips_done += len(result.clips)
        metrics = {
            "similarity_start": float(result.curves[:, 0].mean()),
            "similarity_end": float(result.curves[:, -1].mean()),
            "clips_per_second": self.clips_done / max(time.monotonic() - self._began, 1e-9),
        }
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, ClipScore):
                metrics |= callback.running_means()
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=self.clips_done)


class AppendingCsvLogger(Logger):
    """Long-form ``step,metric,value`` rows in one file that a resumed run continues (Lightning's CSVLogger deletes old rows)."""

    def __init__(self, path: Path) -> None:
        """Names the file; it is created with the first row."""
        super().__init__()
        self.path = path
        self._offset: int | None = None

    @property
    def name(self) -> str:
        """Fixed: the run directory is the name."""
        return "log"

    @property
    def version(self) -> str:
        """Fixed: the run directory is the version."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Does nothing: ``config.yaml`` has them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Appends one row per metric; steps continue where an earlier start ended."""
        if self._offset is None:
            self._offset = _last_step(self.path)
            _close_torn_row(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            if fresh:
                rows.writerow(["step", "metric", "value"])
            rows.writerows([self._offset + (step or 0), name, f"{value:.6f}"] for name, value in metrics.items())


def _last_step(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open(newline="", encoding="utf-8") as file:
        return max((int(row["step"]) for row in csv.DictReader(file) if (row["step"] or "").isdigit()), default=0)


def _close_torn_row(path: Path) -> None:
    """Ends the row that a killed process was writing, so that the next one stands on a line of its own."""
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
