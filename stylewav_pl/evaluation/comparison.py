"""Compares what a judge sees in the faces of several populations of voices.

Three questions, always asked together and answered per speaker:

* within a population, does its own prompt score above the other? This is the paper's test. It treats the
  scores of one image with two prompts as independent samples although they are paired; it is kept as
  published, for comparison.
* between populations, does a prompt score higher on its own population than on the rest? This is the test
  that counts.
* how many speakers' faces are nearest to the right prompt?

With more than two populations also: does any of them differ, and where they have an order (age), do the faces
follow it?
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from stylewav_pl.evaluation.multigroup import Anova, slope_weights, spearman, welch_anova
from stylewav_pl.evaluation.prompts import PromptSet
from stylewav_pl.evaluation.records import Accuracy, Between, Comparison, Omnibus, Trend, Within
from stylewav_pl.evaluation.speakers import Speakers, contrast_p
from stylewav_pl.evaluation.statistics import (
    Interval,
    NotComputable,
    Sample,
    Welch,
    auc,
    contrast,
    hedges_g,
    holm,
    welch,
    wilson,
)


def compare(speakers: Speakers, prompt_set: PromptSet) -> Comparison:
    """All answers for speakers with these labels; the columns of their scores follow the prompt set."""
    accuracies = {label: _accuracy(speakers, prompt_set, [label]) for label in prompt_set.labels}
    means: dict[str, dict[str, float | NotComputable]] = {
        prompt: {label: _mean(speakers, label, column) for label in prompt_set.labels}
        for column, prompt in enumerate(prompt_set.sentences)
    }
    overall = _accuracy(speakers, prompt_set, prompt_set.labels)
    balanced = _balanced([accuracy.share for accuracy in accuracies.values()])
    between = _between(speakers, prompt_set)
    return Comparison(
        means,
        _within(speakers, prompt_set),
        between,
        overall,
        accuracies,
        balanced,
        _omnibus(speakers, prompt_set),
        _trend(speakers, prompt_set),
    )


def _within(speakers: Speakers, prompt_set: PromptSet) -> tuple[Within, ...]:
    answers = []
    for column, (label, prompt) in enumerate(prompt_set.prompts.items()):
        scores = speakers.of(label)
        answers.append(
            Within(label, prompt, welch(scores[:, column], np.delete(scores, column, axis=1).mean(axis=1)))
        )
    return tuple(answers)


def _between(speakers: Speakers, prompt_set: PromptSet) -> tuple[Between, ...]:
    pairs = [
        (speakers.of(label)[:, column], speakers.apart_from(label)[:, column])
        for column, label in enumerate(prompt_set.labels)
    ]
    tests = [welch(own, rest) for own, rest in pairs]
    adjusted = iter(holm([test.p for test in tests if isinstance(test, Welch)]))
    return tuple(
        Between(
            label,
            prompt,
            test,
            next(adjusted) if isinstance(test, Welch) else test,
            hedges_g(own, rest),
            auc(own, rest),
        )
        for (label, prompt), test, (own, rest) in zip(prompt_set.prompts.items(), tests, pairs, strict=True)
    )


def _omnibus(speakers: Speakers, prompt_set: PromptSet) -> tuple[Omnibus, ...]:
    """Of two populations the test between them says it all."""
    if len(prompt_set.labels) < 3:
        return ()
    groups = [scores for label in prompt_set.labels if len(scores := speakers.of(label)) > 1]
    tests = [
        welch_anova([scores[:, column] for scores in groups]) for column in range(len(prompt_set.sentences))
    ]
    adjusted = iter(holm([test.p for test in tests if isinstance(test, Anova)]))
    return tuple(
        Omnibus(prompt, test, next(adjusted) if isinstance(test, Anova) else test)
        for prompt, test in zip(prompt_set.sentences, tests, strict=True)
    )


def _trend(speakers: Speakers, prompt_set: PromptSet) -> Trend | None:
    if not prompt_set.ordered or len(prompt_set.labels) < 3:
        return None
    labels, samples, weights = _ordered_measures(speakers, prompt_set)
    if len(labels) < 3:
        few = NotComputable("fewer than three populations have two speakers")
        return Trend(labels, few, few)
    positions = [
        np.full(sample.size, float(prompt_set.labels.index(label)))
        for label, sample in zip(labels, samples, strict=True)
    ]
    return Trend(
        labels, contrast(samples, weights), spearman(np.concatenate(samples), np.concatenate(positions))
    )


def _ordered_measures(
    speakers: Speakers, prompt_set: PromptSet
) -> tuple[tuple[str, ...], list[Sample], list[float]]:
    """Returns the slopes of the speakers over the prompts, and the weights of a slope over the populations.

    Only populations of at least two speakers take part; they are returned first.
    """
    over_prompts = slope_weights(range(len(prompt_set.labels)))
    found = {
        label: scores @ over_prompts for label in prompt_set.labels if len(scores := speakers.of(label)) > 1
    }
    positions = [prompt_set.labels.index(label) for label in found]
    return tuple(found), list(found.values()), slope_weights(positions).tolist() if len(found) > 1 else []


def _balanced(shares: Sequence[Interval | NotComputable]) -> float | NotComputable:
    known = [share.value for share in shares if isinstance(share, Interval)]
    return float(np.mean(known)) if len(known) == len(shares) else NotComputable("a population is empty")


def _accuracy(speakers: Speakers, prompt_set: PromptSet, labels: Sequence[str]) -> Accuracy:
    counted = np.array([label in labels for label in speakers.labels], dtype=bool)
    right, total = (
        int(is_right(speakers.labels, speakers.scores, prompt_set)[counted].sum()),
        int(counted.sum()),
    )
    return Accuracy(right, total, wilson(right, total))


def is_right(
    labels: Sequence[str], scores: Float[np.ndarray, "row prompt"], prompt_set: PromptSet
) -> Bool[np.ndarray, " row"]:
    """Tells for each row whether its own prompt scores above every other; a tie is not right."""
    own = (
        np.arange(len(prompt_set.labels))
        == np.array([prompt_set.labels.index(label) for label in labels], dtype=int)[:, None]
    )
    right: Bool[np.ndarray, " row"] = np.where(own, scores, -np.inf).max(axis=1) > np.where(
        own, -np.inf, scores
    ).max(axis=1)
    return right


def _mean(speakers: Speakers, label: str, column: int) -> float | NotComputable:
    scores = speakers.of(label)[:, column]
    return float(scores.mean()) if scores.size else NotComputable("the population is empty")


def trend_permutation_p(
    speakers: Speakers, prompt_set: PromptSet, permutations: int, seed: int
) -> float | NotComputable | None:
    """Returns the p value of the trend over permuted labels; ``None`` where there is no trend."""
    trend = _trend(speakers, prompt_set)
    if trend is None:
        return None
    if isinstance(trend.welch, NotComputable):
        return trend.welch
    _, samples, weights = _ordered_measures(speakers, prompt_set)
    return contrast_p(samples, weights, permutations, seed)
