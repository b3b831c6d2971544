"""The same for recipes that are Lightning modules.

Batches are counted in steps, and each epoch ends with a state file.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from torch.utils.data import DataLoader, Dataset

Batch = TypeVar("Batch")
Draw = Callable[[np.random.Generator], Batch]


class StepBatches(Dataset[Batch]):
    """The batches of one epoch.

    Batch ``i`` depends on seed and ``i`` only, so a resumed training sees what it would have seen.
    """

    def __init__(self, draw: Draw[Batch], *, seed: int, steps: range) -> None:
        super().__init__()
        self.draw, self.seed, self.steps = draw, seed, steps

    def __getitem__(self, index: int) -> Batch:
        """Draws a whole batch."""
        return self.draw(np.random.default_rng([self.seed, self.steps[index]]))

    def __len__(self) -> int:
        """Counts the batches of this epoch."""
        return len(self.steps)


class StepData(pl.LightningDataModule, Generic[Batch]):
    """Serves :class:`StepBatches` epoch by epoch; needs ``reload_dataloaders_every_n_epochs=1``.

    Args:
        draw: Makes a batch; the generator decides on everything random in it.
        seed: Of all batches.
        steps: Length of the training.
        steps_per_epoch: Steps between two state files.
    """

    def __init__(self, draw: Draw[Batch], *, seed: int, steps: int, steps_per_epoch: int) -> None:
        super().__init__()
        self.draw, self.seed, self.steps, self.steps_per_epoch = draw, seed, steps, steps_per_epoch

    def train_dataloader(self) -> DataLoader[Batch]:
        """Serves the batches from the current step on: a resumed training may be within an epoch."""
        first = self.trainer.global_step if self.trainer is not None else 0
        steps = range(first, min(self.steps, first + self.steps_per_epoch))
        batches = StepBatches(self.draw, seed=self.seed, steps=steps)
        return DataLoader(batches, batch_size=None, collate_fn=_as_it_is)


def _as_it_is(batch: Any) -> Any:
    """The data set makes whole batches; the default would turn a pair into a list."""
    return batch


def fit(
    module: pl.LightningModule,
    data: pl.LightningDataModule,
    state: Path,
    *,
    steps: int,
    resume: bool,
    progress: bool,
    device: str = "cpu",
) -> None:
    """Runs Lightning's loop with a state file that is renewed after every epoch."""
    keeper = ModelCheckpoint(
        dirpath=state.parent,
        filename=state.name,
        save_top_k=1,
        every_n_epochs=1,
        enable_version_counter=False,
    )
    keeper.FILE_EXTENSION = ""
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator=device,
        devices=1,
        logger=False,
        callbacks=[keeper, *([TQDMProgressBar(refresh_rate=5)] if progress else [])],
        enable_progress_bar=progress,
        enable_model_summary=False,
        reload_dataloaders_every_n_epochs=1,
        gradient_clip_val=1.0,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*LeafSpec", category=FutureWarning
        )  # Lightning 2.6 with torch 2.14
        warnings.filterwarnings(
            "ignore", message="Checkpoint directory .* exists"
        )  # it is the user's output folder
        warnings.filterwarnings(
            "ignore", message=".*does not have many workers"
        )  # batches are slices of a file: workers would only cost
        trainer.fit(module, datamodule=data, ckpt_path=str(state) if resume and state.is_file() else None)
