"""Weights & Biases: one W&B run for one run directory, whatever interrupts it.

It is never a reason for a job to fail.
"""

import os
import secrets
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from PIL import Image

from stylewav_pl.errors import one_line
from stylewav_pl.files import write_text
from stylewav_pl.loggers.base import Cell, RunLogger
from stylewav_pl.ranges import check_number

CLIPS, STEP = "clips_done", "optimisation_step"  # the two x-axes
BINS = 64


class WandbLog(RunLogger):
    """Logs to W&B; where the service cannot be had, to a folder that ``wandb sync`` sends later.

    The id of the W&B run is kept in ``wandb/run-id`` of the run directory, so that the same command continues
    the same W&B run. Later processes, where they log at all, have W&B runs of their own in one group.
    """

    def __init__(
        self,
        project: str = "stylewav-pl",
        entity: str | None = None,
        name: str | None = None,
        tags: Sequence[str] = (),
        mode: Literal["online", "offline", "disabled"] | None = None,
        connect_seconds: float = 60.0,
        upload_seconds: float = 600.0,
    ) -> None:
        """Names the W&B run; nothing is imported or connected before the first log.

        Args:
            project: W&B project.
            entity: User or team; None: the default of the account.
            name: Name of the W&B run; None: that of the run directory.
            tags: Tags of the W&B run.
            mode: None: what the environment variable WANDB_MODE says, else ``online``.
            connect_seconds: How long to wait for the service at the start before going offline.
            upload_seconds: How long to wait at the end for data to be sent; what is left stays on disk for
                ``wandb sync``.

        Raises:
            ConfigError: A time is out of its range.
        """
        super().__init__()
        check_number("WandbLog.connect_seconds", connect_seconds, least=0)
        check_number("WandbLog.upload_seconds", upload_seconds, least=0)
        self.project = project
        self.entity = entity
        self.run_name = name
        self.tags = tuple(tags)
        self.mode = mode
        self.connect_seconds = connect_seconds
        self.upload_seconds = upload_seconds
        self._run: Any = None
        self._sections: set[str] = set()  # first parts of names whose x-axis W&B knows

    @property
    def wandb_run(self) -> Any:
        """The W&B run, started by the first call.

        Not named ``experiment``, which Lightning asks for in every process, used or not.
        """
        if self._run is None:
            self._run = self._start()
        return self._run

    @property
    def run_id(self) -> str:
        """The id of this process's W&B run, made at the first start of the run directory."""
        path = self.run_path / "wandb" / (f"run-id-rank-{self.rank}" if self.rank else "run-id")
        if not path.exists():
            write_text(path, secrets.token_hex(4) + "\n")
        return path.read_text("utf-8").strip()

    def _start(self) -> Any:
        import wandb  # here: it takes seconds to import

        mode = self.mode or os.environ.get("WANDB_MODE") or "online"
        if mode == "online" and not _logged_in(wandb):
            return self._start_offline(wandb, "nobody is logged in here (`wandb login`)")
        try:
            return self._init(wandb, mode)
        except Exception as problem:  # whatever keeps the service away must not keep the job from working
            return self._start_offline(wandb, str(problem))

    def _start_offline(self, wandb: Any, why: str) -> Any:
        folder = self.run_path / "wandb"
        print(
            f"stylewav-pl: W&B is not available, logging OFFLINE: {one_line(why)}. Send it later with "
            f"`wandb sync {folder}/offline-run-*`.",
            file=sys.stderr,
        )
        wandb.teardown()  # the attempt that failed keeps the id of the run in use until its service ends
        return self._init(wandb, "offline")

    def _init(self, wandb: Any, mode: str) -> Any:
        name = self.run_name or self.run_path.resolve().name
        run = wandb.init(
            project=self.project,
            entity=self.entity,
            name=f"{name}, rank {self.rank}" if self.rank else name,
            tags=self.tags,
            dir=str(self.run_path),
            id=self.run_id,
            group=name,
            resume="allow",
            reinit="create_new",  # a W&B run of somebody else in this process is none of our business
            mode=mode,
            settings=wandb.Settings(init_timeout=self.connect_seconds, finish_timeout=self.upload_seconds),
        )
        for axis in (CLIPS, STEP):
            run.define_metric(axis, hidden=True)
        self._sections.clear()
        return run

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds a row; its x-axis is the number of clips done."""
        self._log({name: float(value) for name, value in metrics.items()}, step or 0)

    def _log(self, values: Mapping[str, Any], step: int, axis: str = CLIPS) -> None:
        run = self.wandb_run
        for section in {name.partition("/")[0] for name in values} - self._sections:
            run.define_metric(f"{section}/*", step_metric=axis)
            self._sections.add(section)
        run.log({**values, axis: step})

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Keeps the configuration."""
        self.wandb_run.config.update(
            vars(params) if isinstance(params, Namespace) else params, allow_val_change=True
        )

    def log_curve(self, name: str, values: Sequence[float]) -> None:
        """Adds one row per optimisation step, with the step as x-axis."""
        for step, value in enumerate(values):
            self._log({name: float(value)}, step, STEP)

    def log_picture(self, name: str, picture: Image.Image, step: int) -> None:
        """Adds an image."""
        import wandb

        self._log({name: wandb.Image(picture)}, step)

    def log_histogram(self, name: str, values: Float[ndarray, " value"], step: int) -> None:
        """Adds a histogram of 64 bins."""
        import wandb

        self._log({name: wandb.Histogram(np_histogram=np.histogram(values, BINS))}, step)

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], step: int) -> None:
        """Adds a table with pictures."""
        import wandb

        data = [
            [wandb.Image(cell) if isinstance(cell, Image.Image) else cell for cell in row] for row in rows
        ]
        self._log({name: wandb.Table(columns=list(columns), data=data)}, step)

    def log_summary(self, facts: Mapping[str, str | int | float], step: int) -> None:
        """Writes the summary, which is what W&B compares runs by.

        Statistics of prompts that are scored no more go.
        """
        summary = self.wandb_run.summary
        names = summary.keys()  # no mapping: it cannot be iterated over itself
        statistics = [name for name in names if name.startswith("statistics/")]
        for name in set(statistics) - set(facts):
            del summary[name]
        summary.update({**facts, CLIPS: step})

    def log_files(self, name: str, paths: Sequence[Path]) -> None:
        """Adds the files as a version of an artifact."""
        import wandb

        artifact = wandb.Artifact(f"{name}-{self.run_id}", type=name)
        for path in paths:
            artifact.add_file(str(path))
        self.wandb_run.log_artifact(artifact)

    def close(self, failed: bool = False) -> None:
        """Ends the W&B run, waiting for the upload at most as long as was allowed."""
        if self._run is not None:
            self._run.finish(exit_code=int(failed))
            self._run = None


def _logged_in(wandb: Any) -> bool:
    """Whether there are credentials; asks neither the user nor the service."""
    try:
        return bool(wandb.login(prompt=False, verify=False))
    except Exception:  # credentials of a form that W&B refuses
        return False
