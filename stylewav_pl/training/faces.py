"""Trains the pocket generator: StyleGAN2 learns to draw what the renderer draws for the same noise.

Three parts, each a fixed number of iterations: the mapping network learns the numbers of the drawings (its
linear head is thrown away, but w is semantic from then on); the synthesis network learns the images, low
resolutions first, through the ToRGB of each resolution; w's mean is measured. Every batch is drawn anew, so
nothing is seen twice. The 3x3 kernels learn by Muon, which needs several times fewer images than Adam here,
everything else by Adam. The noise inputs are not used: their strengths stay zero. An adversarial game on top
is a recipe of its own (:mod:`stylewav_pl.training.adversarial`); against the first edition's generator, of 64
px, 1500 iterations of it left the PSNR at 28.7 dB and the pictures indistinguishable to the eye.

The first StyleGAN learns in the same way, at once at its full resolution: it has no colours before.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam, Optimizer
from tqdm import tqdm

from stylewav_pl.generators import StyleGAN, StyleGAN2
from stylewav_pl.pocket.faces import Z_DIM, drawing_parameters, render
from stylewav_pl.training.learning_rates import hold_then_fall, set_rates
from stylewav_pl.training.loop import descend, move_average, run_resumable, state_of
from stylewav_pl.training.muon import KernelMuon

Precision = Literal["float32", "bfloat16"]
Architecture = Literal["stylegan", "stylegan2"]
Drawer = StyleGAN | StyleGAN2
CHANNELS = {4: 96, 8: 96, 16: 80, 32: 64, 64: 32, 128: 16}
STYLEGAN_CHANNELS = {4: 96, 8: 96, 16: 80, 32: 48, 64: 24}
MAPPING_ITERATIONS = 4000
MAPPING_BATCH = 512
MAPPING_RATE = 1.5e-2
BATCH = 16
AVERAGE_DECAY = 0.995
MEAN_SAMPLES = 50_000


@dataclass(frozen=True)
class ResolutionPhase:
    """``iterations`` batches at one image resolution."""

    resolution: int
    iterations: int


PHASES = (
    ResolutionPhase(16, 600),
    ResolutionPhase(32, 1600),
    ResolutionPhase(64, 4500),
    ResolutionPhase(128, 6500),
)
STYLEGAN_ITERATIONS = 2400
STYLEGAN_BATCH = 8
RATE, STYLEGAN_RATE = 1e-2, 3e-2  # of styles, colours, biases and the constant


def build(seed: int = 0, architecture: Architecture = "stylegan2") -> Drawer:
    """The untrained network."""
    torch.manual_seed(seed)
    kinds: dict[str, tuple[type[Drawer], dict[int, int]]] = {
        "stylegan": (StyleGAN, STYLEGAN_CHANNELS),
        "stylegan2": (StyleGAN2, CHANNELS),
    }
    kind, channels = kinds[architecture]
    return kind(channels, z_dim=Z_DIM, w_dim=128, mapping_depth=4, mapping_learning_rate_multiplier=1.0)


def phases_of(architecture: Architecture) -> tuple[ResolutionPhase, ...]:
    """What is learned one after the other."""
    if architecture == "stylegan2":
        return PHASES
    return (ResolutionPhase(max(STYLEGAN_CHANNELS), STYLEGAN_ITERATIONS),)


def train(
    output: Path,
    *,
    architecture: Architecture = "stylegan2",
    seed: int = 0,
    scale: float = 1.0,
    resume: bool = True,
    device: str = "cpu",
    threads: int = 2,
    precision: Precision = "float32",
    save_every: int = 500,
    progress: bool = True,
) -> None:
    """Trains the generator and writes it (float16).

    The weights written every ``save_every`` iterations are usable, though unfinished.

    Args:
        output: The weight file; ``<output>.state`` beside it holds what is needed to go on after an
            interruption.
        architecture: Which generator learns.
        seed: Decides on everything random; an iteration sees the same faces however often the training was
            interrupted.
        scale: Factor for all iteration counts; 1 takes about two hours on two cores, one with ``bfloat16``
            (of StyleGAN, a quarter of an hour).
        resume: Whether to go on from the state file if there is one.
        device: Where to train.
        threads: Processor cores to use.
        precision: ``bfloat16`` computes the convolutions of the synthesis network with 8 bits of mantissa:
            two to three times faster on processors and GPUs that have it in hardware, very slow on others.
        save_every: Iterations between two state files.
        progress: Whether to show progress bars.
    """
    torch.set_num_threads(threads)
    # The layout in which processors convolve fastest; deepcopy and optimisers keep it.
    network = build(seed, architecture).to(device).to(memory_format=torch.channels_last)
    if not (resume and state_of(output).is_file()):
        pretrain_mapping(network, seed, round(MAPPING_ITERATIONS * scale), progress)
    training = FaceTraining(
        network, deepcopy(network).requires_grad_(False), make_optimisers(network), precision
    )
    plan = [
        phase.resolution
        for phase in phases_of(architecture)
        for _ in range(max(1, round(phase.iterations * scale)))
    ]

    def step(iteration: int) -> dict[str, int | float]:
        resolution, rate = plan[iteration], hold_then_fall(iteration / len(plan))
        return {"resolution": resolution, "loss": training.step(seed, iteration, resolution, rate)}

    run_resumable(
        training,
        step,
        lambda: training.write(output, seed),
        output,
        steps=len(plan),
        resume=resume,
        save_every=save_every,
        name="images",
        progress=progress,
    )


def noise_for(seed: int, iteration: int, count: int, device: torch.device) -> Float[Tensor, "face 64"]:
    """The noise of one iteration."""
    rng = torch.Generator().manual_seed(seed * 10_000_019 + iteration)
    return torch.randn(count, Z_DIM, generator=rng).to(device)


def pretrain_mapping(network: Drawer, seed: int, iterations: int, progress: bool) -> float:
    """Teaches the mapping network what a linear layer needs to know the drawings.

    Returns the last squared error (0 perfect, 1 nothing).
    """
    device = network.w_mean.device
    parameters = drawing_parameters(torch.zeros(1, Z_DIM)).shape[1]
    head = nn.Linear(network.w_dim, parameters).to(device)
    optimiser = Adam([*network.mapping.parameters(), *head.parameters()], lr=MAPPING_RATE, betas=(0.9, 0.99))
    error = torch.ones(())
    for iteration in tqdm(range(iterations), desc="mapping", disable=not progress, mininterval=5):
        set_rates([optimiser], hold_then_fall(iteration / iterations))
        z = noise_for(seed, -1 - iteration, MAPPING_BATCH, device)
        error = functional.mse_loss(head(network.mapping(z)), drawing_parameters(z))
        optimiser.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return error.item()


def make_optimisers(network: Drawer) -> list[Optimizer]:
    """Muon for the 3x3 kernels, Adam for the rest.

    Each group remembers its full learning rate as ``peak``.
    """
    kernels = [one for one in network.parameters() if one.ndim == 4 and one.shape[-1] > 1]
    mapping = list(network.mapping.parameters())
    special = {id(parameter) for parameter in [*kernels, *mapping]}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in special]
    rate = STYLEGAN_RATE if isinstance(network, StyleGAN) else RATE
    adam = Adam([{"params": mapping, "lr": 1.5e-3}, {"params": rest, "lr": rate}], betas=(0.9, 0.99))
    return [KernelMuon(kernels, lr=0.02), adam]


def distillation_loss(
    image: Float[Tensor, "face 3 size size"], drawn: Float[Tensor, "face 3 size size"]
) -> Float[Tensor, ""]:
    """Squared error.

    From 32 px on also absolute errors of pixels and of edges, which keep lines sharp, and a squared error of
    the coarse image.
    """
    error = image - drawn
    squared = error.square().mean()
    if image.shape[-1] < 32:
        return squared
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return (
        squared
        + 0.3 * error.abs().mean()
        + 0.3 * edges
        + 0.5 * functional.avg_pool2d(error, 4).square().mean()
    )


def image_at(
    network: Drawer, w: Float[Tensor, "face width"], resolution: int
) -> Float[Tensor, "face 3 size size"]:
    """Tells what the network has drawn at ``resolution``."""
    return next(image for image in network.stages(w, noise="none") if image.shape[-1] == resolution)


def drawn_at(z: Float[Tensor, "face 64"], resolution: int) -> Float[Tensor, "face 3 size size"]:
    """The drawing at up to twice the resolution, averaged: all phases learn nearly the same picture."""
    return functional.adaptive_avg_pool2d(render(z, min(2 * resolution, max(CHANNELS))), resolution)


@dataclass
class FaceTraining:
    """What changes while the images are learned: the network, its running average and the optimisers."""

    network: Drawer
    average: Drawer
    optimisers: list[Optimizer]
    precision: Precision = "float32"

    def step(self, seed: int, iteration: int, resolution: int, rate: float) -> float:
        """One batch; returns its loss."""
        set_rates(self.optimisers, rate)
        batch = STYLEGAN_BATCH if isinstance(self.network, StyleGAN) else BATCH
        z = noise_for(seed, iteration, batch, self.network.w_mean.device)
        with torch.autocast(z.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            image = image_at(self.network, self.network.mapping(z), resolution)
        loss = distillation_loss(image.float(), drawn_at(z, resolution))
        descend(self.optimisers, loss)
        move_average(self.average, self.network, min(AVERAGE_DECAY, (1 + iteration) / (10 + iteration)))
        return loss.item()

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Tells what learns, and its average."""
        return {"network": self.network, "average": self.average}

    def write(self, output: Path, seed: int) -> None:
        """Measures the mean of w and writes the running average of the network."""
        with torch.no_grad():
            z = noise_for(seed, -1_000_000, MEAN_SAMPLES, self.average.w_mean.device)
            self.average.w_mean.copy_(self.average.mapping(z).mean(dim=0))
        self.average.to_file(output, torch.float16)
