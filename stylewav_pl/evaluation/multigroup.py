"""Statistics of more than two populations: do any differ, and do they follow an order?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special, stats

from stylewav_pl.evaluation.statistics import Interval, NotComputable, Sample, why_not


@dataclass(frozen=True, slots=True)
class Anova:
    """Welch's one-way analysis of variance.

    Attributes:
        f: Between variance over within variance, corrected.
        df_between: Populations minus one.
        df_within: By Welch.
        p: That all means are equal.
        omega_squared: Share of the variance that the populations explain, in [0, 1].
    """

    f: float
    df_between: int
    df_within: float
    p: float
    omega_squared: float


def welch_anova(samples: Sequence[Sample]) -> Anova | NotComputable:
    """Tests whether several means are equal without assuming equal variances.

    With ``w_i = n_i / v_i``, ``W = sum(w)``, ``m = sum(w_i m_i) / W`` and ``L = sum((1 - w_i/W)**2 / (n_i -
    1))`` of k samples:
    ``F = sum(w_i (m_i - m)**2) / (k-1) / (1 + 2 (k-2) L / (k**2-1))`` on ``k-1`` and ``(k**2-1) / (3 L)``
    degrees of freedom. For two samples this is Welch's t squared. ``omega**2 = (k-1) (F-1) / ((k-1) (F-1) +
    N)``, not below 0.

    Source: B. L. Welch (1951), On the comparison of several mean values: an alternative approach, Biometrika
        38;
    omega squared: Carroll & Nordholm (1975), Sampling characteristics of Kelley's epsilon and Hays' omega.

    Args:
        samples: Two or more, each ``[unit]`` with at least two finite values that differ.

    >>> result = welch_anova([np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])])
    >>> round(result.f, 3), result.df_between, round(result.df_within, 3)  # the square of t = -1.549
    (2.4, 1, 2.941)
    """
    if len(samples) < 2:
        return NotComputable("fewer than two populations have two speakers")
    for sample in samples:
        if reason := why_not((sample,)):
            return NotComputable(reason)
    sizes = np.array([sample.size for sample in samples])
    means = np.array([sample.mean() for sample in samples])
    weights = sizes / np.array([sample.var(ddof=1) for sample in samples])
    count, total = len(samples), weights.sum()
    lack = float(((1 - weights / total) ** 2 / (sizes - 1)).sum())
    between = float((weights * (means - (weights * means).sum() / total) ** 2).sum()) / (count - 1)
    f = between / (1 + 2 * (count - 2) * lack / (count**2 - 1))
    df = (count**2 - 1) / (3 * lack)
    excess = max(0.0, (count - 1) * (f - 1))
    return Anova(
        f, count - 1, df, float(special.fdtrc(count - 1, df, f)), excess / (excess + float(sizes.sum()))
    )


def slope_weights(positions: Sequence[int]) -> Float[np.ndarray, " position"]:
    """Weights whose weighted sum of values is the slope of the least-squares line over ``positions``.

    They sum to zero.

    >>> slope_weights([0, 1, 2]).tolist()
    [-0.5, 0.0, 0.5]
    """
    centred = np.asarray(positions, dtype=np.float64) - np.mean(positions)
    weights: Float[np.ndarray, " position"] = centred / (centred**2).sum()
    return weights


def spearman(first: Sample, second: Sample, confidence: float = 0.95) -> Interval | NotComputable:
    """Rank correlation of two measures of the same units, in [-1, 1]; ties share their mean rank.

    The interval is ``tanh(atanh(r) -+ z sqrt((1 + r**2/2) / (n - 3)))``.

    Source: Bonett & Wright (2000), Sample size requirements for estimating Pearson, Kendall and Spearman
        correlations.

    >>> result = spearman(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([2.0, 1.0, 4.0, 3.0, 5.0]))
    >>> round(result.value, 3), round(result.low, 2), round(result.high, 2)  # 1 - 6 * 4 / (5 * 24)
    (0.8, -0.46, 0.99)
    """
    if first.size < 4:
        return NotComputable("a rank correlation with an interval needs four speakers")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return NotComputable("a score is not a finite number")
    if not np.ptp(first) or not np.ptp(second):
        return NotComputable("there is nothing to put in order: all values are equal")
    ranks = [stats.rankdata(sample) for sample in (first, second)]
    value = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    middle = float(
        np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    )  # a perfect order is at the end of the scale
    half = float(special.ndtri((1 + confidence) / 2)) * float(np.sqrt((1 + value**2 / 2) / (first.size - 3)))
    return Interval(value, float(np.tanh(middle - half)), float(np.tanh(middle + half)))
