"""Do two samples differ, and by how much? Pure functions that never answer with NaN.

A sample holds one number per independent unit (one per speaker, see :mod:`stylewav_pl.evaluation.speakers`).
What cannot be computed is answered with :class:`NotComputable` and its reason, so that a missing result
cannot be mistaken for a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from scipy import optimize, special

Sample: TypeAlias = Float[np.ndarray, " _"]


@dataclass(frozen=True, slots=True)
class NotComputable:
    """Stands where a number would be.

    Attributes:
        reason: Why there is none, as a clause a person understands.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the interval that covers its true value with the stated confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Welch:
    """Welch's t-test of two means.

    Attributes:
        t: Difference over its standard error; its sign is the sign of the difference.
        df: Degrees of freedom by Welch and Satterthwaite.
        p: Two-sided.
        difference: Mean of the first sample minus mean of the second, with its interval.
    """

    t: float
    df: float
    p: float
    difference: Interval


def welch(first: Sample, second: Sample, confidence: float = 0.95) -> Welch | NotComputable:
    """Tests whether two means differ without assuming equal variances.

    :func:`contrast` with the weights 1 and -1.

    Source: B. L. Welch (1947), The generalization of Student's problem, Biometrika 34.

    Args:
        first: ``[unit]``, at least two finite values.
        second: ``[unit]``, at least two finite values.
        confidence: Coverage of the interval of the difference, in (0, 1).

    >>> result = welch(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    >>> round(result.t, 3), round(result.df, 3), result.difference.value
    (-1.549, 2.941, -2.0)
    """
    return contrast((first, second), (1.0, -1.0), confidence)


def contrast(
    samples: Sequence[Sample], weights: Sequence[float], confidence: float = 0.95
) -> Welch | NotComputable:
    """Tests whether a weighted sum of means is zero without assuming equal variances.

    ``t = sum_i(w_i m_i) / se`` with ``se**2 = sum_i(w_i**2 v_i / n_i)`` and
    ``df = se**4 / sum_i((w_i**2 v_i / n_i)**2 / (n_i - 1))``; v are the variances with n - 1 in the
    denominator.

    Source: Brown & Forsythe (1974), The ANOVA and multiple comparisons for data with heterogeneous variances,
        Biometrics 30.

    Args:
        samples: Two or more, each ``[unit]`` with at least two finite values.
        weights: One per sample; they sum to zero.
        confidence: Coverage of the interval of the weighted sum, in (0, 1).

    >>> groups = [np.array([1.0, 2.0]), np.array([4.0, 4.0]), np.array([5.0, 7.0])]
    >>> result = contrast(groups, [-0.5, 0.0, 0.5])
    >>> result.difference.value, round(result.t, 3)  # (6 - 1.5) / 2; its variance is (0.5 / 2 + 2 / 2) / 4
    (2.25, 4.025)
    """
    if reason := why_not(samples):
        return NotComputable(reason)
    parts = [
        weight**2 * float(sample.var(ddof=1)) / sample.size
        for sample, weight in zip(samples, weights, strict=True)
    ]
    error = float(np.sqrt(sum(parts)))
    if error == 0:
        return NotComputable("the scores do not vary within the populations that count")
    shares = [
        part / error**2 for part in parts
    ]  # normalised first: the fourth power of a small error would underflow
    df = float(1 / sum(share**2 / (sample.size - 1) for share, sample in zip(shares, samples, strict=True)))
    difference = float(sum(weight * sample.mean() for sample, weight in zip(samples, weights, strict=True)))
    half = float(special.stdtrit(df, (1 + confidence) / 2)) * error
    t = difference / error
    return Welch(
        t,
        df,
        float(2 * special.stdtr(df, -abs(t))),
        Interval(difference, difference - half, difference + half),
    )


def hedges_g(first: Sample, second: Sample, confidence: float = 0.95) -> Interval | NotComputable:
    """Size of the difference in pooled standard deviations, corrected for small samples.

    ``g = J (m1 - m2) / s`` with the pooled ``s**2 = ((n1-1) v1 + (n2-1) v2) / (n1+n2-2)``,
    ``J = 1 - 3 / (4 (n1+n2-2) - 1)`` and a normal interval of variance ``(n1+n2)/(n1 n2) + g**2 / (2
    (n1+n2))``.

    Source: Hedges & Olkin (1985), Statistical Methods for Meta-Analysis, chapter 5.

    >>> result = hedges_g(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    >>> round(result.value, 4)  # -2 / sqrt(2.5) * 0.8
    -1.0119
    """
    if reason := why_not((first, second)):
        return NotComputable(reason)
    freedom = first.size + second.size - 2
    pooled = ((first.size - 1) * first.var(ddof=1) + (second.size - 1) * second.var(ddof=1)) / freedom
    g = float((first.mean() - second.mean()) / np.sqrt(pooled)) * (1 - 3 / (4 * freedom - 1))
    total = first.size + second.size
    half = _normal_quantile(confidence) * float(
        np.sqrt(total / (first.size * second.size) + g**2 / (2 * total))
    )
    return Interval(g, g - half, g + half)


