"""How near generated pictures come to real ones, and how much of the real ones they cover: by features."""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics.image.kid import KernelInceptionDistance

from stylewav_pl.evaluation.statistics import NotComputable

SUBSETS = 50
LARGEST_SUBSET = 1000  # that of the source
NEIGHBOURS = 3  # the source's choice
Real, Made = Float[Tensor, "real feature"], Float[Tensor, "made feature"]


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """The kernel inception distance of generated pictures to real ones, by any features.

    Source: Binkowski et al. 2018, arXiv:1801.01401: an unbiased estimate, which may be below zero.

    Attributes:
        mean: Over random subsets.
        deviation: Between them.
    """

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Manifold:
    """Which share lies where the others lie.

    Source: Kynkaanniemi et al. 2019, arXiv:1904.06991.

    Attributes:
        precision: Of the generated pictures, those within reach of a real one, in [0, 1].
        recall: Of the real pictures, those within reach of a generated one, in [0, 1].
    """

    precision: float
    recall: float


def kernel_distance(real: Real, made: Made, seed: int = 0) -> KernelDistance | NotComputable:
    """Returns how far the distribution of ``made`` is from that of ``real``; 0: not at all.

    Args:
        real: Features of real pictures.
        made: Of generated ones.
        seed: Of the subsets, each of half of the smaller set.
    """
    size = min(len(real), len(made)) // 2
    if size < 2:
        return NotComputable("fewer than four pictures")
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*will save all extracted features"
        )  # they are here anyway
        metric = KernelInceptionDistance(
            nn.Identity(), subsets=SUBSETS, subset_size=min(size, LARGEST_SUBSET)
        )
    metric.update(real, real=True)
    metric.update(made, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, deviation = metric.compute()
    return KernelDistance(float(mean), float(deviation))


def manifold(real: Real, made: Made) -> Manifold | NotComputable:
    """Returns precision and recall.

    A picture reaches as far as to the third nearest of its own kind. With more real than generated pictures
    both depend on the numbers: compare generators by as many pictures.

    >>> line = torch.arange(5.0)[:, None]
    >>> manifold(line, line + 2)
    Manifold(precision=1.0, recall=1.0)
    >>> manifold(line, torch.full((5, 1), 100.0))
    Manifold(precision=0.0, recall=0.0)
    """
    if min(len(real), len(made)) <= NEIGHBOURS:
        return NotComputable(f"fewer than {NEIGHBOURS + 1} pictures")
    apart = torch.cdist(made, real)  # [made, real]
    return Manifold(
        precision=float((apart <= _reach(real)).any(dim=1).float().mean()),
        recall=float((_reach(made) >= apart.T).any(dim=1).float().mean()),
    )


def _reach(features: Float[Tensor, "image feature"]) -> Float[Tensor, " image"]:
    """Returns the distance of each to its third nearest, itself not counted."""
    return torch.cdist(features, features).kthvalue(NEIGHBOURS + 1, dim=1).values


def mean_distance(features: Float[Tensor, "image feature"]) -> float | NotComputable:
    """Returns the mean distance of two different pictures.

    >>> mean_distance(torch.tensor([[0.0], [1.0], [2.0]]))
    1.3333333730697632
    """
    count = len(features)
    if count < 2:
        return NotComputable("fewer than two pictures")
    return float(torch.cdist(features, features).sum() / (count * (count - 1)))
