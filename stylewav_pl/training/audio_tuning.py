"""The pocket audio encoder's second training.

Recorded, moved and synthetic voices, behind the front end, towards mean faces and what the strong ear hears.

The first one (:mod:`.audio`) hears synthetic voices alone. Here the encoder goes on with people: each clip is
a stretch of any length under any condition, prepared by the front end that inference uses.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from stylewav_pl.embedders import load_audio_embedder, load_image_text_embedder
from stylewav_pl.embedders.front_end import FrontEnd
from stylewav_pl.embedders.wav2clip import AudioNetwork, build_audio_network, log_power
from stylewav_pl.generators import load_generator
from stylewav_pl.optimisation.building import check_spaces
from stylewav_pl.training import audio
from stylewav_pl.training.audio_losses import InfoNCE
from stylewav_pl.training.face_targets import Prompts, embed_prompts, make_face_targets, prompt_logits
from stylewav_pl.training.lightning_loop import StepData, fit
from stylewav_pl.training.people_bank import Lesson, PeopleBank, make_people_bank
from stylewav_pl.training.recording_conditions import random_condition
from stylewav_pl.training.recordings import Part, part_of, read_recordings
from stylewav_pl.training.voice_bank import Voices, make_voice_bank
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import read_weights

FRONT_END = FrontEnd(pause_decibels=30.0, seconds=3.0)
COPIES = 7  # of each recording, from other mouths
TEXT_WEIGHT = 0.3
AVERAGE_DECAY = 0.98
STEPS_PER_EPOCH = 25


class PeopleBatch(NamedTuple):
    """What a step learns from: waveforms of one length, and what they should become."""

    waveforms: Float[Tensor, "clip time"]
    lesson: Lesson


class PeopleBatches:
    """Stretches of people's voices, as recordings may arrive."""

    def __init__(self, bank: PeopleBank, *, batch_size: int) -> None:
        self.bank, self.batch_size = bank, batch_size

    def batch(self, random: np.random.Generator) -> PeopleBatch:
        """Draws a whole batch."""
        rows = random.choice(len(self.bank.waves), self.batch_size, p=self.bank.weight)
        waves = torch.stack([self._stretch(int(row), random) for row in rows])
        return PeopleBatch(waves, self.bank.lesson.rows(rows))

    def _stretch(self, row: int, random: np.random.Generator) -> Float[Tensor, " time"]:
        """Draws one of the windows that the front end makes of a random stretch."""
        wave = random_condition(self.bank.wave(row), self.bank.neighbours(6, random), random)
        windows = FRONT_END.windows(torch.from_numpy(np.ascontiguousarray(wave)))
        return windows[int(random.integers(len(windows)))]


class AudioTuning(audio.AudioDistillation):
    """Faces as targets, and the answers to the prompts; a moving average of the weights is kept.

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
        move = get_ema_multi_avg_fn(AVERAGE_DECAY)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(network, multi_avg_fn=move)
        self.average.requires_grad_(False)

    def train(self, mode: bool = True) -> "AudioTuning":
        """Leaves the statistics of frozen convolutions as they are, too."""
        super().train(mode)
        if self.head_only:
            self.network.audio_encoder.eval()
        return self

    def training_step(self, batch: PeopleBatch, batch_idx: int) -> Tensor:  # type: ignore[override]
        """Spectrogram, augmentation, embedding, loss."""
        power = self.augmented_power(batch.waveforms)
        with torch.autocast(power.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            embedded = self.network(log_power(power))
        embedding = F.normalize(embedded.float(), dim=-1)
        cosine = (embedding * batch.lesson.targets).sum(dim=-1).mean()
        text = answer_loss(embedding, self.prompts, batch.lesson)
        self.log_dict({"cosine": cosine, "text": text}, prog_bar=True)
        return 1 - cosine + TEXT_WEIGHT * text

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Moves the average."""
        self.average.update_parameters(self.network)


