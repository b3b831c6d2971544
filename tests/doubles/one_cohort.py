"""A cohort through a real trainer: clips without files, and the result that callbacks would get."""

from collections.abc import Sequence

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from stylewav_pl.commands.experiment import FORCED
from stylewav_pl.module import StyleWav
from stylewav_pl.types import Clip, ClipBatch, CohortResult


class Kept(Callback):
    result: CohortResult

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.result = outputs["result"]


class Cohorts(list):
    """What the trainer takes for a data loader."""


def waveform(name: str) -> Tensor:
    random = torch.Generator().manual_seed(sum(map(ord, name)))
    return (torch.rand(800, generator=random) - 0.5) * torch.linspace(0, 1, 800).mul(
        6.28 * (1 + sum(map(ord, name)) % 7)
    ).cos()


def optimise(model: StyleWav, names: Sequence[str | None]) -> CohortResult:
    """The result of one cohort; a name of ``None`` is a slot without a clip."""
    slots = tuple(name and Clip(name, f"{name}.wav") for name in names)
    batch = ClipBatch(0, slots, tuple(waveform(name) for name in names if name))
    kept = Kept()
    Trainer(accelerator="cpu", devices=1, logger=False, callbacks=[kept], **FORCED).fit(
        model, Cohorts([batch])
    )
    return kept.result
