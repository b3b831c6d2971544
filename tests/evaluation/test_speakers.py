"""Speakers are the units, and permuted labels carry nothing."""

import itertools

import numpy as np
import pytest
from scipy import stats

from stylewav_pl.evaluation.speakers import Speakers, average_by_speaker, permutation_p, permute_labels
from stylewav_pl.evaluation.statistics import NotComputable, welch


def test_clips_of_one_speaker_are_averaged_first() -> None:
    scores = np.array([[1.0, 0.0], [3.0, 0.0], [10.0, 1.0]])
    speakers = average_by_speaker(["ann", "ann", "eve"], ["f", "f", "f"], scores)
    assert speakers.names == ("ann", "eve")
    assert speakers.of("f").tolist() == [[2.0, 0.0], [10.0, 1.0]]
    assert speakers.apart_from("f").shape == (0, 2)


def test_a_repeated_clip_changes_nothing() -> None:
    scores = np.random.default_rng(0).normal(size=(8, 1))
    names, labels = list("abcdefgh"), list("mmmmffff")
    once = average_by_speaker(names, labels, scores)
    often = average_by_speaker(names * 5, labels * 5, np.tile(scores, (5, 1)))
    assert often.scores == pytest.approx(once.scores)
    assert often.labels == once.labels


def test_the_order_of_clips_does_not_matter() -> None:
    scores = np.random.default_rng(0).normal(size=(6, 2))
    names, labels = list("abcabd"), list("mmfmmf")
    order = [5, 3, 1, 0, 2, 4]
    shuffled = average_by_speaker([names[i] for i in order], [labels[i] for i in order], scores[order])
    expected = average_by_speaker(names, labels, scores)
    assert (shuffled.names, shuffled.labels) == (expected.names, expected.labels)
    assert shuffled.scores == pytest.approx(expected.scores)


def test_a_speaker_under_two_labels_is_one_unit_in_each() -> None:
    speakers = average_by_speaker(["ann", "ann"], ["young", "old"], np.array([[1.0], [2.0]]))
    assert speakers.names == ("ann", "ann")
    assert speakers.of("old").tolist() == [[2.0]]


def test_no_clips_give_no_speakers() -> None:
    assert average_by_speaker([], [], np.zeros((0, 2))).scores.shape == (0, 2)


def test_permutation_keeps_scores_and_counts_and_depends_on_the_seed() -> None:
    speakers = Speakers(tuple("abcdefghij"), tuple("mmmmmfffff"), np.arange(10.0)[:, None])
    shuffled = [permute_labels(speakers, seed) for seed in (0, 0, 1)]
    assert shuffled[0].labels == shuffled[1].labels != shuffled[2].labels
    assert sorted(shuffled[0].labels) == sorted(speakers.labels)
    assert shuffled[0].scores is speakers.scores


def test_permutation_p_approaches_the_exact_test() -> None:
    """All 70 ways to cut eight speakers in two, written out, against random ways."""
    first, second = np.array([0.9, 1.4, 0.2, 1.1]), np.array([0.1, 0.6, -0.3, 0.4])
    pooled = np.concatenate([first, second])
    observed = abs(stats.ttest_ind(first, second, equal_var=False).statistic)
    cuts = [np.isin(np.arange(8), chosen) for chosen in itertools.combinations(range(8), 4)]
    every = [abs(stats.ttest_ind(pooled[cut], pooled[~cut], equal_var=False).statistic) for cut in cuts]
    exact = np.mean([t >= observed - 1e-9 for t in every])
    assert permutation_p(first, second, permutations=20_000, seed=1) == pytest.approx(exact, abs=0.01)


def test_permutation_p_is_never_zero_and_repeats() -> None:
    first, second = np.linspace(5, 6, 40), np.linspace(0, 1, 40)
    assert permutation_p(first, second, permutations=199) == pytest.approx(1 / 200)
    noise = np.random.default_rng(5).normal(size=40)
    assert permutation_p(noise[:20], noise[20:], 199, seed=3) == permutation_p(noise[:20], noise[20:], 199, seed=3)


def test_permutation_p_is_uniform_without_an_effect() -> None:
    """Over 200 data sets without a difference; also unequal in size."""
    generator = np.random.default_rng(11)
    found = [permutation_p(generator.normal(size=12), generator.normal(size=25), 199, seed) for seed in range(200)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_one_permutation_of_labels_gives_uniform_p_over_seeds() -> None:
    """Of scores with a strong effect: the effect is gone once labels are shuffled."""
    generator = np.random.default_rng(2)
    scores = np.concatenate([generator.normal(0.3, 0.05, 40), generator.normal(0.1, 0.05, 40)])[:, None]
    speakers = Speakers(tuple(f"{i:02}" for i in range(80)), ("m",) * 40 + ("f",) * 40, scores)
    found = []
    for seed in range(200):
        shuffled = permute_labels(speakers, seed)
        found.append(welch(shuffled.of("m")[:, 0], shuffled.of("f")[:, 0]).p)
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_permutation_of_too_little_is_not_computable() -> None:
    assert isinstance(permutation_p(np.array([1.0]), np.array([2.0, 3.0])), NotComputable)


def test_a_permutation_without_variance_counts_as_extreme() -> None:
    """Two values against their repetition: some orders leave no variance at all."""
    result = permutation_p(np.array([0.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0]), permutations=500)
    assert isinstance(result, float) and 0.9 < result <= 1
