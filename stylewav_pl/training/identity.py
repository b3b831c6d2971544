"""Trains the pocket identity network; see ``pocket train identity``.

A contrastive loss (NT-Xent, Chen et al. 2020, arXiv:2002.05709) on two faces of each identity of a batch,
drawn or generated, which share nothing else: the two lie together, all others apart. A linear readout of the
numbers behind an identity, thrown away in the end, teaches what is smaller than the tone of the skin.
"""

import glob
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW, Optimizer
from tqdm import tqdm

from stylewav_pl.embedders.pocket_identity import PocketIdentityNetwork, unit
from stylewav_pl.generators import load_generator
from stylewav_pl.pocket.faces.attributes import IDENTITY
from stylewav_pl.training.identity_faces import VERSIONS, WINDOW, People, people
from stylewav_pl.training.image_augmentation import move, recolour
from stylewav_pl.training.learning_rates import damped_cosine, set_rates
from stylewav_pl.training.loop import descend, move_average, run_resumable
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import save_weights

KIND, ARCHITECTURE = "identity", "separable"
PEOPLE = 4000
STEPS = 1500
BATCH = 48  # identities, two faces each
TEMPERATURE = 0.1
READOUT_WEIGHT = 10.0
READOUT_SCALE = 8.0  # unit vectors are small for a linear layer
LEARNING_RATE, WEIGHT_DECAY = 4e-3, 0.02
AVERAGE_DECAY = 0.995
MOVED, RECOLOURED = 0.25, 0.5  # of what CLIP models learn to overlook: the suite's faces are all aligned
BORDER = slice(8, -8)  # of a stored window round what the network sees


def train(
    output: Path,
    *,
    steps: int = STEPS,
    seed: int = 0,
    identities: int = PEOPLE,
    generator: str | Path = "pocket",
    resume: bool = True,
    device: str = "cpu",
    threads: int = 2,
    save_every: int = 200,
    progress: bool = True,
) -> None:
    """Trains the network and writes it (float16).

    The weights written every ``save_every`` steps are usable, though unfinished.

    Args:
        output: The weight file; ``<output>.<settings>.faces`` and ``<output>.state`` beside it hold what is
            needed to go on after an interruption.
        steps: Optimiser steps; all take about twenty minutes on one core, and the faces three before.
        seed: Decides on everything random.
        identities: How many there are, four faces each.
        generator: Whose faces are seen beside drawn ones.
        resume: Whether to go on from the files of an interrupted training.
        device: Where to train.
        threads: Processor cores to use.
        save_every: Steps between two state files.
        progress: Whether to show progress bars.

    Raises:
        WeightsError: The generator cannot be loaded.
    """
    torch.set_num_threads(threads)
    kept = faces_beside(output, identities, seed, generator)
    for other in output.parent.glob(f"{glob.escape(output.name)}.*faces*"):
        if not resume or other != kept:
            other.unlink()

    def shown(starts: range) -> Iterable[int]:
        bar: Iterable[int] = tqdm(starts, desc="faces", disable=not progress, mininterval=5)
        return bar

    crowd = people(kept, identities, seed, load_generator(generator), shown)
    training = IdentityTraining.begin(crowd, seed, device)
    run_resumable(
        training,
        lambda step: training.step(step, steps),
        lambda: write(output, training.average),
        output,
        steps=steps,
        resume=resume,
        save_every=save_every,
        name="identity",
        progress=progress,
    )
    kept.unlink(missing_ok=True)


def faces_beside(output: Path, identities: int, seed: int, generator: str | Path) -> Path:
    """Returns where faces are kept: by all that decides them, so that no start learns from those of another.

    Args:
        output: The weight file.
        identities: How many there are.
        seed: Of the training.
        generator: Makes half of the faces.

    Raises:
        WeightsError: There is no such generator.
    """
    maker = sha256_of(resolve(generator, "generator"))[:12]
    return output.with_name(f"{output.name}.{identities}-{seed}-{maker}.faces")


def write(output: Path, network: PocketIdentityNetwork) -> None:
    """Writes a network (float16)."""
    tensors = {name: one for name, one in network.state_dict().items() if one.is_floating_point()}
    save_weights(
        output,
        kind=KIND,
        architecture=ARCHITECTURE,
        config=network.config,
        tensors=tensors,
        dtype=torch.float16,
    )


