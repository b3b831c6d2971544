"""What coarser steps, early stopping and reduced precision lose in similarity and win in time.

On the pocket networks and built-in voices.

The pocket CLIP sees all 128 pixels of the pocket generator's images, so coarser steps hide detail from it.
CLIP's usual 224 pixels hold no more than a generator's levels up to 256 px; a guide that sees 56 of 128 px
stands to coarse steps at 64 px as that one to steps at 256 px.
"""

import time
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.nn import functional
from torch.optim import Adam

from stylewav_pl.commands.quiet import quiet_lightning
from stylewav_pl.commands.trainer_settings import FORCED
from stylewav_pl.data import BuiltinVoices, Window
from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.convergence import EarlyStop
from stylewav_pl.optimisation.hardware import Speed, cpu_precisions
from stylewav_pl.optimisation.phases import Refinement
from stylewav_pl.optimisation.start import Start
from stylewav_pl.types import ClipBatch, CohortResult

FEWER_PIXELS = 56
COARSE: dict[str, dict[str, Any]] = {
    "exact": {},
    "64 of 128 px, the last 2 steps full": {"refinement": Refinement(64, 2)},
    "64 of 128 px, the last 4 steps full": {"refinement": Refinement(64, 4)},
    "64 of 128 px, the last 8 steps full": {"refinement": Refinement(64, 8)},
}
EARLY: dict[str, dict[str, Any]] = {
    "early stop, patience 5, gain 0.001": {"early_stop": EarlyStop(5, 0.001)},
    "early stop, patience 10, gain 0.001": {"early_stop": EarlyStop(10, 0.001)},
}
REDUCED: dict[str, dict[str, Any]] = {
    name: {"speed": Speed(name)} for name in cpu_precisions() if name != "float32"
}
STARTS: dict[str, dict[str, Any]] = {
    "as in demo.yaml": {"start": Start(0.3), "optimizer": lambda parameters: Adam(parameters, lr=0.07)},
    "as in the paper": {"start": Start(), "optimizer": lambda parameters: Adam(parameters, lr=0.1)},
}


class SeesFewerPixels(ImageTextEmbedder):
    """A CLIP model to which images come shrunk to :data:`FEWER_PIXELS` and enlarged again.

    Whatever resolution they had.
    """

    def __init__(self, guide: ImageTextEmbedder) -> None:
        super().__init__()
        self.guide, self.embed_dim, self.image_size, self.space = (
            guide,
            guide.embed_dim,
            guide.image_size,
            guide.space,
        )

    def embed_image(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip embed"]:
        """See :meth:`ImageTextEmbedder.embed_image`."""
        few = functional.interpolate(
            images, size=(FEWER_PIXELS, FEWER_PIXELS), mode="bicubic", antialias=True
        )
        return self.guide.embed_image(
            functional.interpolate(few, size=(self.image_size, self.image_size), mode="bicubic")
        )

    def embed_text(self, texts: Sequence[str]) -> Float[Tensor, "clip embed"]:
        """See :meth:`ImageTextEmbedder.embed_text`."""
        return self.guide.embed_text(texts)


class Kept(Callback):
    """Keeps the result of a cohort, and how long it took."""

    result: CohortResult
    seconds: float

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Starts the clock."""
        self.began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops it."""
        self.seconds, self.result = time.perf_counter() - self.began, outputs["result"]


class _Cohorts(list[ClipBatch]):
    """What the trainer takes for a data loader."""


def measure(targets: int, steps: int) -> dict[str, Any]:
    """For each guide, start and setting.

    Final similarity at full resolution, share of the exact gain, time.
    """
    batch, pocket = voices(targets), load_image_text_embedder("pocket")
    found: dict[str, Any] = {"targets": targets, "steps": steps}
    for seen, guide, compared in (
        ("128 px", pocket, COARSE | EARLY | REDUCED),
        (f"{FEWER_PIXELS} px", SeesFewerPixels(pocket), COARSE),
    ):
        always = {"guide": guide, "cohort_size": len(batch.slots), "num_steps": steps}
        for start, common in STARTS.items():
            kept = {
                name: optimise(StyleWav.from_sources(**always, **common, **settings), batch)
                for name, settings in compared.items()
            }
            found[f"the guide sees {seen}, starts {start}"] = {
                name: against(kept["exact"], one) for name, one in kept.items()
            }
    return found


def against(exact: Kept, kept: Kept) -> dict[str, float]:
    """What a setting reaches and how fast, against the exact one."""
    began, best = (float(exact.result.curves[:, step].mean()) for step in (0, -1))
    ended = float(kept.result.curves[:, -1].mean())
    return {
        "similarity": ended,
        "share of the gain": (ended - began) / (best - began),
        "times the speed": exact.seconds / kept.seconds,
    }


def voices(count: int) -> ClipBatch:
    """One cohort of built-in voices."""
    source = BuiltinVoices(per_sex=(count + 1) // 2)
    clips = source.list_clips()[:count]
    return ClipBatch(0, tuple(clips), tuple(source.read(clip, 16_000, Window(5.0)) for clip in clips))


def optimise(model: StyleWav, batch: ClipBatch) -> Kept:
    """Optimises the cohort through a real trainer, on the device where the model is."""
    kept = Kept()
    accelerator = "gpu" if model.device.type == "cuda" else "cpu"
    with quiet_lightning():
        Trainer(accelerator=accelerator, devices=1, logger=False, callbacks=[kept], **FORCED).fit(
            model, _Cohorts([batch])
        )
    return kept


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{figures['targets']} targets, {figures['steps']} steps"]
    for title, rows in figures.items():
        if isinstance(rows, dict):
            lines += ["", f"{title:<48}{'similarity':>11}{'of the gain':>13}{'speed':>8}"]
            lines += [
                f"{name:<48}" + "{:>11.4f}{:>13.3f}{:>8.2f}".format(*row.values())
                for name, row in rows.items()
            ]
    return "\n".join(lines)
