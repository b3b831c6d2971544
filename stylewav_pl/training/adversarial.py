"""Makes a distilled generator crisper by a real adversarial game; see ``pocket train adversarial``.

The generator goes on learning to draw what the renderer draws, and beside that to be taken for drawn by a
discriminator: non-saturating loss (Goodfellow et al. 2014), lazy R1 penalty on drawn faces (Mescheder et al.
2018, Karras et al. 2020), exponential average of the generator's weights. The mapping network stays as it is,
so w keeps its meaning and its mean.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import StyleGAN2, load_generator
from stylewav_pl.pocket.faces import Z_DIM
from stylewav_pl.training.discriminator import Discriminator
from stylewav_pl.training.faces import Precision, distillation_loss, drawn_at, noise_for
from stylewav_pl.training.learning_rates import hold_then_fall, set_rates
from stylewav_pl.training.loop import descend, move_average, run_resumable

ITERATIONS = 3000
BATCH = 16
GENERATOR_RATE = 1e-3
DISCRIMINATOR_RATE = 2e-3
ADVERSARIAL_WEIGHT = 0.02  # beside the distillation loss, which is about 0.05
R1_WEIGHT = 1.0
R1_EVERY = 16
AVERAGE_DECAY = 0.998
FIRST_NOISE = 2_000_000  # iterations of the distillation stay below: each game sees faces of its own


def train(
    output: Path,
    *,
    generator: str | Path = "pocket",
    iterations: int = ITERATIONS,
    seed: int = 0,
    resume: bool = True,
    device: str = "cpu",
    threads: int = 2,
    precision: Precision = "float32",
    save_every: int = 200,
    progress: bool = True,
) -> None:
    """Goes on from a distilled generator and writes the crisper one (float16).

    Args:
        output: The weight file; ``<output>.state`` beside it holds what is needed to go on after an
            interruption.
        generator: Where to begin: a StyleGAN2 with the renderer's noise.
        iterations: Steps of both players.
        seed: Decides on everything random.
        resume: Whether to go on from the state file if there is one.
        device: Where to train.
        threads: Processor cores to use.
        precision: As in :func:`stylewav_pl.training.faces.train`.
        save_every: Iterations between two state files.
        progress: Whether to show a progress bar.

    Raises:
        WeightsError: The generator is no StyleGAN2 with the renderer's noise.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    network = load_generator(generator)
    if not isinstance(network, StyleGAN2) or network.z_dim != Z_DIM:
        raise WeightsError(
            f"Expected a StyleGAN2 with z of width {Z_DIM}, as `pocket train faces` makes it; found another "
            f"generator in {generator}."
        )
    game = Game.begin(network.to(device).to(memory_format=torch.channels_last), precision)
    run_resumable(
        game,
        lambda iteration: game.step(seed, iteration, hold_then_fall(iteration / iterations)),
        lambda: game.average.to_file(output, torch.float16),
        output,
        steps=iterations,
        resume=resume,
        save_every=save_every,
        name="game",
        progress=progress,
    )


@dataclass
class Game:
    """Both players, the average of the first, and their optimisers."""

    network: StyleGAN2
    average: StyleGAN2
    discriminator: Discriminator
    optimisers: tuple[Adam, Adam]
    precision: Precision = "float32"

    @classmethod
    def begin(cls, network: StyleGAN2, precision: Precision = "float32") -> "Game":
        """Returns the game before its first step."""
        network.requires_grad_(True).mapping.requires_grad_(False)
        average = deepcopy(network).requires_grad_(False)
        discriminator = Discriminator(network.channels).to(network.w_mean.device)
        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimisers = (
            Adam(learning, lr=GENERATOR_RATE, betas=(0.0, 0.99)),
            Adam(discriminator.parameters(), lr=DISCRIMINATOR_RATE, betas=(0.0, 0.99)),
        )
        return cls(network, average, discriminator, optimisers, precision)

    def step(self, seed: int, iteration: int, rate: float) -> dict[str, float]:
        """One step of each player; returns the distillation loss and the losses of both."""
        z = noise_for(seed, FIRST_NOISE + iteration, BATCH, self.network.w_mean.device)
        drawn = drawn_at(z, self.network.resolution)
        set_rates(self.optimisers, rate)
        image, losses = self._generator_step(z, drawn)
        losses["discriminator"] = self._discriminator_step(image.detach(), drawn, iteration)
        move_average(self.average, self.network, AVERAGE_DECAY)
        return losses

    def _generator_step(self, z: Tensor, drawn: Tensor) -> tuple[Tensor, dict[str, float]]:
        with self._fast(z):
            *_, image = self.network.stages(self.network.mapping(z), noise="none")
            self.discriminator.requires_grad_(False)
            score = self.discriminator(image)
        image = image.float()
        likeness, fooled = distillation_loss(image, drawn), softplus(-score.float()).mean()
        descend(self.optimisers[:1], likeness + ADVERSARIAL_WEIGHT * fooled)
        return image, {"likeness": likeness.item(), "generator": fooled.item()}

    def _discriminator_step(self, image: Tensor, drawn: Tensor, iteration: int) -> float:
        self.discriminator.requires_grad_(True)
        with self._fast(image):
            made, real = self.discriminator(image), self.discriminator(drawn)
        loss = softplus(made.float()).mean() + softplus(-real.float()).mean()
        penalty = r1_penalty(self.discriminator, drawn) if iteration % R1_EVERY == 0 else torch.zeros(())
        descend(self.optimisers[1:], loss + 0.5 * R1_WEIGHT * R1_EVERY * penalty.to(loss.device))
        return loss.item()

    def _fast(self, like: Tensor) -> torch.autocast:
        return torch.autocast(like.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    @property
    def networks(self) -> dict[str, nn.Module]:
        """Both players, and the average of the first."""
        return {
            "network": self.network,
            "average": self.average,
            "discriminator": self.discriminator,
        }


def r1_penalty(discriminator: Discriminator, drawn: Float[Tensor, "face 3 size size"]) -> Float[Tensor, ""]:
    """Returns the mean squared gradient of the scores by the pixels of drawn faces."""
    pixels = drawn.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(pixels).sum(), pixels, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