@dataclass
class IdentityTraining:
    """What changes while identities are learned, and the faces.

    Attributes:
        crowd: The faces.
        network: Learns.
        average: Its weights, averaged over the steps; what is used in the end.
        readout: From embeddings to the numbers behind an identity; thrown away.
        optimiser: Moves the weights.
        seed: Decides each step.
    """

    crowd: People
    network: PocketIdentityNetwork
    average: PocketIdentityNetwork
    readout: nn.Linear
    optimiser: Optimizer
    seed: int

    @classmethod
    def begin(cls, crowd: People, seed: int, device: str = "cpu") -> "IdentityTraining":
        """Returns the training before its first step."""
        torch.manual_seed(seed)
        network = PocketIdentityNetwork().to(device).to(memory_format=torch.channels_last)
        readout = nn.Linear(network.embed.out_features, len(IDENTITY)).to(device)
        learned = [*network.parameters(), *readout.parameters()]
        optimiser = AdamW(learned, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        return cls(crowd, network, deepcopy(network).requires_grad_(False), readout, optimiser, seed)

    def step(self, step: int, steps: int) -> dict[str, float]:
        """Learns from one batch; returns its losses."""
        faces, numbers = self.batch(step)
        embeddings = unit(self.network(faces))
        first, second = embeddings.chunk(2)
        alike = contrastive_loss(first, second, TEMPERATURE)
        read = F.mse_loss(self.readout(READOUT_SCALE * embeddings), numbers)
        set_rates([self.optimiser], damped_cosine(step, steps))
        descend([self.optimiser], alike + READOUT_WEIGHT * read)
        decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
        move_average(self.average, self.network, decay)
        move_statistics(self.average, self.network, decay)
        return {"alike": alike.item(), "read": read.item()}

    def batch(self, step: int) -> tuple[Float[Tensor, "face 3 80 80"], Float[Tensor, "face number"]]:
        """Returns augmented faces, the second of each identity after all the first, and their numbers."""
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        count = len(self.crowd.identities)
        rows = torch.randperm(count, generator=rng)[: min(BATCH, count)]
        first = torch.randint(VERSIONS, (len(rows),), generator=rng)
        second = (first + torch.randint(1, VERSIONS, (len(rows),), generator=rng)) % VERSIONS
        twice = rows.repeat(2)
        windows = self.crowd.images(twice, torch.cat([first, second]))
        assert windows.shape[-1] == WINDOW
        faces = recolour(move(windows, rng, MOVED), rng, RECOLOURED)[:, :, BORDER, BORDER]
        device = self.readout.weight.device
        faces = faces.to(device).contiguous(memory_format=torch.channels_last)
        return faces, self.crowd.identities[twice].to(device)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The network, its average, and the readout that is thrown away."""
        return {"network": self.network, "average": self.average, "readout": self.readout}

    @property
    def optimisers(self) -> list[Optimizer]:
        """The only one."""
        return [self.optimiser]


@torch.no_grad()
def move_statistics(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moves the statistics of normalisation as :func:`.move_average` moves the parameters."""
    for ours, theirs in zip(average.buffers(), network.buffers(), strict=True):
        if ours.is_floating_point():
            ours.lerp_(theirs, 1 - decay)


def contrastive_loss(
    first: Float[Tensor, "pair embed"], second: Float[Tensor, "pair embed"], temperature: float
) -> Float[Tensor, ""]:
    """Returns the mean cross-entropy of finding each unit vector's partner among all others.

    Source: NT-Xent of SimCLR (Chen et al. 2020, arXiv:2002.05709).

    >>> round(contrastive_loss(torch.eye(2), torch.eye(2), 1.0).item(), 4)  # log(e + 2) - 1
    0.5514
    """
    vectors = torch.cat([first, second])
    logits = (vectors @ vectors.T / temperature).fill_diagonal_(float("-inf"))
    partners = torch.arange(len(vectors), device=vectors.device).roll(len(first))
    return F.cross_entropy(logits, partners)
