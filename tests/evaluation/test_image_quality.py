"""Features of pictures, and what is computed from them."""

import pytest
import torch
from torch.nn import functional

from stylewav_pl.evaluation.image_features import RandomFeatures, standardised
from stylewav_pl.evaluation.image_quality import (
    KernelDistance,
    Manifold,
    kernel_distance,
    manifold,
    mean_distance,
)
from stylewav_pl.evaluation.statistics import NotComputable
from stylewav_pl.pocket.faces import Z_DIM, render


def slow_kernel_distance(real: torch.Tensor, made: torch.Tensor) -> float:
    """The unbiased squared maximum mean discrepancy of the cubic kernel, pair by pair."""

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return float(((x * y).mean() + 1) ** 3)

    def within(rows: torch.Tensor) -> float:
        pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
        return sum(kernel(rows[i], rows[j]) for i, j in pairs) / len(pairs)

    across = sum(kernel(x, y) for x in real for y in made) / (len(real) * len(made))
    return within(real) + within(made) - 2 * across


def test_the_kernel_distance_is_that_of_its_source() -> None:
    chance = torch.Generator().manual_seed(0)
    real, made = torch.randn(24, 8, generator=chance), 1 + torch.randn(20, 8, generator=chance)
    found = kernel_distance(real, made)
    assert isinstance(found, KernelDistance)
    # means over random halves of an unbiased estimate
    assert found.mean == pytest.approx(slow_kernel_distance(real, made), rel=0.15)
    near = kernel_distance(real, torch.randn(20, 8, generator=chance))
    assert isinstance(near, KernelDistance) and abs(near.mean) < 0.1 * found.mean


def test_the_kernel_distance_depends_on_its_seed_alone() -> None:
    chance = torch.Generator().manual_seed(0)
    real, made = torch.randn(9, 4, generator=chance), torch.randn(8, 4, generator=chance)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = kernel_distance(real, made)
    assert torch.equal(torch.rand(1), expected)
    assert first == kernel_distance(real, made) != kernel_distance(real, made, seed=1)


def test_precision_and_recall_count_neighbours() -> None:
    chance = torch.Generator().manual_seed(3)
    real, made = torch.randn(15, 2, generator=chance), 0.7 + torch.randn(12, 2, generator=chance)

    def covered(points: torch.Tensor, by: torch.Tensor) -> float:
        reach = [sorted(float((one - other).norm()) for other in by)[3] for one in by]
        hits = [any((p - one).norm() <= r for one, r in zip(by, reach, strict=True)) for p in points]
        return sum(map(bool, hits)) / len(points)

    found = manifold(real, made)
    assert isinstance(found, Manifold)
    assert found.precision == pytest.approx(covered(made, real))
    assert found.recall == pytest.approx(covered(real, made))


def test_too_few_pictures_give_no_number() -> None:
    few, one = torch.randn(3, 2), torch.randn(1, 2)
    assert isinstance(kernel_distance(few, few), NotComputable)
    assert isinstance(manifold(few, few), NotComputable)
    assert isinstance(mean_distance(one), NotComputable)


def test_features_tell_drawn_faces_from_damaged_ones() -> None:
    """The more damage the farther; and the network is the same each time, without moving anybody's chance."""
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    network = RandomFeatures()
    assert torch.equal(torch.rand(1), expected)
    chance = torch.Generator().manual_seed(0)
    faces = render(torch.randn(36, Z_DIM, generator=chance), 64)
    real = network.of_all(faces[:20])
    assert real.shape == (20, network.width)
    assert torch.equal(RandomFeatures()(faces[:1]), network(faces[:1]))

    def distance(images: torch.Tensor) -> float:
        found = kernel_distance(standardised(real, real), standardised(network.of_all(images), real))
        assert isinstance(found, KernelDistance)
        return found.mean

    others = faces[20:]
    blurred = functional.interpolate(functional.avg_pool2d(others, 8), size=64, mode="bilinear")
    noise = torch.randn(others.shape, generator=chance)
    assert distance(others) < 0.3 < distance(others + 0.3 * noise) < distance(others + noise)
    assert distance(others) < 0.3 < distance(blurred)


def test_pictures_of_several_sizes_are_seen_at_one() -> None:
    network = RandomFeatures()
    small = render(torch.randn(1, Z_DIM, generator=torch.Generator().manual_seed(0)), 64)[0]
    large = functional.interpolate(small[None], scale_factor=2, mode="nearest")[0]
    seen = network.of_all(iter([small, large, small]))
    assert torch.equal(seen[0], seen[2])
    assert (seen[0] - seen[1]).norm() < 0.2 * seen[0].norm()
