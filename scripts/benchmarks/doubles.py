"""Stand-ins that cost nothing or sleep: what is left of the time is the machinery's own."""

import json
import os
import time
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Adam

from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.window import Window
from stylewav_pl.types import Clip


class Numbered(ClipSource):
    """Any number of clips of 0.1 s of the same noise.

    Args:
        number: How many.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.sound = 0.1 * torch.randn(1600, generator=torch.Generator().manual_seed(0))

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`."""
        return [Clip(f"clip-{index:08d}", f"clip-{index:08d}.wav") for index in range(self.number)]

    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """See :meth:`ClipSource.read`."""
        return self.sound


class SleepingAdam(Adam):
    """A step that takes ``seconds`` and no processor: a graphics card at work."""

    def __init__(self, params: Any, lr: float = 0.1, seconds: float = 0.05) -> None:
        super().__init__(params, lr=lr)
        self.seconds = seconds

    def step(self, closure: Any = None) -> Any:
        """Sleeps, then steps."""
        time.sleep(self.seconds)
        return super().step(closure)


class Clock(Callback):
    """Writes one line per cohort: time since the first, time inside the optimisation, memory in use.

    Args:
        folder: Where; each process has a file of its own.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.inside = self.began = self.entered = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self.began = time.monotonic()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The cohort enters the optimisation."""
        self.entered = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The cohort leaves the optimisation."""
        now = time.monotonic()
        self.inside += now - self.entered
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        entered, size = time.time() - (now - self.entered), pages * os.sysconf("SC_PAGE_SIZE")
        facts = {"seconds": now - self.began, "entered": entered, "inside": self.inside, "bytes": size}
        with (self.folder / f"clock-{trainer.global_rank}.jsonl").open("a") as file:
            print(json.dumps(facts), file=file)
