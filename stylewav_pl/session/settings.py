"""The settings of a run itself, beside those of its parts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stylewav_pl.processes.launch import started_again


@dataclass(frozen=True)
class RunSettings:
    """What the options of a start say about the run.

    Attributes:
        path: The run directory.
        restart: Whether ``--restart`` was given.
        strict: Whether a skipped clip is an error.
        max_skipped_fraction: Which share of skipped clips is an error.
        threads: CPU threads of each process; None: those of the first start.
        patience: Seconds that another process may be silent.
        results: Address of an object store that gets a copy of the run; None: nowhere.
    """

    path: Path
    restart: bool
    strict: bool
    max_skipped_fraction: float
    threads: int | None
    patience: float
    results: str | None = None

    @classmethod
    def read(cls, config: Any, default_path: str) -> "RunSettings":
        """Reads the settings from a parsed configuration.

        Args:
            config: Has each of them under its own name, the directory as ``run``.
            default_path: The run directory where none is configured.
        """
        return cls(
            Path(config["run"] or default_path),
            bool(config["restart"]),
            config["strict"],
            config["max_skipped_fraction"],
            config["threads"],
            config["patience"],
            config["results"],
        )

    @property
    def begins_anew(self) -> bool:
        """Whether an earlier run is moved aside.

        Not where a scheduler has put the same command back into its queue, or the run would never end.
        """
        return self.restart and not started_again()
