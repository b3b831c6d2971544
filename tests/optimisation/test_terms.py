"""Terms against loops over clips and against formulas written another way, and their gradients."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.generators import LinearGenerator
from stylewav_pl.optimisation.closeness import HARDLY_MOVED, alignment, closeness, standards
from stylewav_pl.optimisation.loss import CohortLoss, Seen
from stylewav_pl.optimisation.terms import AtStart, Direction, Identity, PromptPull
from stylewav_pl.optimisation.whitening import SMALLEST_SHARE, Whitening


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit(*shape: int, seed: int = 0) -> Tensor:
    return F.normalize(random(*shape, seed=seed), dim=-1)


def seen(embeddings: Tensor, step: int = 0) -> Seen:
    cohort = len(embeddings)
    return Seen(step, embeddings.new_zeros(cohort, 3, 2, 2), embeddings, embeddings[:, 0], embeddings)


def pull(weight: float, stop: float | None, bank: Tensor, vectors: Tensor, units: Tensor) -> PromptPull:
    means, spreads = standards(bank, vectors, "cosine")
    weights = torch.full_like(means, weight)
    return PromptPull(vectors, weights, means, spreads, units, stop, "cosine")


def test_spherical_is_half_of_the_squared_angle() -> None:
    x, y = unit(6, 5), unit(6, 5, seed=1)
    angles = torch.tensor([math.acos(float(a @ b)) for a, b in zip(x, y, strict=True)], dtype=torch.float64)
    torch.testing.assert_close(closeness(x, y, "spherical"), 1 - angles.square() / 2)
    same = x.clone().requires_grad_()
    closeness(same, x, "spherical").sum().backward()
    assert same.grad.isfinite().all()


def test_standards_are_those_of_each_vector_alone() -> None:
    bank, vectors = unit(40, 5), unit(3, 5, seed=1)
    means, spreads = standards(bank, vectors, "cosine")
    for row in range(3):
        cosines = [float(face @ vectors[row]) for face in bank]
        mean = sum(cosines) / 40
        assert means[row] == pytest.approx(mean)
        assert spreads[row] == pytest.approx(math.sqrt(sum((one - mean) ** 2 for one in cosines) / 40))
        alone = standards(bank, vectors[[row]], "cosine")
        assert torch.equal(alone[0], means[[row]]) and torch.equal(alone[1], spreads[[row]])


def test_equal_weights_pull_equally_whatever_the_scale_of_a_prompt() -> None:
    """A prompt whose cosine hardly varies pulls one standard deviation as hard as one that varies much."""
    bank = F.normalize(torch.cat([random(200, 2), random(200, 3, seed=1) * 0.05], dim=1), dim=-1)
    wide, narrow = torch.eye(5, dtype=torch.float64)[[0]], torch.eye(5, dtype=torch.float64)[[4]]
    units = torch.ones(1, dtype=torch.float64)
    for vector in (wide, narrow):
        spread = standards(bank, vector, "cosine")[1]
        at = [seen(vector * value) for value in (0.0, float(spread))]
        term = pull(1.0, None, bank, vector, units)
        assert (term(at[0]) - term(at[1])).item() == pytest.approx(1.0)
    assert standards(bank, wide, "cosine")[1] > 5 * standards(bank, narrow, "cosine")[1]


@pytest.mark.parametrize("stop", [None, 0.0, 1.5])
def test_a_negative_prompt_acts_above_its_stop_only(stop: float | None) -> None:
    bank, vector = unit(50, 4), unit(1, 4, seed=1)
    means, spreads = standards(bank, vector, "cosine")
    term = pull(-2.0, stop, bank, vector, spreads)
    for z in (-3.0, -0.1, 0.4, 2.0):
        faces = (vector * (means + z * spreads)).requires_grad_()
        value = term(seen(faces))
        value.sum().backward()
        expected = 2.0 * float(spreads) * max(z - (stop or 0.0), 0.0)
        assert value.item() == pytest.approx(expected, abs=1e-12)
        assert bool((faces.grad != 0).any()) == (expected > 0)


def test_a_positive_prompt_stops_pulling() -> None:
    bank, vector = unit(50, 4), unit(1, 4, seed=1)
    means, spreads = standards(bank, vector, "cosine")
    term = pull(1.0, 1.0, bank, vector, spreads)
    near, far = (seen(vector * (means + z * spreads)) for z in (1.2, 0.5))
    assert term(near).item() == 0
    assert term(far).item() == pytest.approx(0.5 * float(spreads))


def test_alone_in_its_own_units_a_prompt_is_the_plain_cosine() -> None:
    bank, vectors, faces = unit(50, 4), unit(3, 4, seed=1), unit(3, 4, seed=2)
    units = standards(bank, vectors, "cosine")[1]
    term = pull(1.0, None, bank, vectors, units)
    torch.testing.assert_close(term(seen(faces)), 1 - (faces * vectors).sum(dim=-1))


def test_the_direction_has_a_slope_where_nothing_has_moved() -> None:
    start, directions = unit(2, 4), unit(2, 4, seed=1)
    faces = start.clone().requires_grad_()
    term = Direction(directions, torch.ones(2, dtype=torch.float64), AtStart(lambda one: one.embeddings))
    value = term(seen(faces))
    assert value.tolist() == [1.0, 1.0]
    value.sum().backward()
    torch.testing.assert_close(faces.grad, -directions / HARDLY_MOVED)
    moved = term(seen(start + 2 * directions, step=1))
    torch.testing.assert_close(moved, 1 - 2 / torch.full((2,), 4 + HARDLY_MOVED**2).double().sqrt())


def test_away_from_a_direction_stops_when_it_is_crossed() -> None:
    start, directions = unit(1, 4), unit(1, 4, seed=1)
    term = Direction(directions, torch.tensor([-1.0]).double(), AtStart(lambda one: one.embeddings))
    term(seen(start))
    assert term(seen(start - directions)).item() == 0
    assert term(seen(start + directions)).item() == pytest.approx(alignment(directions, directions).item())


def test_what_belongs_to_the_start_is_asked_once() -> None:
    calls: list[int] = []

    def look(one: Seen) -> Tensor:
        calls.append(one.step)
        return F.normalize(one.latents, dim=-1)

    faces = unit(3, 4)
    term = Identity(0.5, look, AtStart(look))
    assert term(seen(faces)).abs().max() < 1e-12
    turned = term(seen(-faces, step=1))
    torch.testing.assert_close(turned, torch.ones(3, dtype=torch.float64))
    assert calls == [0, 0, 1]


def test_the_loss_is_the_sum_of_its_terms_and_names_them() -> None:
    loss = CohortLoss({"a": lambda one: one.similarities, "b": lambda one: 2 * one.similarities})
    found = loss.values(seen(unit(3, 4)))
    assert list(found) == ["a", "b"]
    assert torch.equal(loss(seen(unit(3, 4))), found["a"] + found["b"])


class Leaky(LinearGenerator):
    """Its w end with a leaky ReLU, as those of a mapping network do, and vary differently along each axis."""

    def map(self, z, truncation=1.0, cutoff=None):
        return F.leaky_relu(z * torch.linspace(0.5, 2.0, z.shape[1]) + 0.3, 0.2)


def test_whitened_w_have_unit_covariance() -> None:
    generator = Leaky()
    white = Whitening.of(generator)
    z = torch.randn(20_000, generator.z_dim, generator=torch.Generator().manual_seed(9))
    covariance = torch.cov(white.whitened(generator.map(z)).T)
    torch.testing.assert_close(covariance, torch.eye(len(covariance)), atol=0.06, rtol=0)


def test_a_direction_in_which_w_never_varies_stays_finite() -> None:
    class Flat(LinearGenerator):
        def map(self, z, truncation=1.0, cutoff=None):
            w = z.clone()
            w[:, 0] = 0
            return w

    white = Whitening.of(Flat())
    assert white.matrix.isfinite().all()
    assert white.matrix.abs().max() < 1.1 / math.sqrt(SMALLEST_SHARE * 0.1)
