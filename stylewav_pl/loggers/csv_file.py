"""The log that every run has: numbers in one file."""

import csv
from collections.abc import Mapping
from pathlib import Path

from stylewav_pl.loggers.base import RunLogger
from stylewav_pl.runs.cells import guard


class CsvLog(RunLogger):
    """Long-form ``step,metric,value`` rows in ``log.csv``.

    A resumed run continues the file (Lightning's CSVLogger deletes old rows).
    """

    only_numbers = True

    @property
    def path(self) -> Path:
        """The file; processes other than the first have their own."""
        return self.run_path / (f"log-rank-{self.rank:05d}.csv" if self.rank else "log.csv")

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Appends one row per metric."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            if file.tell() == 0:
                rows.writerow(["step", "metric", "value"])
            elif not _ends_with_a_line(
                self.path
            ):  # a killed process was writing: the next row stands on a line of its own
                file.write("\n")
            rows.writerows([step or 0, guard(name), f"{value:.6g}"] for name, value in metrics.items())


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read() == b"\n"
