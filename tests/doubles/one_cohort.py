"""A cohort through a real trainer: clips without files, networks that count, and the result that callbacks
would get."""

from collections.abc import Sequence

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from stylewav_pl.commands.trainer_settings import FORCED
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.generators import LinearGenerator, StyleGAN2
from stylewav_pl.module import StyleWav
from stylewav_pl.types import Clip, ClipBatch, CohortResult


class CountingGenerator(LinearGenerator):
    """Remembers the resolution of every image that it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def synthesize(self, ws_or_styles, noise="const", resolution=None):
        self.asked.append(resolution or self.resolution)
        return super().synthesize(ws_or_styles, noise, resolution)


class CountingGuide(LinearImageTextEmbedder):
    calls = 0

    def embed_image(self, images):
        self.calls += 1
        return super().embed_image(images)


class CountingAudio(LinearAudioEmbedder):
    calls = 0

    def embed_audio(self, waveforms):
        self.calls += 1
        return super().embed_audio(waveforms)


class Kept(Callback):
    result: CohortResult

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.result = outputs["result"]


class Cohorts(list):
    """What the trainer takes for a data loader."""


def small_stylegan2() -> StyleGAN2:
    """Four convolutions, of 4 and 8 px, whose mean face is not the origin."""
    torch.manual_seed(1)
    network = StyleGAN2({4: 6, 8: 5}, z_dim=6, w_dim=7, mapping_depth=2)
    with torch.no_grad():
        network.w_mean.copy_(torch.randn(7))
    return network


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


def fit(names: Sequence[str | None], **settings) -> tuple[CohortResult, StyleWav]:
    """The same with networks that count."""
    model = StyleWav(
        CountingGenerator(), CountingGuide(), CountingAudio(), cohort_size=len(names), **settings
    )
    return optimise(model, names), model
