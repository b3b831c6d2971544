"""More than two populations, against statsmodels and scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from stylewav_pl.evaluation.multigroup import Anova, slope_weights, spearman, welch_anova
from stylewav_pl.evaluation.statistics import Interval, NotComputable, Welch, contrast, welch


def groups(*shifts: float, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(shift, 0.5 + 0.3 * index, 5 + 4 * index) for index, shift in enumerate(shifts)]


@pytest.mark.parametrize("shifts", [(0.0, 0.0, 0.0), (0.0, 1.0, 0.3), (0.1, 0.2, 0.3, 2.0, 0.0)])
def test_anova_agrees_with_statsmodels(shifts: tuple[float, ...]) -> None:
    from statsmodels.stats.oneway import anova_oneway  # a second in every process otherwise

    samples = groups(*shifts)
    expected = anova_oneway(samples, use_var="unequal", welch_correction=True)
    found = welch_anova(samples)
    assert isinstance(found, Anova)
    assert [found.f, found.df_between, found.df_within, found.p] == pytest.approx(
        [expected.statistic, *expected.df, expected.pvalue]
    )
    assert 0 <= found.omega_squared < 1


def test_anova_of_two_is_welchs_t_squared() -> None:
    samples = groups(0.0, 1.0)
    anova, test = welch_anova(samples), welch(*samples)
    assert isinstance(anova, Anova) and isinstance(test, Welch)
    assert [anova.f, anova.df_within, anova.p] == pytest.approx([test.t**2, test.df, test.p])


def test_omega_squared_finds_the_share_of_the_variance() -> None:
    """Means -1, 0, 1 and variance 1: the populations explain 2/3 of 5/3."""
    generator = np.random.default_rng(0)
    found = welch_anova([generator.normal(mean, 1, 3000) for mean in (-1, 0, 1)])
    assert isinstance(found, Anova) and found.omega_squared == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([[1.0, 2.0]], "fewer than two populations"),
        ([[1.0, 2.0], [], [1.0, 3.0]], "empty"),
        ([[1.0, 2.0], [1.0], [1.0, 3.0]], "one speaker"),
        ([[1.0, 2.0], [2.0, 2.0], [1.0, 3.0]], "do not vary"),
        ([[1.0, math.nan], [2.0, 3.0]], "finite"),
    ],
)
def test_degenerate_populations_have_no_anova(samples: list[list[float]], reason: str) -> None:
    found = welch_anova([np.array(sample, dtype=float) for sample in samples])
    assert isinstance(found, NotComputable) and reason in found.reason


def test_slope_weights_give_the_least_squares_slope() -> None:
    positions, values = [0, 1, 3, 4], np.array([1.0, 5.0, 2.0, 8.0])
    weights = slope_weights(positions)
    assert weights.sum() == pytest.approx(0)
    assert weights @ values == pytest.approx(np.polyfit(positions, values, 1)[0])


def test_a_trend_finds_an_order_and_not_its_absence() -> None:
    for shifts, significant in (((0.0, 1.0, 2.0), True), ((1.0, 0.0, 1.0), False)):
        found = contrast(groups(*shifts), slope_weights(range(3)).tolist())
        assert isinstance(found, Welch) and (found.p < 0.01) is significant


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_agrees_with_scipy(ties: bool) -> None:
    generator = np.random.default_rng(1)
    first = generator.integers(0, 4, 50).astype(float) if ties else generator.normal(size=50)
    second = first + generator.normal(size=50)
    found = spearman(first, second)
    assert isinstance(found, Interval)
    assert found.value == pytest.approx(stats.spearmanr(first, second).statistic)
    half = 1.959964 * math.sqrt((1 + found.value**2 / 2) / 47)
    assert math.atanh(found.high) - math.atanh(found.low) == pytest.approx(2 * half)


def test_a_perfect_order_has_an_interval() -> None:
    found = spearman(np.arange(6.0), np.arange(6.0))
    assert (
        isinstance(found, Interval)
        and found.value == pytest.approx(1)
        and 0.99 < found.low <= found.high <= 1
    )


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ([1, 2, 3], [1, 2, 3], "four"),
        ([1, 1, 1, 1], [1, 2, 3, 4], "equal"),
        ([1, 2, 3, math.inf], [1, 2, 3, 4], "finite"),
    ],
)
def test_degenerate_orders_are_not_computable(first: list[float], second: list[float], reason: str) -> None:
    found = spearman(np.array(first, dtype=float), np.array(second, dtype=float))
    assert isinstance(found, NotComputable) and reason in found.reason
