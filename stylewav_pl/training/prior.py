"""Trains a prior on a generator's own samples: no data, a few minutes on one core.

A rectified flow learns which w give an image with a certain vector of the guide. The vector is blurred by
noise, so that vectors of voices, which no image has exactly, are understood too (clip2latent, Pinkney and Li
2022, arXiv:2210.02347, did the same for texts).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders import AudioEmbedder, load_audio_embedder, load_image_text_embedder
from stylewav_pl.embedders.preprocess import Preprocess
from stylewav_pl.errors import WeightsError
from stylewav_pl.optimisation.voice_mean import mean_target, voice_directions, voice_targets
from stylewav_pl.priors import Belongings, FlowNetwork, Prior, save_prior
from stylewav_pl.priors.prior import VOICE_DIRECTIONS
from stylewav_pl.training.face_targets import embed_prompts
from stylewav_pl.training.learning_rates import damped_cosine
from stylewav_pl.training.loop import run_steps
from stylewav_pl.training.prior_samples import Samples, make_samples
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.registry import resolve

EARS = ("pocket", "pocket-speaker")
SAMPLES = 16_000
STEPS = 2_500
BATCH = 256
LEARNING_RATE, WEIGHT_DECAY = 1.5e-3, 0.01
WARM_UP = 100
CONDITION_NOISE = 0.6
DROPPED = 0.1
AVERAGE_DECAY = 0.995
SMALLEST_NORMAL = 0.1  # of the largest; an answer between two others has a normal that is noise
EPSILON = 1e-4  # of the mean variance of w, added to every direction: some hardly vary


def train(
    output: Path,
    *,
    generator: str | Path = "pocket",
    clip_model: str | Path = "pocket",
    preprocess: Preprocess = "clip",
    ears: Sequence[str | Path] = EARS,
    seed: int = 0,
    steps: int = STEPS,
    samples: int = SAMPLES,
    network: Mapping[str, Any] | None = None,
    device: str = "cpu",
    threads: int = 1,
    resume: bool = True,
    save_every: int = 250,
    progress: bool = True,
) -> None:
    """Trains a prior and writes it (float16).

    Args:
        output: The weight file; ``<output>.samples`` and ``<output>.state`` beside it hold what is needed to
            go on after an interruption.
        generator: Whose latents it shall give.
        clip_model: The guide that looks at the images.
        preprocess: How images reach the guide.
        ears: Audio encoders whose targets' mean and directions are stored; those that are not there are left
            out. For others it is found when they are used.
        seed: Decides on everything random; step ``i`` is the same however often the training was interrupted.
        steps: Optimiser steps of 256 samples.
        samples: How many images are made.
        network: Other sizes than those of :class:`.FlowNetwork`.
        device: Where to train; results repeat on the CPU.
        threads: Processor cores to use.
        resume: Whether to go on from the files of an interrupted training.
        save_every: Steps between two state files.
        progress: Whether to show progress bars.

    Raises:
        WeightsError: A network cannot be loaded.
    """
    torch.set_num_threads(threads)
    heard = {sha256_of(resolve(ear, "audio")): ear for ear in ears if _is_there(ear)}
    belongings = Belongings(
        sha256_of(resolve(generator, "generator")),
        sha256_of(resolve(clip_model, "image_text")),
        preprocess,
        tuple(heard),
    )
    kept, state = (output.with_name(f"{output.name}.{name}") for name in ("samples", "state"))
    if not resume:
        kept.unlink(missing_ok=True)
        state.unlink(missing_ok=True)
    made = make_samples(kept, belongings, generator, clip_model, samples, seed, device, progress)
    flow = FlowNetwork(made.vectors.shape[1], made.latents.shape[1], **(network or {}))
    prompts = embed_prompts(load_image_text_embedder(clip_model))
    prior = Prior(flow, belongings, questions=tuple(map(len, prompts)))
    measure(prior, made, [load_audio_embedder(ear) for ear in heard.values()], prompts)
    training = PriorTraining.begin(prior, made, seed, device)
    first = training.restore(state) if state.is_file() else 0
    run_steps(
        lambda step: {"loss": training.step(step, steps)},
        lambda done: training.keep(state, done),
        steps=range(first, steps),
        save_every=save_every,
        name="prior",
        progress=progress,
    )
    prior.network.load_state_dict(training.average)
    save_prior(output, prior)
    kept.unlink(missing_ok=True)
    state.unlink(missing_ok=True)


def _is_there(ear: str | Path) -> bool:
    try:
        load_audio_embedder(ear)
    except WeightsError:
        return False
    return True


@torch.no_grad()
def measure(
    prior: Prior,
    samples: Samples,
    ears: Sequence[AudioEmbedder],
    questions: Sequence[Float[Tensor, "_ embed"]],
) -> None:
    """Writes the means, how w is whitened, what follows from it, what is held, and words into a prior."""
    mean, centred = samples.latents.mean(dim=0), samples.latents - samples.latents.mean(dim=0)
    covariance = centred.T @ centred / len(centred)
    covariance += EPSILON * covariance.diagonal().mean() * torch.eye(len(covariance))
    prior.w_mean.copy_(mean)
    prior.w_scale.copy_(torch.linalg.cholesky(covariance))
    prior.image_mean.copy_(samples.vectors.mean(dim=0))
    white = whitened(samples.latents, prior)
    prior.image_map.copy_((samples.vectors - prior.image_mean).T @ white / len(white))
    prior.held = held_directions(white, samples.answers)
    prior.words.copy_(torch.cat(list(questions)))
    for row, ear in enumerate(ears):
        heard = voice_targets(ear)
        prior.ear_means[row] = mean_target(heard)
        prior.ear_directions[row] = voice_directions(heard, VOICE_DIRECTIONS)


def held_directions(
    white: Float[Tensor, "sample width"], answers: Int[Tensor, "sample question"]
) -> Float[Tensor, "held width"]:
    """Returns orthonormal directions of whitened w along which the answers change.

    Linear regression of each answer on w gives a normal; they span what moves must leave alone.

    Args:
        white: Whitened latents.
        answers: The index of the answer to each question.
    """
    design = torch.cat([torch.ones(len(white), 1), white], dim=1)
    given = torch.cat([F.one_hot(column).float() for column in answers.T], dim=1)
    normals = torch.linalg.lstsq(design, given).solution[1:]  # [width, answer]
    basis, sizes, _ = torch.linalg.svd(normals, full_matrices=False)
    # The answers to a question add up to one, so that one of their normals follows from the others.
    held: Tensor = basis[:, sizes > SMALLEST_NORMAL * sizes[0]].T.contiguous()
    return held


def whitened(latents: Float[Tensor, "sample width"], prior: Prior) -> Float[Tensor, "sample width"]:
    """Returns w with mean zero and the identity as covariance."""
    white: Tensor = torch.linalg.solve_triangular(prior.w_scale, (latents - prior.w_mean).T, upper=False).T
    return white


@dataclass
class PriorTraining:
    """What changes while a prior learns.

    Attributes:
        network: The velocity.
        average: Its weights, averaged over the steps; what is used in the end.
        optimiser: Moves the weights.
        white: Whitened latents.
        vectors: What the guide saw.
        seed: Decides each step.
    """

    network: FlowNetwork
    average: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    white: Float[Tensor, "sample width"]
    vectors: Float[Tensor, "sample embed"]
    seed: int

    @classmethod
    def begin(cls, prior: Prior, samples: Samples, seed: int, device: str) -> "PriorTraining":
        """Returns the untrained network and all that goes with it."""
        torch.manual_seed(seed)
        network = FlowNetwork(**prior.network.config).to(device)
        white = whitened(samples.latents, prior)
        optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        average = {name: value.detach().clone() for name, value in network.state_dict().items()}
        return cls(network, average, optimiser, white.to(device), samples.vectors.to(device), seed)

    def step(self, step: int, steps: int) -> float:
        """Learns from one batch; returns its loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * damped_cosine(step, steps, WARM_UP)
        loss = self.loss(torch.Generator().manual_seed(self.seed * 1_000_003 + step))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        decay = min(AVERAGE_DECAY, (step + 1) / (step + 10))  # the first steps are soon forgotten
        for name, value in self.network.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)
        return loss.item()

    def loss(self, random: torch.Generator) -> Float[Tensor, ""]:
        """Returns the mean squared error of the velocity at random points between noise and latents."""
        count, device = min(BATCH, len(self.white)), self.white.device
        rows = torch.randint(len(self.white), (count,), generator=random)
        white = self.white[rows.to(device)]
        vectors = self.vectors[rows.to(device)]
        blur = F.normalize(torch.randn(vectors.shape, generator=random), dim=-1).to(device)
        kept = (torch.rand(count, 1, generator=random) >= DROPPED).to(vectors)
        conditions = kept * F.normalize(vectors + CONDITION_NOISE * blur, dim=-1)
        noise = torch.randn(white.shape, generator=random).to(device)
        times = torch.rand(count, generator=random).to(device)
        points = torch.lerp(noise, white, times[:, None])
        return F.mse_loss(self.network(points, times, conditions), white - noise)

    def keep(self, path: Path, step: int) -> None:
        """Writes the state from which :meth:`restore` goes on; a torn file is never seen."""
        state = {"step": step, "network": self.network.state_dict(), "average": self.average}
        part = path.with_name(path.name + ".part")
        torch.save({**state, "optimiser": self.optimiser.state_dict()}, part)
        part.replace(path)

    def restore(self, path: Path) -> int:
        """Reads what :meth:`keep` wrote; returns the next step."""
        kept: dict[str, Any] = torch.load(path, map_location=self.white.device, weights_only=True)
        self.network.load_state_dict(kept["network"])
        self.average = kept["average"]
        self.optimiser.load_state_dict(kept["optimiser"])
        return int(kept["step"])
