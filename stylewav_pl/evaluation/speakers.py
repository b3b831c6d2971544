"""Statistics count speakers: clips of one speaker are averaged, and labels are permuted between speakers.

Two clips of one voice are no independent witnesses; counted as such they make p values far too small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from stylewav_pl.evaluation.statistics import NotComputable, Sample, contrast

PERMUTATIONS = 9999


@dataclass(frozen=True)
class Speakers:
    """Independent units: one row per speaker and label, ordered by name.

    Attributes:
        names: Who.
        labels: Each one's population.
        scores: ``[speaker, prompt]``, mean over the speaker's clips.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    scores: Float[np.ndarray, "speaker prompt"]

    def of(self, label: str) -> Float[np.ndarray, "_ prompt"]:
        """``[speaker, prompt]``, the scores of one population."""
        chosen: Float[np.ndarray, "_ prompt"] = self.scores[self._mask(label)]
        return chosen

    def apart_from(self, label: str) -> Float[np.ndarray, "_ prompt"]:
        """``[speaker, prompt]``, the scores of all other populations."""
        chosen: Float[np.ndarray, "_ prompt"] = self.scores[~self._mask(label)]
        return chosen

    def _mask(self, label: str) -> Bool[np.ndarray, " speaker"]:
        return np.array([mine == label for mine in self.labels], dtype=bool)


def average_by_speaker(
    names: Sequence[str], labels: Sequence[str], scores: Float[np.ndarray, "clip prompt"]
) -> Speakers:
    """Averages the clips that share speaker and label. A speaker found under two labels is one unit in each.

    >>> speakers = average_by_speaker(["ann", "bob", "ann"], ["f", "m", "f"], np.array([[1.0], [5.0], [3.0]]))
    >>> speakers.names, speakers.scores.tolist()
    (('ann', 'bob'), [[2.0], [5.0]])
    """
    clips = list(zip(names, labels, strict=True))
    keys = sorted(set(clips))
    row = {key: index for index, key in enumerate(keys)}
    rows = np.array([row[clip] for clip in clips], dtype=int)
    sums = np.zeros((len(keys), scores.shape[1]))
    np.add.at(sums, rows, scores)
    means = sums / np.bincount(rows, minlength=len(keys))[:, None]
    return Speakers(tuple(name for name, _ in keys), tuple(label for _, label in keys), means)


def permute_labels(speakers: Speakers, seed: int) -> Speakers:
    """Hands the labels out anew between speakers, at random: the control in which nothing may show.

    An image depends on its own audio alone, so this equals shuffling the voices and making the images again.

    >>> speakers = Speakers(("a", "b", "c"), ("f", "m", "m"), np.zeros((3, 1)))
    >>> sorted(permute_labels(speakers, seed=0).labels)
    ['f', 'm', 'm']
    """
    order = np.random.default_rng(seed).permutation(len(speakers.labels))
    return Speakers(speakers.names, tuple(speakers.labels[index] for index in order), speakers.scores)


def permutation_p(
    first: Sample, second: Sample, permutations: int = PERMUTATIONS, seed: int = 0
) -> float | NotComputable:
    """Two-sided p value of Welch's t under random reassignment of the labels.

    :func:`contrast_p` of two populations.

    Args:
        first: ``[speaker]``.
        second: ``[speaker]``.
        permutations: How many; the smallest possible answer is about one over this.
        seed: Of the random reassignments.

    >>> permutation_p(np.array([1.0, 2.0, 3.0, 4.0]), np.array([11.0, 12.0, 13.0, 14.5])) < 0.05
    True
    """
    return contrast_p((first, second), (1.0, -1.0), permutations, seed)


def contrast_p(
    samples: Sequence[Sample], weights: Sequence[float], permutations: int = PERMUTATIONS, seed: int = 0
) -> float | NotComputable:
    """Two-sided p value of a contrast of means under random reassignment of the labels.

    ``(1 + number of permutations with |t*| >= |t|) / (1 + permutations)``, never 0. With the studentized
    statistic of :func:`~stylewav_pl.evaluation.statistics.contrast` the test keeps its level also where the
    populations differ in size and variance.

    Source: Phipson & Smyth (2010), Permutation p-values should never be zero; Janssen (1997), Studentized
        permutation tests.

    Args:
        samples: Two or more populations, each ``[speaker]``.
        weights: One per population; they sum to zero.
        permutations: How many; the smallest possible answer is about one over this.
        seed: Of the random reassignments.
    """
    observed = contrast(samples, weights)
    if isinstance(observed, NotComputable):
        return observed
    generator = np.random.default_rng(seed)
    pooled = np.concatenate(samples)
    pooled = pooled - pooled.mean()
    cuts = np.cumsum([sample.size for sample in samples])[:-1]
    beyond, left = 0, permutations
    while left:
        rows = min(left, max(1, 1_000_000 // pooled.size))
        shuffled = generator.permuted(np.broadcast_to(pooled, (rows, pooled.size)), axis=1)
        # The tolerance counts the permutation that equals the observed order in spite of rounding.
        beyond += int(
            (_absolute_t(np.split(shuffled, cuts, axis=1), weights) >= abs(observed.t) * (1 - 1e-9)).sum()
        )
        left -= rows
    return (1 + beyond) / (1 + permutations)


def _absolute_t(
    parts: Sequence[Float[np.ndarray, "permutation _"]], weights: Sequence[float]
) -> Float[np.ndarray, " permutation"]:
    """The contrast's t without its sign for each row of the populations.

    Without variance inf, or 0 where the means agree too.
    """
    weighted = list(zip(parts, weights, strict=True))
    error = np.sqrt(sum(weight**2 * part.var(axis=1, ddof=1) / part.shape[1] for part, weight in weighted))
    difference = np.abs(sum(weight * part.mean(axis=1) for part, weight in weighted))
    fallback = np.where(difference > 0, np.inf, 0.0)
    quotient: Float[np.ndarray, " permutation"] = np.divide(difference, error, out=fallback, where=error > 0)
    return quotient
