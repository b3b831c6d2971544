"""Whether a run may go on, asked before every step and after every cohort."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer


class Watch(Callback):
    """Calls ``check`` before every cohort and every step, and ``check_results`` after every cohort.

    What they raise ends the run there.

    A cohort may take minutes, and a signal, a full disk or another process's crash should not have to wait
    for its end.
    """

    def __init__(self, check: Callable[[], None], check_results: Callable[[], None]) -> None:
        """Names the checks."""
        self.check = check
        self.check_results = check_results

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Checks before a cohort."""
        self.check()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Checks after a cohort."""
        self.check_results()

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Checks before a step."""
        self.check()
