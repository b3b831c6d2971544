"""Objectives against loops over clips and coordinates, and their gradients against finite differences."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.errors import ConfigError
from stylewav_pl.optimisation.loss import CohortLoss, Seen
from stylewav_pl.optimisation.objective import Objective, cosine_similarity, squared_distance
from stylewav_pl.optimisation.terms import DistanceToStart, Similarity


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_cosine_is_that_of_each_clip_with_its_own_target() -> None:
    embeddings, targets = F.normalize(random(4, 6), dim=-1), F.normalize(random(4, 6, seed=1), dim=-1)
    found = cosine_similarity(embeddings, targets)
    for row, value in enumerate(found.tolist()):
        angle = math.acos(
            sum(a * b for a, b in zip(embeddings[row].tolist(), targets[row].tolist(), strict=True))
        )
        assert value == pytest.approx(math.cos(angle), abs=1e-12)


@pytest.mark.parametrize("shape", [(5,), (3, 5)], ids=["W", "W+"])
def test_squared_distance_over_all_axes_of_a_latent(shape: tuple[int, ...]) -> None:
    latents, start = random(4, *shape), random(*shape, seed=1)
    for row, value in enumerate(squared_distance(latents, start).tolist()):
        pairs = zip(latents[row].flatten().tolist(), start.flatten().tolist(), strict=True)
        assert value == pytest.approx(sum((a - b) ** 2 for a, b in pairs))


def test_each_clip_may_have_a_start_of_its_own() -> None:
    latents, starts = random(4, 3), random(4, 3, seed=1)
    expected = torch.cat([squared_distance(latents[[row]], starts[row]) for row in range(4)])
    assert torch.equal(squared_distance(latents, starts), expected)


def seen(similarities: Tensor, latents: Tensor) -> Seen:
    nothing = similarities.new_zeros(len(similarities), 1)
    return Seen(0, nothing, nothing, similarities, latents)


def plain(objective: Objective, starts: Tensor) -> CohortLoss:
    """The two terms that need no network."""
    none = starts.new_zeros(len(starts), 1)
    return CohortLoss(
        {
            "similarity": Similarity(objective.similarity, objective.logit_scale, none, "cosine", True),
            "distance_to_start": DistanceToStart(objective.distance_to_start, starts, None),
        }
    )


def test_the_loss_is_the_weighted_sum_of_each_clip() -> None:
    similarities, latents, starts = (
        torch.tensor([0.2, -0.5], dtype=torch.float64),
        random(2, 3, 4),
        random(2, 3, 4, seed=1),
    )
    objective = Objective(similarity=2.0, distance_to_start=0.3, logit_scale=1 / 7)
    for row, value in enumerate(plain(objective, starts)(seen(similarities, latents)).tolist()):
        distance = math.dist(latents[row].flatten().tolist(), starts[row].flatten().tolist()) ** 2
        assert value == pytest.approx(2.0 * (1 - float(similarities[row]) / 7) + 0.3 * distance)


def test_stylewav_loss_of_the_paper() -> None:
    term = Similarity(1.0, (1 / 0.07) / 100, torch.zeros(1, 1), "cosine", is_scored=True)
    assert term(seen(torch.tensor([0.25]), torch.zeros(1, 2))).item() == pytest.approx(1 - 0.25 / 7)


def test_a_clip_knows_nothing_of_its_company() -> None:
    latents, starts, similarities = (
        random(5, 3),
        random(5, 3, seed=1),
        torch.linspace(-1, 1, 5, dtype=torch.float64),
    )
    objective = Objective(distance_to_start=0.1)
    together = plain(objective, starts)(seen(similarities, latents))
    alone = torch.cat(
        [plain(objective, starts[[row]])(seen(similarities[[row]], latents[[row]])) for row in range(5)]
    )
    assert torch.equal(together, alone)


def test_gradients() -> None:
    starts, target = random(2, 4, seed=1), F.normalize(random(2, 4, seed=2), dim=-1)

    def loss(latents: Tensor) -> Tensor:
        near = cosine_similarity(F.normalize(latents, dim=-1), target)
        return plain(Objective(distance_to_start=0.5), starts)(seen(near, latents))

    assert torch.autograd.gradcheck(loss, (random(2, 4).requires_grad_(),))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"measure": "whitened"}, "distance_to_start is 0"),
        ({"identity": -1.0}, "model.objective.identity"),
    ],
)
def test_wrong_weights_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Objective(**settings)
