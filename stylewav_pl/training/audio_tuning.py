"""The pocket audio encoder's second training: recorded and synthetic people, behind the front end, towards mean faces.

The first one (:mod:`.audio`) hears synthetic voices alone. Here the encoder goes on with people; each clip is a
stretch of any length, perhaps with others talking, prepared by the front end that inference uses.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.front_end import FrontEnd
from stylewav_pl.embedders.wav2clip import AudioNetwork, build_audio_network, log_power, power_spectrogram
from stylewav_pl.generators import load_generator
from stylewav_pl.training import audio
from stylewav_pl.training.audio_augmentation import augment_power
from stylewav_pl.training.audio_losses import InfoNCE
from stylewav_pl.training.face_targets import (
    FaceTargets,
    Prompts,
    embed_prompts,
    make_face_targets,
    text_loss,
)
from stylewav_pl.training.people_bank import PeopleBank, make_people_bank
from stylewav_pl.training.recording_conditions import babble, mixed, random_excerpt
from stylewav_pl.training.recordings import part_of, read_recordings
from stylewav_pl.training.voice_bank import Voices, make_voice_bank
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import read_weights, save_weights

FRONT_END = FrontEnd(pause_decibels=30.0, seconds=3.0)
RECORDED_SHARE = 0.65
BABBLE_SHARE = 0.25
TEXT_WEIGHT = 0.3
STEPS_PER_EPOCH = 25


class PeopleBatch(NamedTuple):
    """What a step learns from: waveforms of one length, what they should look like, and who speaks."""

    waveforms: Float[Tensor, "clip time"]
    targets: Float[Tensor, "clip embed"]
    male: Bool[Tensor, " clip"]
    years: Float[Tensor, " clip"]


class PeopleBatches(Dataset[PeopleBatch]):
    """The batches of one epoch; batch ``i`` depends on seed and ``i`` alone."""

    def __init__(
        self, bank: PeopleBank, targets: FaceTargets, *, batch_size: int, seed: int, steps: range
    ) -> None:
        super().__init__()
        self.bank, self.targets = bank, targets
        self.batch_size, self.seed, self.steps = batch_size, seed, steps

    def __len__(self) -> int:
        """Batches in this epoch."""
        return len(self.steps)

    def __getitem__(self, index: int) -> PeopleBatch:
        """A whole batch."""
        random = np.random.default_rng([self.seed, self.steps[index]])
        rows = random.choice(len(self.bank.waves), self.batch_size, p=self.bank.weight)
        waves = torch.stack([self._heard(int(row), random) for row in rows])
        male, years = torch.from_numpy(self.bank.male[rows]), torch.from_numpy(self.bank.years[rows])
        return PeopleBatch(waves, self.targets.of(male, years), male, years.float())

    def _heard(self, row: int, random: np.random.Generator) -> Float[Tensor, " time"]:
        """One of the windows that the front end makes of a random stretch."""
        wave = random_excerpt(self.bank.wave(row), random)
        if random.random() < BABBLE_SHARE:
            others = self.bank.neighbours(row, 6, random)
            wave = mixed(wave, babble(len(wave), others, random), random.uniform(3.0, 25.0))
        windows = FRONT_END.windows(torch.from_numpy(np.ascontiguousarray(wave)))
        return windows[int(random.integers(len(windows)))]


class PeopleData(pl.LightningDataModule):
    """Serves :class:`PeopleBatches` epoch by epoch."""

    def __init__(
        self, bank: PeopleBank, targets: FaceTargets, *, batch_size: int, seed: int, steps: int
    ) -> None:
        super().__init__()
        self.bank, self.targets = bank, targets
        self.batch_size, self.seed, self.steps = batch_size, seed, steps

    def train_dataloader(self) -> DataLoader[PeopleBatch]:
        """The batches from the current step on."""
        first = self.trainer.global_step if self.trainer is not None else 0
        steps = range(first, min(self.steps, first + STEPS_PER_EPOCH))
        batches = PeopleBatches(
            self.bank, self.targets, batch_size=self.batch_size, seed=self.seed, steps=steps
        )
        return DataLoader(batches, batch_size=None, collate_fn=_as_it_is)


def _as_it_is(batch: Any) -> Any:
    """The data set makes whole batches."""
    return batch


class AudioTuning(audio.AudioDistillation):
    """Mean faces as targets, and the prompts' own cross-entropy.

    Args:
        network: Trained further.
        prompts: The words that sex and age are asked by.
        bfloat16: Whether the convolutions compute in it; half the time where the processor has it.
        head_only: Whether the convolutions stay as they are: enough for another CLIP space.
        settings: See :class:`.audio.AudioDistillation`.
    """

    def __init__(
        self,
        network: AudioNetwork,
        prompts: Prompts,
        *,
        bfloat16: bool = False,
        head_only: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(network, InfoNCE(), **settings)
        self.prompts, self.in_bfloat16, self.head_only = prompts, bfloat16, head_only
        self.network.audio_encoder.requires_grad_(not head_only)

    def train(self, mode: bool = True) -> "AudioTuning":
        """Leaves the statistics of frozen convolutions as they are, too."""
        super().train(mode)
        if self.head_only:
            self.network.audio_encoder.eval()
        return self

    def training_step(self, batch: PeopleBatch, batch_idx: int) -> Tensor:  # type: ignore[override]
        """Spectrogram, augmentation, embedding, loss."""
        seed = self.seed * 1_000_003 + self.global_step
        torch.manual_seed(seed)
        power = power_spectrogram(batch.waveforms)
        if self.augment:
            power = augment_power(power.cpu(), torch.Generator().manual_seed(seed)).to(power.device)
        with torch.autocast(power.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            embedded = self.network(log_power(power))
        heard = F.normalize(embedded.float(), dim=-1)
        cosine = (heard * batch.targets).sum(dim=-1).mean()
        text = text_loss(heard, self.prompts, batch.male, batch.years)
        self.log_dict({"cosine": cosine, "text": text}, prog_bar=True)
        return 1 - cosine + TEXT_WEIGHT * text


def tune(
    output: Path,
    *,
    recordings: Path,
    start: str | Path = "pocket",
    seed: int = 0,
    steps: int = 1500,
    voices: Voices = "all",
    clips: int = 5000,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    clip_model: str | Path = "pocket",
    generator: str | Path | None = "pocket",
    cache: Path | None = None,
    bfloat16: bool = False,
    head_only: bool = False,
    device: str = "cpu",
    threads: int = 2,
    resume: bool = True,
    progress: bool = True,
    parts: Sequence[str] = ("training",),
) -> None:
    """Trains an encoder further on people and writes its weights (float16), with the front end in its configuration.

    Args:
        output: The weight file; ``<output>.state`` beside it holds what is needed to go on.
        recordings: Folder with a table, see :mod:`.recordings`; held-out people are never trained on.
        start: Weights of the encoder to begin with.
        seed: Decides on everything random.
        steps: Optimiser steps.
        voices: Which synthetic voices are heard, too; see :func:`.audio.train`.
        clips: How many of them.
        batch_size: Clips per step.
        learning_rate: Peak learning rate.
        clip_model: The frozen teacher.
        generator: Makes half of the faces; ``None`` for drawn faces only.
        cache: Folder of the synthetic and moved voices; ``<output>.voices`` when not given.
        bfloat16: Whether to compute in it.
        head_only: Whether only the projection into CLIP space learns, a third of the time; for an encoder of
            people's voices that gets another CLIP model.
        device: Where to train, ``cpu`` or ``cuda``.
        threads: Processor cores to use.
        resume: Whether to go on from the state file if there is one.
        progress: Whether to show progress bars.
        parts: Which people of the recordings; never ``held-out``.

    Raises:
        ConfigError: The recordings cannot be used, or espeak-ng is wanted and missing.
        WeightsError: A network cannot be loaded.
    """
    torch.set_num_threads(threads)
    pl.seed_everything(seed, verbose=False)
    folder = cache or output.with_name(output.name + ".voices")
    everyone = read_recordings(recordings)
    chosen = [recording for part in parts for recording in part_of(part, everyone)]  # type: ignore[arg-type]
    synthetic = make_voice_bank(
        folder / "synthetic", count=clips, seed=seed, voices=voices, processes=threads, progress=progress
    )
    bank = make_people_bank(
        chosen, synthetic, folder / "moved", recorded_share=RECORDED_SHARE, seed=seed, progress=progress
    )
    teacher = load_image_text_embedder(clip_model)
    faces = make_face_targets(teacher, load_generator(generator) if generator is not None else None, seed)
    data = PeopleData(bank, faces, batch_size=batch_size, seed=seed, steps=steps)
    file = read_weights(resolve(start, "audio"), "audio")
    config = {name: value for name, value in file.config.items() if name != "front_end"}
    network = build_audio_network(config, file.tensors)
    module = AudioTuning(
        network,
        embed_prompts(teacher),
        bfloat16=bfloat16,
        head_only=head_only,
        learning_rate=learning_rate,
        steps=steps,
        seed=seed,
    )
    state = output.with_name(output.name + ".state")
    audio.fit(module, data, state, steps=steps, resume=resume, progress=progress, device=device)
    save_tuned(output, module.network)
    state.unlink(missing_ok=True)


def save_tuned(output: Path, network: AudioNetwork) -> None:
    """Writes an encoder with the front end that it was trained behind."""
    save_weights(
        output,
        kind="audio",
        architecture="wav2clip",
        config={**network.config, "front_end": FRONT_END.config},
        tensors=network.state_dict(),
        dtype=torch.float16,
    )
