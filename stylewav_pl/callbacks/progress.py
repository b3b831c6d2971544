"""What a person sees while a run works: clips done, similarity, time left."""

import sys
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from tqdm import tqdm

from stylewav_pl.types import CohortResult


class _Lines:
    """Lets a bar write whole lines: what redraws a line on a terminal is one long line in a file."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        """Writes a state of the bar, if it is one."""
        if shown := text.strip():
            self.stream.write(f"{shown}\n")

    def flush(self) -> None:
        """Passes it on."""
        self.stream.flush()


def progress_bar(total: int, title: str, enabled: bool | None = None) -> "tqdm[Any]":
    """A bar over clips on standard error: live on a terminal, a line every few seconds elsewhere.

    Args:
        total: Number of clips.
        title: What is made of each.
        enabled: False: silence.
    """
    live = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=title,
        unit="clip",
        mininterval=0.1 if live else 5.0,
        ascii=not live,
        dynamic_ncols=live,
        disable=enabled is False,
        file=sys.stderr if live else _Lines(sys.stderr),
    )


class ClipProgress(Callback):
    """A progress bar over this process's clips; only rank 0 shows one, and says so when there are others."""

    def __init__(self, enabled: bool | None = None) -> None:
        """Chooses whether to show the bar.

        Args:
            enabled: None: a live bar on a terminal, plain lines elsewhere; False: silence.
        """
        self.enabled = enabled
        self._bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows the empty bar."""
        # set by the trainer, unknown to its stub
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        total = sum(len(cohort.ids) for cohort in data.cohorts)
        if self.enabled is False or trainer.global_rank != 0 or not total:
            return
        title = "faces" if trainer.world_size == 1 else f"faces (process 1 of {trainer.world_size})"
        self._bar = progress_bar(total, title)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves the bar by the cohort's clips, skipped ones included."""
        if self._bar is None:
            return
        result: CohortResult = outputs["result"]
        if result.clips:
            self._bar.set_postfix(similarity=f"{float(result.curves[:, -1].mean()):.3f}", refresh=False)
        self._bar.update(len(result.clips) + len(result.skips))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Closes the bar."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Closes the bar, so that the error stands on a line of its own."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
