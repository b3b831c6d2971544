"""The contract of every logger: it belongs to a run directory, and keeps numbers at least."""

from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from jaxtyping import Float
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import Logger
from numpy import ndarray
from PIL import Image

Cell: TypeAlias = str | float | Image.Image | None


class RunLogger(Logger, ABC):
    """Keeps what a run shows; whatever a member has no form for, it leaves out.

    The step of all methods is the number of clips done. Nothing is opened before the first call, so that a
    logger costs nothing in a process that does not use it.

    Attributes:
        only_numbers: Pictures, histograms, tables and files need not be made for it.
    """

    only_numbers: ClassVar[bool] = False

    def __init__(self, run_path: Path = Path()) -> None:
        """Names the run directory.

        Args:
            run_path: Where files lie. The command line sets it for the loggers of a configuration, which are
                built before they could know it.
        """
        super().__init__()
        self.run_path = run_path

    @property
    def rank(self) -> int:
        """Which process of the job writes; Lightning's strategies know."""
        # lightning keeps the rank on the function
        rank: int = rank_zero_only.rank  # type: ignore[attr-defined]
        return rank

    @property
    def name(self) -> str:
        """Fixed: the run directory is the name."""
        return "log"

    @property
    def version(self) -> str:
        """Fixed: the run directory is the version."""
        return ""

    @abstractmethod
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds one number to each of these series."""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Keeps the configuration."""

    def log_curve(self, name: str, values: Sequence[float]) -> None:
        """Keeps a curve over the optimisation steps 0, 1, 2, ..."""

    def log_picture(self, name: str, picture: Image.Image, step: int) -> None:
        """Keeps a picture."""

    def log_histogram(self, name: str, values: Float[ndarray, " value"], step: int) -> None:
        """Keeps the distribution of at least one value."""

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], step: int) -> None:
        """Keeps a table."""

    def log_summary(self, facts: Mapping[str, str | int | float], step: int) -> None:
        """Keeps what is known about the whole run.

        Later facts replace earlier ones. Only numbers, where there is no form for text.
        """
        self.log_metrics(
            {name: float(value) for name, value in facts.items() if not isinstance(value, str)}, step
        )

    def log_files(self, name: str, paths: Sequence[Path]) -> None:
        """Keeps copies of files of the run."""

    def finalize(self, status: str) -> None:
        """Does nothing.

        What is known about the whole run comes after the trainer has ended, then :meth:`close`.
        """

    def close(self, failed: bool = False) -> None:
        """Ends; what was logged is safe afterwards."""
