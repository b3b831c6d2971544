"""Each function against scipy, against a slow reference, or by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from stylewav_pl.evaluation.statistics import (
    Interval,
    NotComputable,
    Welch,
    auc,
    contrast,
    hedges_g,
    holm,
    welch,
    wilson,
)

SIZES = [(2, 2), (3, 7), (40, 40), (200, 15)]


def samples(sizes: tuple[int, int], shift: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(sum(sizes))
    return generator.normal(0.2 + shift, 0.05, sizes[0]), generator.normal(0.2, 0.1, sizes[1])


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("shift", [0.0, -0.03, 0.5])
def test_welch_agrees_with_scipy(sizes: tuple[int, int], shift: float) -> None:
    first, second = samples(sizes, shift)
    expected = stats.ttest_ind(first, second, equal_var=False)
    low, high = expected.confidence_interval(0.9)
    result = welch(first, second, confidence=0.9)
    assert isinstance(result, Welch)
    assert [result.t, result.df, result.p] == pytest.approx(
        [expected.statistic, expected.df, expected.pvalue], rel=1e-8
    )
    assert [result.difference.low, result.difference.high] == pytest.approx([low, high], rel=1e-8)


def test_welch_by_hand() -> None:
    result = welch(np.array([1.0, 3.0]), np.array([0.0, 0.0, 3.0]))  # variances 2 and 3, so se**2 = 1 + 1
    assert isinstance(result, Welch)
    assert result.t == pytest.approx(1 / math.sqrt(2))
    assert result.df == pytest.approx(4 / (1 + 1 / 2))


def test_welch_swapped_changes_the_sign_alone() -> None:
    first, second = samples((5, 9))
    one, other = welch(first, second), welch(second, first)
    assert isinstance(one, Welch) and isinstance(other, Welch)
    assert [other.t, other.df, other.p] == pytest.approx([-one.t, one.df, one.p])


def test_one_sample_without_variance_is_enough_for_a_test() -> None:
    assert isinstance(welch(np.array([1.0, 1.0]), np.array([0.0, 2.0])), Welch)


def test_extreme_difference_stays_finite() -> None:
    result = welch(np.array([1.0, 1.0 + 1e-9] * 50), np.array([-1.0, -1.0 - 1e-9] * 50))
    assert isinstance(result, Welch)
    assert all(map(math.isfinite, [result.t, result.df, result.p]))


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ([], [0.1, 0.2], "empty"),
        ([0.1, 0.2], [], "empty"),
        ([0.1], [0.1, 0.2], "one speaker"),
        ([0.1, 0.1, 0.1], [0.3, 0.3], "do not vary"),
        ([0.0, 0.0], [0.0, 0.0], "do not vary"),
        ([0.1, math.nan], [0.1, 0.2], "finite"),
        ([0.1, math.inf], [0.1, 0.2], "finite"),
        ([0.1, 1e200], [0.1, 0.2], "too large"),
        ([0.0, 1e-200], [0.0, 1e-200], "do not vary"),
    ],
)
@pytest.mark.parametrize("function", [welch, hedges_g])
def test_degenerate_samples_are_not_computable(
    function: object, first: list[float], second: list[float], reason: str
) -> None:
    assert callable(function)
    result = function(np.array(first, dtype=float), np.array(second, dtype=float))
    assert isinstance(result, NotComputable)
    assert reason in result.reason


@pytest.mark.parametrize("sizes", SIZES)
def test_hedges_g_follows_from_students_t(sizes: tuple[int, int]) -> None:
    """Student's t is d times sqrt(n1 n2 / (n1 + n2)): another way to the same number."""
    first, second = samples(sizes)
    n, m = sizes
    d = stats.ttest_ind(first, second).statistic * math.sqrt((n + m) / (n * m))
    g = d * (1 - 3 / (4 * (n + m - 2) - 1))
    half = stats.norm.ppf(0.975) * math.sqrt((n + m) / (n * m) + g**2 / (2 * (n + m)))
    result = hedges_g(first, second)
    assert isinstance(result, Interval)
    assert [result.value, result.low, result.high] == pytest.approx([g, g - half, g + half], rel=1e-9)


