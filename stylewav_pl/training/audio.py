"""Trains the pocket audio encoder.

Wav2CLIP's distillation (Wu et al. 2022, arXiv:2110.11499) from the frozen pocket CLIP model.

An image encoder that is already in CLIP space teaches an audio encoder to put a sound where the image beside
it lies. Here the "image beside" a voice is a face of the same sex and decile of age; with videos it is a
frame. Sex cues in voices and faces are constructed by this package, so what the encoder knows about them is
our construction too.
"""

from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.front_end import FrontEnd
from stylewav_pl.embedders.wav2clip import AudioNetwork, log_power, power_spectrogram, standardize
from stylewav_pl.generators import load_generator
from stylewav_pl.training.audio_augmentation import augment_power
from stylewav_pl.training.audio_losses import CrossProjectionLoss, DistillationLoss, InfoNCE
from stylewav_pl.training.audio_pairs import AudioImageBatch, VoiceFacePairs, make_face_bank
from stylewav_pl.training.learning_rates import rise_then_cosine
from stylewav_pl.training.lightning_loop import StepData, fit
from stylewav_pl.training.voice_bank import Voices, make_voice_bank
from stylewav_pl.weights.store import save_weights

# What it is used behind, chosen on recorded people; it is trained on stretches of the same length without it.
FRONT_END = FrontEnd(pause_decibels=25.0, seconds=3.0)
LossName = Literal["cx", "infonce", "infonce+cosine"]
WIDTH, HIDDEN = 16, 256
SECONDS = 3.0
STEPS_PER_EPOCH = 50
FACES = 6000


class AudioDistillation(pl.LightningModule):
    """An audio network learns to reach the image embeddings that its data module hands over.

    Args:
        network: Trained; its projected output is what inference uses.
        loss: Compares audio and image; its own parameters are trained along.
        learning_rate: Peak of AdamW's learning rate: a short warm-up, then half a cosine down to zero.
        steps: Length of the training.
        seed: Decides the augmentation of each step.
        augment: Whether spectrograms are augmented (off for recorded data that varies by itself).
    """

    def __init__(
        self,
        network: AudioNetwork,
        loss: DistillationLoss,
        *,
        learning_rate: float,
        steps: int,
        seed: int = 0,
        augment: bool = True,
    ) -> None:
        super().__init__()
        self.network, self.loss = network.to(memory_format=torch.channels_last), loss
        self.learning_rate, self.steps, self.seed, self.augment = learning_rate, steps, seed, augment

    def forward(self, waveforms: Float[Tensor, "clip time"]) -> Float[Tensor, "clip embed"]:
        """Unit embeddings without augmentation."""
        return F.normalize(self.network(log_power(power_spectrogram(waveforms))), dim=-1)

    def training_step(self, batch: AudioImageBatch, batch_idx: int) -> Tensor:
        """Spectrogram, augmentation, features, projection, loss."""
        waveforms, images = batch
        power = self.augmented_power(waveforms)
        spectrogram = (
            standardize(log_power(power)).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        )  # a third faster on a CPU
        features = self.network.audio_encoder(spectrogram)
        audio = self.network.audio_transform(features)
        loss: Tensor = self.loss(features, audio, images)
        self.log_dict({"loss": loss, "cosine": F.cosine_similarity(audio, images).mean()}, prog_bar=True)
        return loss

    def augmented_power(self, waveforms: Float[Tensor, "clip time"]) -> Float[Tensor, "clip frequency frame"]:
        """Seeds this step, so that dropout, too, is the same after an interruption.

        Returns its spectrograms.
        """
        seed = self.seed * 1_000_003 + self.global_step
        torch.manual_seed(seed)
        power = power_spectrogram(waveforms)
        if not self.augment:
            return power
        return augment_power(power.cpu(), torch.Generator().manual_seed(seed)).to(power.device)

    def configure_optimizers(self) -> Any:
        """AdamW; biases and norms are not decayed."""
        parameters = list(self.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.02},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: rise_then_cosine(step, self.steps)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def build_loss(name: LossName, network: AudioNetwork) -> DistillationLoss:
    """The losses that were compared; the first is the one shipped."""
    if name == "cx":
        return CrossProjectionLoss(8 * network.config["width"], network.config["embed_dim"])
    return InfoNCE(cosine_weight=1.0, contrastive_weight=0.5) if name == "infonce+cosine" else InfoNCE()


def train(
    output: Path,
    *,
    seed: int = 0,
    steps: int = 800,
    loss: LossName = "cx",
    voices: Voices = "all",
    clips: int = 5000,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    clip_model: str | Path = "pocket",
    generator: str | Path | None = "pocket",
    cache: Path | None = None,
    device: str = "cpu",
    threads: int = 2,
    resume: bool = True,
    progress: bool = True,
) -> None:
    """Synthesises voices, trains the encoder and writes its weights (float16).

    Args:
        output: The weight file. ``<output>.state`` beside it holds what is needed to go on after an
            interruption.
        seed: Decides on everything random.
        steps: Optimiser steps; about 0.4 s each on two cores.
        loss: ``cx`` (Wav2CLIP's own), ``infonce`` or ``infonce+cosine``.
        voices: ``all`` needs the program espeak-ng; ``builtin`` uses the package's synthesiser alone.
        clips: How many voices to synthesise, one speaker each; about 0.07 s each.
        batch_size: Pairs per step.
        learning_rate: Peak learning rate.
        clip_model: The frozen teacher.
        generator: Makes half of the faces; ``None`` for drawn faces only.
        cache: Folder of the voices; ``<output>.voices`` when not given. Kept, and used again by the same
            call.
        device: Where to train, ``cpu`` or ``cuda``; voices and faces are made on the CPU.
        threads: Processor cores to use.
        resume: Whether to go on from the state file if there is one.
        progress: Whether to show progress bars.

    Raises:
        ConfigError: espeak-ng is wanted and missing.
        WeightsError: Teacher or generator cannot be loaded.
    """
    torch.set_num_threads(threads)
    pl.seed_everything(seed, verbose=False)
    teacher = load_image_text_embedder(clip_model)
    faces = make_face_bank(teacher, load_generator(generator) if generator is not None else None, FACES, seed)
    bank = make_voice_bank(
        cache or output.with_name(output.name + ".voices"),
        count=clips,
        seed=seed,
        voices=voices,
        processes=threads,
        progress=progress,
    )
    pairs = VoiceFacePairs(bank, faces, batch_size=batch_size, seconds=SECONDS)
    data = StepData(pairs.batch, seed=seed, steps=steps, steps_per_epoch=STEPS_PER_EPOCH)
    network = AudioNetwork(width=WIDTH, hidden=HIDDEN, embed_dim=teacher.embed_dim)
    module = AudioDistillation(
        network, build_loss(loss, network), learning_rate=learning_rate, steps=steps, seed=seed
    )
    state = output.with_name(output.name + ".state")
    fit(module, data, state, steps=steps, resume=resume, progress=progress, device=device)
    save_encoder(output, network, FRONT_END)
    state.unlink(missing_ok=True)


def save_encoder(output: Path, network: AudioNetwork, front_end: FrontEnd) -> None:
    """Writes an encoder (float16) with the front end that it is used behind."""
    save_weights(
        output,
        kind="audio",
        architecture="wav2clip",
        config={**network.config, "front_end": front_end.config},
        tensors=network.state_dict(),
        dtype=torch.float16,
    )