def answer_loss(audio: Float[Tensor, "clip embed"], prompts: Prompts, lesson: Lesson) -> Float[Tensor, ""]:
    """Cross-entropy of the prompts with the probabilities of a lesson.

    Args:
        audio: Unit vectors.
        prompts: The words that sex and age are asked by.
        lesson: What the voices should become.
    """
    sex = F.cross_entropy(prompt_logits(audio, prompts.sex), lesson.sex)
    return sex + F.cross_entropy(prompt_logits(audio, prompts.age), lesson.age)


def tune(
    output: Path,
    *,
    recordings: Path,
    start: str | Path = "pocket",
    seed: int = 0,
    steps: int = 1000,
    voices: Voices = "all",
    clips: int = 5000,
    copies: int = COPIES,
    batch_size: int = 48,
    learning_rate: float = 5e-4,
    clip_model: str | Path = "pocket",
    generator: str | Path | None = "pocket",
    cache: Path | None = None,
    listener: str | Path = "pocket-speaker",
    bfloat16: bool = False,
    head_only: bool = False,
    device: str = "cpu",
    threads: int = 2,
    resume: bool = True,
    progress: bool = True,
    parts: Sequence[Part] = ("training", "validation"),
) -> None:
    """Trains an encoder further on people and writes its weights (float16).

    Its configuration holds the front end.

    Args:
        output: The weight file; ``<output>.state`` beside it holds what is needed to go on.
        recordings: Folder with a table, see :mod:`.recordings`; held-out people are never trained on.
        start: Weights of the encoder to begin with.
        seed: Decides on everything random.
        steps: Optimiser steps.
        voices: Which synthetic voices are heard, too; see :func:`.audio.train`.
        clips: How many of them.
        copies: How often each recording is heard from another mouth.
        batch_size: Clips per step.
        learning_rate: Peak learning rate.
        clip_model: The frozen teacher.
        generator: Makes half of the faces; ``None`` for drawn faces only.
        cache: Folder of the synthetic and moved voices; ``<output>.voices`` when not given.
        listener: The strong ear that says what moved voices sound like.
        bfloat16: Whether to compute in it.
        head_only: Whether only the projection into CLIP space learns, a third of the time; for an encoder of
            people's voices that gets another CLIP model.
        device: Where to train, ``cpu`` or ``cuda``.
        threads: Processor cores to use.
        resume: Whether to go on from the state file if there is one.
        progress: Whether to show progress bars.
        parts: Which people of the recordings; never ``held-out``.

    Raises:
        ConfigError: The recordings cannot be used, espeak-ng is wanted and missing, or the listener does not
            reach the teacher's space.
        WeightsError: A network cannot be loaded.
    """
    torch.set_num_threads(threads)
    pl.seed_everything(seed, verbose=False)
    folder = cache or output.with_name(output.name + ".voices")
    everyone = read_recordings(recordings)
    chosen = [recording for part in parts for recording in part_of(part, everyone)]
    synthetic = make_voice_bank(
        folder / "synthetic", count=clips, seed=seed, voices=voices, processes=threads, progress=progress
    )
    teacher, ear = load_image_text_embedder(clip_model), load_audio_embedder(listener)
    check_spaces(teacher, ear)
    prompts = embed_prompts(teacher)
    faces = make_face_targets(teacher, load_generator(generator) if generator is not None else None, seed)
    bank = make_people_bank(
        chosen,
        synthetic,
        folder / "moved",
        listener=ear,
        faces=faces,
        prompts=prompts,
        copies=copies,
        seed=seed,
    )
    people = PeopleBatches(bank, batch_size=batch_size)
    data = StepData(people.batch, seed=seed, steps=steps, steps_per_epoch=STEPS_PER_EPOCH)
    file = read_weights(resolve(start, "audio"), "audio")
    config = {name: value for name, value in file.config.items() if name != "front_end"}
    network = build_audio_network(config, file.tensors)
    module = AudioTuning(
        network,
        prompts,
        bfloat16=bfloat16,
        head_only=head_only,
        learning_rate=learning_rate,
        steps=steps,
        seed=seed,
    )
    state = output.with_name(output.name + ".state")
    fit(module, data, state, steps=steps, resume=resume, progress=progress, device=device)
    network.load_state_dict(module.average.module.state_dict())
    audio.save_encoder(output, network, FRONT_END)
    state.unlink(missing_ok=True)
