"""Speakers are the units, and permuted labels carry nothing."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from stylewav_pl.evaluation.prompts import SEX
from stylewav_pl.evaluation.speakers import (
    Speakers,
    average_by_speaker,
    contrast_p,
    permutation_p,
    permute_labels,
)
from stylewav_pl.evaluation.statistics import NotComputable, Welch, welch


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
    assert permutation_p(noise[:20], noise[20:], 199, seed=3) == permutation_p(
        noise[:20], noise[20:], 199, seed=3
    )


def test_permutation_p_is_uniform_without_an_effect() -> None:
    """Over 200 data sets without a difference; also unequal in size."""
    generator = np.random.default_rng(11)
    found = [
        permutation_p(generator.normal(size=12), generator.normal(size=25), 199, seed) for seed in range(200)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def recorded() -> Speakers:
    """The scores of a run of configs/demo.yaml: 80 voices, their sex written all over their faces."""
    with (Path(__file__).parent / "recorded_scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores = np.array([[float(row[prompt]) for prompt in SEX.sentences] for row in rows])
    return average_by_speaker([row["speaker"] for row in rows], [row["sex"] for row in rows], scores)


def test_recorded_scores_have_a_strong_effect() -> None:
    assert recorded().scores.shape == (80, 2)
    for column, (own, rest) in enumerate([("male", "female"), ("female", "male")]):
        result = welch(recorded().of(own)[:, column], recorded().of(rest)[:, column])
        assert isinstance(result, Welch) and result.t > 15


@pytest.mark.parametrize("column", range(2), ids=SEX.sentences)
def test_the_control_is_uniform_over_200_seeds_on_recorded_scores(column: int) -> None:
    """Labels shuffled between speakers: both the permutation test and Welch's find exactly as much as chance
    allows."""
    by_permutation, by_welch = [], []
    for seed in range(200):
        shuffled = permute_labels(recorded(), seed)
        own, rest = shuffled.of("male")[:, column], shuffled.of("female")[:, column]
        by_permutation.append(permutation_p(own, rest, permutations=199, seed=seed))
        result = welch(own, rest)
        assert isinstance(result, Welch)
        by_welch.append(result.p)
    for found in (by_permutation, by_welch):
        assert stats.kstest(found, "uniform").pvalue > 0.05
        assert 1 <= sum(p < 0.05 for p in found) <= 22


def test_a_contrast_of_three_populations_is_uniform_without_an_effect() -> None:
    generator = np.random.default_rng(3)
    found = [
        contrast_p([generator.normal(size=n) for n in (8, 12, 20)], [-0.5, 0.0, 0.5], 199, seed)
        for seed in range(200)
    ]
    assert stats.kstest(found, "uniform").pvalue > 0.05


def test_a_contrast_of_two_populations_is_the_test_of_two() -> None:
    first, second = np.array([0.9, 1.4, 0.2, 1.1]), np.array([0.1, 0.6, -0.3, 0.4, 0.8])
    assert contrast_p([first, second], [0.5, -0.5], 499, seed=7) == permutation_p(first, second, 499, seed=7)


def test_permutation_of_too_little_is_not_computable() -> None:
    assert isinstance(permutation_p(np.array([1.0]), np.array([2.0, 3.0])), NotComputable)


def test_a_permutation_without_variance_counts_as_extreme() -> None:
    """Two values against their repetition: some orders leave no variance at all."""
    result = permutation_p(np.array([0.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0]), permutations=500)
    assert isinstance(result, float) and 0.9 < result <= 1
