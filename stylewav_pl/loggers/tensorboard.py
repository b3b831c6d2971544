"""TensorBoard: event files in the run directory, for ``tensorboard --logdir runs``."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from jaxtyping import Float
from numpy import ndarray
from PIL import Image

from stylewav_pl.errors import ConfigError
from stylewav_pl.loggers.base import Cell, RunLogger

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

MAX_ROWS = 50


class TensorBoardLog(RunLogger):
    """Writes ``tensorboard/`` of the run.

    A resumed run adds a file there, which TensorBoard joins to the earlier ones.
    """

    def __init__(self) -> None:
        """Checks that TensorBoard is there.

        Raises:
            ConfigError: It is not installed.
        """
        super().__init__()
        if find_spec("tensorboard") is None:
            raise ConfigError(
                "TensorBoardLog needs the package tensorboard, which is not installed: pip install "
                "'stylewav-pl[tensorboard]'."
            )

    @cached_property
    def _writer(self) -> "SummaryWriter":
        from torch.utils.tensorboard import SummaryWriter  # here: it takes a second to import

        folder = self.run_path / "tensorboard"
        return SummaryWriter(str(folder / f"rank-{self.rank}" if self.rank else folder))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds scalars."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step or 0)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Adds the configuration as a text."""
        settings = vars(params) if isinstance(params, Namespace) else params
        self._writer.add_text(
            "config",
            "\n".join(f"    {line}" for line in yaml.safe_dump(settings, sort_keys=False).splitlines()),
        )

    def log_curve(self, name: str, values: Sequence[float]) -> None:
        """Adds scalars over the optimisation steps."""
        for step, value in enumerate(values):
            self._writer.add_scalar(name, value, step)

    def log_picture(self, name: str, picture: Image.Image, step: int) -> None:
        """Adds an image."""
        self._writer.add_image(name, np.asarray(picture.convert("RGB")), step, dataformats="HWC")

    def log_histogram(self, name: str, values: Float[ndarray, " value"], step: int) -> None:
        """Adds a histogram."""
        self._writer.add_histogram(name, values, step)

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], step: int) -> None:
        """Adds the first rows as a text in Markdown, without pictures."""
        shown = [
            column
            for column, title in enumerate(columns)
            if not any(isinstance(row[column], Image.Image) for row in rows)
        ]
        lines = [
            [columns[column] for column in shown],
            ["---"] * len(shown),
            *([_cell(row[column]) for column in shown] for row in rows[:MAX_ROWS]),
        ]
        self._writer.add_text(name, "\n".join(f"| {' | '.join(line)} |" for line in lines), step)

    def log_summary(self, facts: Mapping[str, str | int | float], step: int) -> None:
        """Adds numbers as scalars, the rest as texts."""
        super().log_summary(facts, step)
        for name, value in facts.items():
            if isinstance(value, str):
                self._writer.add_text(name, value, step)

    def log_files(self, name: str, paths: Sequence[Path]) -> None:
        """Adds where the files are: they lie beside the event files."""
        self._writer.add_text(name, "\n".join(f"- {path}" for path in paths))

    def finalize(self, status: str) -> None:
        """Writes what is waiting."""
        if "_writer" in self.__dict__:
            self._writer.flush()

    def close(self, failed: bool = False) -> None:
        """Closes the file."""
        if "_writer" in self.__dict__:
            self._writer.close()
            del self.__dict__["_writer"]


def _cell(cell: Cell) -> str:
    text = f"{cell:.4f}" if isinstance(cell, float) else "" if cell is None else str(cell)
    return text.replace("|", "\\|").replace("\n", " ")
