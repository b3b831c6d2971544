"""Trains a small VQGAN on drawn faces; see ``pocket train vqgan``.

Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis" (2021, arXiv:2012.09841):
an autoencoder whose latents are replaced by their nearest codes, with a straight-through gradient, and whose
pictures must in the end also be taken for drawn by a discriminator of patches. What differs: pixels by the
loss of the other recipes, patch features of the pocket CLIP in place of VGG's, and codes that nothing is near
to start anew at latents of the batch (Dhariwal et al. 2020, arXiv:2005.00341, appendix), so that a codebook
as small as this is used whole. The 3x3 kernels learn by Muon, everything else by Adam.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam, Optimizer

from stylewav_pl.embedders import ImageTextEmbedder, load_image_text_embedder
from stylewav_pl.generators import VQGAN
from stylewav_pl.optimisation.perceptual import PatchDistance
from stylewav_pl.training.codebook import CodeUsage
from stylewav_pl.training.faces import distillation_loss, drawn_at, noise_for
from stylewav_pl.training.learning_rates import hold_then_fall, set_rates
from stylewav_pl.training.loop import descend, move_average, run_resumable
from stylewav_pl.training.muon import KernelMuon
from stylewav_pl.training.patch_discriminator import PatchDiscriminator, balance, hinge

RESOLUTION = 64
CHANNELS = (32, 32, 32)  # of each level from the image down: 4 pixels a code
RES_BLOCKS = 0
CODES, CODE_WIDTH, Z_CHANNELS = 256, 8, 16
STEPS = 4000
BATCH = 4
RENEWED_EVERY = 50  # steps between two looks at the codes that nothing was near to
GAME_FROM = 0.7  # share of the steps after which the discriminator plays, and codes are not renewed any more
KERNEL_RATE, RATE, DISCRIMINATOR_RATE = 0.02, 4e-3, 2e-3
PERCEPTUAL_WEIGHT = 0.5
COMMITMENT_WEIGHT = 0.25  # that of the source
ADVERSARIAL_WEIGHT = 0.2  # times the ratio of gradients; the source has 0.8 with far longer trainings
AVERAGE_DECAY = 0.995
FIRST_NOISE = 4_000_000  # iterations of the other recipes stay below: the faces are others


def build(seed: int = 0) -> VQGAN:
    """Returns the untrained network."""
    torch.manual_seed(seed)
    return VQGAN(
        first_channels=CHANNELS[0],
        channels=CHANNELS,
        attends=[False] * len(CHANNELS),
        res_blocks=RES_BLOCKS,
        z_channels=Z_CHANNELS,
        code_width=CODE_WIDTH,
        codes=CODES,
        resolution=RESOLUTION,
    )


def train(
    output: Path,
    *,
    steps: int = STEPS,
    seed: int = 0,
    resume: bool = True,
    device: str = "cpu",
    threads: int = 2,
    guide: str | Path = "pocket",
    save_every: int = 200,
    progress: bool = True,
) -> None:
    """Trains the network and writes it (float16).

    The weights written every ``save_every`` steps are usable, though unfinished.

    Args:
        output: The weight file; ``<output>.state`` beside it holds what is needed to go on after an
            interruption.
        steps: Optimiser steps; all take about a quarter of an hour on one idle core.
        seed: Decides on everything random.
        resume: Whether to go on from the state file if there is one.
        device: Where to train.
        threads: Processor cores to use.
        guide: The CLIP model whose patch features compare pictures.
        save_every: Steps between two state files.
        progress: Whether to show a progress bar.
    """
    torch.set_num_threads(threads)
    network = build(seed).to(device).to(memory_format=torch.channels_last)
    training = CodeTraining.begin(network, guide, seed)
    run_resumable(
        training,
        lambda step: training.step(step, step / steps),
        lambda: training.average.to_file(output, torch.float16),
        output,
        steps=steps,
        resume=resume,
        save_every=save_every,
        name="vqgan",
        progress=progress,
    )


@dataclass
class CodeTraining:
    """What changes while the codes are learned, and what judges it."""

    network: VQGAN
    average: VQGAN
    discriminator: PatchDiscriminator
    usage: CodeUsage
    optimisers: list[Optimizer]
    guide: ImageTextEmbedder
    seed: int

    @classmethod
    def begin(cls, network: VQGAN, guide: str | Path, seed: int) -> "CodeTraining":
        """Returns the training before its first step."""
        device = network.codebook.weight.device
        average = deepcopy(network).requires_grad_(False)
        discriminator = PatchDiscriminator(CHANNELS[:3]).to(device)
        usage = CodeUsage(network.codebook.num_embeddings).to(device)
        eye = load_image_text_embedder(guide).to(device)
        return cls(network, average, discriminator, usage, optimisers_of(network, discriminator), eye, seed)

    def step(self, step: int, progress: float) -> dict[str, float]:
        """Takes one step of the autoencoder and, late in the training, of the discriminator.

        Args:
            step: Its number; decides on the faces.
            progress: Share of the training, in [0, 1).

        Returns:
            Losses, and the share of the codes that were in use of late.
        """
        set_rates(self.optimisers, hold_then_fall(progress))
        noise = noise_for(self.seed, FIRST_NOISE + step, BATCH, self.network.codebook.weight.device)
        drawn = drawn_at(noise, self.network.resolution)
        latents = self.network.quant_conv(self.network.encoder(drawn))
        if step % RENEWED_EVERY == 0 and progress < GAME_FROM:
            self.usage.renew(self.network.codebook, latents, self.seed + step)
        codes = self.network.nearest(latents)
        self.usage.count(codes)
        chosen = self.network.codebook(codes).permute(0, 3, 1, 2)
        image = self.network.decode(latents + (chosen - latents).detach())
        likeness = distillation_loss(image, drawn)
        likeness = likeness + PERCEPTUAL_WEIGHT * PatchDistance(self.guide, drawn)(image).mean()
        loss = likeness + codebook_loss(latents, chosen)
        playing = progress >= GAME_FROM
        if playing:
            self.discriminator.requires_grad_(False)
            fooled = -self.discriminator(image).mean()
            last = self.network.decoder.conv_out.weight
            loss = loss + ADVERSARIAL_WEIGHT * balance(likeness, fooled, last) * fooled
        descend(self.optimisers[:2], loss)
        told = {"likeness": likeness.item(), "codes": self.usage.share}
        if playing:
            told["discriminator"] = self._discriminator_step(image.detach(), drawn)
        move_average(self.average, self.network, min(AVERAGE_DECAY, (1 + step) / (10 + step)))
        return told

    def _discriminator_step(self, image: Tensor, drawn: Tensor) -> float:
        self.discriminator.requires_grad_(True)
        loss = hinge(self.discriminator(drawn), self.discriminator(image))
        descend(self.optimisers[2:], loss)
        return loss.item()

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Both players, the average of the first, and the counts of its codes."""
        return {
            "network": self.network,
            "average": self.average,
            "discriminator": self.discriminator,
            "usage": self.usage,
        }


def optimisers_of(network: VQGAN, discriminator: PatchDiscriminator) -> list[Optimizer]:
    """Returns Muon for the kernels of the autoencoder, Adam for its rest, and Adam for the discriminator."""
    kernels = [one for one in network.parameters() if one.ndim == 4 and one.shape[-1] > 1]
    special = {id(kernel) for kernel in kernels}
    rest = [one for one in network.parameters() if id(one) not in special]
    return [
        KernelMuon(kernels, lr=KERNEL_RATE),
        Adam(rest, lr=RATE, betas=(0.9, 0.99)),
        Adam(discriminator.parameters(), lr=DISCRIMINATOR_RATE, betas=(0.0, 0.99)),
    ]


def codebook_loss(
    latents: Float[Tensor, "face code h w"], chosen: Float[Tensor, "face code h w"]
) -> Float[Tensor, ""]:
    """Returns what draws codes to latents, and more weakly latents to codes (commitment).

    >>> codebook_loss(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 2.0)).item()
    5.0
    """
    moved = functional.mse_loss(chosen, latents.detach())
    return moved + COMMITMENT_WEIGHT * functional.mse_loss(latents, chosen.detach())
