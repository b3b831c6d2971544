"""What coarser steps and early stopping lose in similarity and win in time, on the pocket networks and built-in voices."""

import time
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch.optim import Adam

from stylewav_pl.commands.experiment import FORCED, quiet_lightning
from stylewav_pl.convergence import EarlyStop
from stylewav_pl.data import BuiltinVoices, Window
from stylewav_pl.module import StyleWav
from stylewav_pl.types import ClipBatch, CohortResult

STEPS = 40
SETTINGS: dict[str, dict[str, Any]] = {
    "exact": {},
    "32 of 64 px, the last 2 steps full": {"synthesis_resolution": 32, "full_steps": 2},
    "32 of 64 px, the last 4 steps full": {"synthesis_resolution": 32, "full_steps": 4},
    "32 of 64 px, the last 8 steps full": {"synthesis_resolution": 32, "full_steps": 8},
    "early stop, patience 5, gain 0.001": {"early_stop": EarlyStop(5, 0.001)},
    "early stop, patience 10, gain 0.001": {"early_stop": EarlyStop(10, 0.001)},
}
STARTS: dict[str, dict[str, Any]] = {
    "as in demo.yaml": {"start_truncation": 0.3, "optimizer": lambda parameters: Adam(parameters, lr=0.07)},
    "as in the paper": {"start_truncation": 0.0, "optimizer": lambda parameters: Adam(parameters, lr=0.1)},
}


class Kept(Callback):
    """Keeps the result of a cohort, and how long it took."""

    result: CohortResult
    seconds: float

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Starts the clock."""
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stops it."""
        self.seconds, self.result = time.perf_counter() - self.began, outputs["result"]


class _Cohorts(list[ClipBatch]):
    """What the trainer takes for a data loader."""


def measure(targets: int) -> dict[str, Any]:
    """For both starts and every setting: final similarity at full resolution, share of the exact gain, time."""
    batch = voices(targets)
    found: dict[str, Any] = {"targets": targets, "steps": STEPS}
    for start, common in STARTS.items():
        exact = None
        for name, settings in SETTINGS.items():
            kept = optimise(batch, {**common, **settings})
            exact = exact or kept
            began, best = (float(exact.result.curves[:, step].mean()) for step in (0, -1))
            ended = float(kept.result.curves[:, -1].mean())
            share = (ended - began) / (best - began)
            found[f"{start}: {name}"] = {"similarity": ended, "share of the gain": share, "times the speed": exact.seconds / kept.seconds}
    return found


def voices(count: int) -> ClipBatch:
    """One cohort of built-in voices."""
    source = BuiltinVoices(per_sex=(count + 1) // 2)
    clips = source.list_clips()[:count]
    return ClipBatch(0, tuple(clips), tuple(source.read(clip, 16_000, Window(5.0)) for clip in clips))


def optimise(batch: ClipBatch, settings: dict[str, Any]) -> Kept:
    """Optimises the cohort through a real trainer."""
    torch.manual_seed(0)
    model = StyleWav.from_sources(cohort_size=len(batch.slots), num_steps=STEPS, **settings)
    kept = Kept()
    with quiet_lightning():
        Trainer(accelerator="cpu", devices=1, logger=False, callbacks=[kept], **FORCED).fit(model, _Cohorts([batch]))
    return kept


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{figures['targets']} targets, {figures['steps']} steps", f"{'':<58}{'similarity':>11}{'of the gain':>13}{'speed':>8}"]
    for name, row in figures.items():
        if isinstance(row, dict):
            lines.append(f"{name:<58}{row['similarity']:>11.4f}{row['share of the gain']:>13.3f}{row['times the speed']:>8.2f}")
    return "\n".join(lines)