@pytest.mark.parametrize("sizes", SIZES)
def test_auc_agrees_with_counting_and_scipy(sizes: tuple[int, int]) -> None:
    first, second = (np.round(sample, 1) for sample in samples(sizes, shift=0.05))  # rounding makes ties
    counted = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in itertools.product(first, second)]
    result = auc(first, second)
    assert isinstance(result, Interval)
    assert result.value == pytest.approx(sum(counted) / len(counted))
    assert result.value == pytest.approx(
        stats.mannwhitneyu(first, second).statistic / first.size / second.size
    )


@pytest.mark.parametrize("shift", [-0.2, 0.0, 0.05, 9.0])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_ends_of_aucs_interval_solve_its_equation(sizes: tuple[int, int], shift: float) -> None:
    """Each end is as far from the value as its own standard error says, which for equal sizes is that of
    Hanley and McNeil (1982)."""
    result = auc(*samples(sizes, shift))
    assert isinstance(result, Interval) and 0 <= result.low <= result.value <= result.high <= 1
    pairs, others = sizes[0] * sizes[1], (sizes[0] + sizes[1]) / 2 - 1
    for end in (result.low, result.high):
        q1, q2 = end / (2 - end), 2 * end**2 / (1 + end)
        error = math.sqrt((end * (1 - end) + others * (q1 - end**2) + others * (q2 - end**2)) / pairs)
        assert abs(result.value - end) == pytest.approx(stats.norm.ppf(0.975) * error, abs=1e-6)


def test_a_perfect_separation_of_few_is_not_certain() -> None:
    result = auc(np.array([3.0, 4.0, 5.0]), np.array([0.0, 1.0, 2.0]))
    assert isinstance(result, Interval) and result.value == result.high == 1
    assert 0.3 < result.low < 0.8


def test_aucs_interval_covers_what_it_should() -> None:
    """Normal samples one standard deviation apart: the true value is Phi(1 / sqrt 2)."""
    generator, truth = np.random.default_rng(8), stats.norm.cdf(1 / math.sqrt(2))
    found = [auc(generator.normal(1, 1, 20), generator.normal(0, 1, 30)) for _ in range(400)]
    assert (
        0.92
        <= np.mean([isinstance(one, Interval) and one.low <= truth <= one.high for one in found])
        <= 0.985
    )


def test_a_contrast_by_hand() -> None:
    """Means 1, 3, 8 with variances of the mean 0.5 / 2, 2 / 2, 0: slope (8 - 1) / 2."""
    result = contrast([np.array([0.5, 1.5]), np.array([2.0, 4.0]), np.array([8.0, 8.0])], [-0.5, 0.0, 0.5])
    assert isinstance(result, Welch)
    assert (result.difference.value, result.t, result.df) == pytest.approx(
        (3.5, 3.5 / math.sqrt(0.25 * 0.25), 1.0)
    )


def test_a_contrast_of_what_does_not_vary_is_not_computable() -> None:
    result = contrast([np.array([1.0, 1.0]), np.array([0.0, 2.0]), np.array([3.0, 3.0])], [-1.0, 0.0, 1.0])
    assert isinstance(result, NotComputable) and "do not vary" in result.reason


@pytest.mark.parametrize(("first", "second"), [([], [1.0]), ([1.0], []), ([math.nan], [1.0])])
def test_auc_of_nothing_is_not_computable(first: list[float], second: list[float]) -> None:
    assert isinstance(auc(np.array(first, dtype=float), np.array(second, dtype=float)), NotComputable)


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 40), (36, 40), (40, 40), (517, 1000)])
def test_wilson_agrees_with_scipy(successes: int, trials: int) -> None:
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    result = wilson(successes, trials)
    assert isinstance(result, Interval)
    assert [result.value, result.low, result.high] == pytest.approx(
        [successes / trials, expected.low, expected.high], abs=1e-12
    )
    assert 0 <= result.low <= result.value <= result.high <= 1


def test_wilson_of_no_trials_is_not_computable() -> None:
    assert isinstance(wilson(0, 0), NotComputable)


def test_holm_by_hand_and_by_its_definition() -> None:
    assert holm([]) == []
    assert holm([0.7, 0.8]) == [1.0, 1.0]
    values = np.random.default_rng(3).uniform(0, 0.2, 7).tolist()
    ordered = sorted(values)
    for value, adjusted in zip(values, holm(values), strict=True):
        assert adjusted == pytest.approx(
            max(min(1.0, (7 - k) * ordered[k]) for k in range(ordered.index(value) + 1))
        )
