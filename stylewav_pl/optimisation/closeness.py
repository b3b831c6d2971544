"""How near images and prompts are in CLIP space, and on which scale."""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Distance = Literal["cosine", "spherical"]
DISTANCES = get_args(Distance)
SMALLEST_SPREAD = 1e-3  # of cosines over a bank: below it rounding would decide
HARDLY_MOVED = 0.05  # length of a change of an embedding below which its direction counts less


def closeness(
    embeddings: Float[Tensor, "*batch embed"], vectors: Float[Tensor, "*batch embed"], distance: Distance
) -> Float[Tensor, "*batch"]:
    """Returns the cosine of unit vectors, or 1 - half of their squared great-circle distance.

    Both are 1 at the same place.

    ``2 asin^2(|x - y| / 2)`` is half of the squared angle: unlike 1 - cosine it pulls the harder, the farther
    the two are apart. Source: Crowson et al. 2022, "VQGAN-CLIP", arXiv:2204.08583.

    >>> x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> closeness(x, y, "cosine").item(), round(closeness(x, y, "spherical").item(), 4)
    (0.0, -0.2337)
    """
    cosine = (embeddings * vectors).sum(dim=-1)
    if distance == "cosine":
        return cosine
    half_chord = ((1 - cosine) / 2).clamp(1e-12, 1 - 1e-6).sqrt()  # |x - y| / 2, whose slope is finite
    return 1 - 2 * half_chord.asin().square()


def standards(
    bank: Float[Tensor, "sample embed"], vectors: Float[Tensor, "clip embed"], distance: Distance
) -> tuple[Float[Tensor, " clip"], Float[Tensor, " clip"]]:
    """Returns mean and spread of each vector's closeness to a bank of embeddings.

    One vector at a time, so that a clip's numbers do not depend on its company.

    Raises:
        ValueError: The bank is empty.
    """
    if not len(bank):
        raise ValueError("Expected a bank of embeddings, found an empty one.")
    rows = [closeness(bank, vector.expand_as(bank), distance) for vector in vectors]
    if not rows:
        return vectors.new_zeros(0), vectors.new_ones(0)
    means = torch.stack([row.mean() for row in rows])
    spreads = torch.stack([row.std(unbiased=False) for row in rows])
    return means, spreads.clamp_min(SMALLEST_SPREAD)


def alignment(
    change: Float[Tensor, "*batch embed"], direction: Float[Tensor, "*batch embed"]
) -> Float[Tensor, "*batch"]:
    """Returns the cosine of a change with a unit vector; towards 0 where hardly anything has changed.

    ``change . direction / sqrt(|change|^2 + HARDLY_MOVED^2)``: at the start nothing has changed, where the
    cosine itself has no value and no slope.

    >>> round(alignment(torch.tensor([0.3, 0.4]), torch.tensor([1.0, 0.0])).item(), 3)
    0.597
    """
    length = (change.square().sum(dim=-1) + HARDLY_MOVED**2).sqrt()
    return (change * direction).sum(dim=-1) / length


def unit_or_zero(vectors: Float[Tensor, "*batch embed"]) -> Float[Tensor, "*batch embed"]:
    """Returns vectors at unit length; those that are zero stay zero.

    >>> unit_or_zero(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    return F.normalize(vectors, dim=-1, eps=math.sqrt(torch.finfo(vectors.dtype).tiny))