def auc(first: Sample, second: Sample, confidence: float = 0.95) -> Interval | NotComputable:
    """Probability that a random value of ``first`` is above one of ``second``; ties count one half.

    ``U / (n1 n2)``; 0.5 is chance, 1 a perfect separation. The ends of the interval are those ``x`` that are
    just ``z`` of their own standard errors away, with ``variance(x) = x (1-x) (1 + n (1-x) / (2-x) + n x /
    (1+x)) / (n1 n2)`` and ``n = (n1+n2)/2 - 1``; so a perfect separation of few is not certain.

    Source: Mann & Whitney (1947), On a test of whether one of two random variables is stochastically larger;
        interval:
    R. G. Newcombe (2006), Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic, part 2, method 5.

    >>> result = auc(np.array([2.0, 4.0]), np.array([1.0, 2.0]))  # 2 > 1, 2 = 2, 4 > 1, 4 > 2
    >>> result.value, round(result.low, 2), round(result.high, 2)
    (0.875, 0.3, 0.99)
    """
    if not first.size or not second.size:
        return NotComputable("a population is empty")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return NotComputable("a score is not a finite number")
    ordered = np.sort(second)
    below = np.searchsorted(ordered, first, "left") + np.searchsorted(ordered, first, "right")
    value, z = float(below.mean() / (2 * second.size)), _normal_quantile(confidence)
    return Interval(
        value,
        _auc_low(value, first.size, second.size, z),
        1 - _auc_low(1 - value, first.size, second.size, z),
    )


def _auc_low(value: float, n1: int, n2: int, z: float) -> float:
    """Lower end of the interval; the upper one is its mirror image."""
    n = (n1 + n2) / 2 - 1

    def beyond(x: float) -> float:
        variance = x * (1 - x) * (1 + n * (1 - x) / (2 - x) + n * x / (1 + x)) / (n1 * n2)
        return value - x - z * float(np.sqrt(variance))

    near = value - 1e-9  # at the value itself there may be a second root: no variance at 0 and 1
    return float(optimize.brentq(beyond, 0.0, near)) if near > 0 and beyond(near) < 0 else 0.0


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval | NotComputable:
    """Interval of a proportion that stays within [0, 1] also near its ends.

    ``(p + z**2/2n  -+  z sqrt(p (1-p) / n + z**2 / 4n**2)) / (1 + z**2/n)``.

    Source: E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference.

    >>> result = wilson(9, 10)
    >>> result.value, round(result.low, 3), round(result.high, 3)
    (0.9, 0.596, 0.982)
    """
    if trials < 1:
        return NotComputable("there is nothing to count")
    share, z = successes / trials, _normal_quantile(confidence)
    scale = 1 + z**2 / trials
    middle = (share + z**2 / (2 * trials)) / scale
    half = z * float(np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))) / scale
    # At 0 and n the formula gives exactly 0 and 1, up to rounding.
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts p values of several tests so that the chance of any false alarm keeps its level.

    The k-th smallest of m is multiplied by ``m - k + 1``, never falls below a smaller one's, and ends at 1.

    Source: S. Holm (1979), A simple sequentially rejective multiple test procedure.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def why_not(samples: Sequence[Sample]) -> str | None:
    """Tells what keeps samples from being compared by their variances."""
    if not all(sample.size for sample in samples):
        return "a population is empty"
    if min(sample.size for sample in samples) < 2:
        return "a population has one speaker only; a variance needs two"
    if not all(np.isfinite(sample).all() for sample in samples):
        return "a score is not a finite number"
    largest = max(float(np.abs(sample).max()) for sample in samples)
    if largest > 1e100:
        return "a score is too large to compute with"
    # Identical values can have a variance of 1e-34 after rounding, hence the comparison of the values
    # themselves.
    spread = max(float(np.ptp(sample)) for sample in samples)
    return "the scores do not vary within the populations" if spread <= max(1e-12 * largest, 1e-100) else None


def _normal_quantile(confidence: float) -> float:
    return float(special.ndtri((1 + confidence) / 2))
