"""The experiment: do faces made from two populations of voices differ in what a judge sees?

Three questions, always asked together and answered per speaker:

* within a population, does its own prompt score above the other? This is the paper's test. It treats the
scores of one
  image with two prompts as independent samples although they are paired; it is kept as published, for
  comparison.
* between populations, does a prompt score higher on its own population than on the rest? This is the test
that counts. * how many speakers' faces are nearest to the right prompt?

With more than two populations also: does any of them differ, and where they have an order (age), do the faces
follow it?

All of it is asked once more after the labels were permuted between speakers, where nothing may show; and of
what the audio encoder hears and the guide sees, which says where a trait gets lost on its way from the voice
to the judge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from stylewav_pl.evaluation.guide_view import NOT_RECORDED, GuideView
from stylewav_pl.evaluation.multigroup import Anova, slope_weights, spearman, welch_anova
from stylewav_pl.evaluation.prompts import PromptSet
from stylewav_pl.evaluation.results import ResultRow
from stylewav_pl.evaluation.speakers import (
    PERMUTATIONS,
    Speakers,
    average_by_speaker,
    contrast_p,
    permutation_p,
    permute_labels,
)
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
from stylewav_pl.runs.results import SCORE_PREFIX
from stylewav_pl.types import ConfigError


@dataclass(frozen=True, slots=True)
class Population:
    """How much evidence there is."""

    clips: int
    speakers: int


@dataclass(frozen=True, slots=True)
class Within:
    """The paper's test in one population: its own prompt against the mean of the others (with two: the other)."""

    label: str
    prompt: str
    welch: Welch | NotComputable


@dataclass(frozen=True, slots=True)
class Between:
    """One prompt: its own population against the rest. Positive means the right direction.

    Attributes:
        label: The prompt's own population.
        prompt: The sentence.
        welch: Welch's test of own minus rest.
        p_holm: The p value corrected over the prompts.
        hedges_g: Size of the difference in pooled standard deviations.
        auc: Chance that a speaker of the own population scores above one of the rest.
    """

    label: str
    prompt: str
    welch: Welch | NotComputable
    p_holm: float | NotComputable
    hedges_g: Interval | NotComputable
    auc: Interval | NotComputable


@dataclass(frozen=True, slots=True)
class Omnibus:
    """One prompt over all populations at once: do any of their means differ?

    Attributes:
        prompt: The sentence.
        anova: Welch's analysis of variance.
        p_holm: Its p value corrected over the prompts.
    """

    prompt: str
    anova: Anova | NotComputable
    p_holm: float | NotComputable


@dataclass(frozen=True, slots=True)
class Trend:
    """Do the faces follow the order of the populations?

    A speaker's measure is the slope of the scores over the ordered prompts: a prompt that scores higher
    everywhere cancels out. The test is a linear contrast of the populations' means: unlike a rank test it
    keeps the unit, has an interval, and is the same Welch test as everywhere here; Spearman's correlation
    beside it does not care how even the steps are.

    Attributes:
        labels: The populations used, those with at least two speakers, in order.
        welch: Slope of the measure per population, positive in the right direction.
        spearman: Of the measure with the population's position.
    """

    labels: tuple[str, ...]
    welch: Welch | NotComputable
    spearman: Interval | NotComputable


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Speakers whose right prompt scores strictly highest, with a Wilson interval."""

    right: int
    total: int
    share: Interval | NotComputable


@dataclass(frozen=True)
class Comparison:
    """All answers for one assignment of labels to speakers.

    Attributes:
        means: Prompt to label to mean similarity over speakers, in [-1, 1].
        within: One per population.
        between: One per prompt.
        accuracy: Over all speakers.
        accuracy_by_label: Per population.
        balanced_accuracy: Mean over the populations: one prompt for all speakers gives chance, however many
            are of its population.
        omnibus: One per prompt, where there are more than two populations.
        trend: Where more than two populations have an order.
    """

    means: Mapping[str, Mapping[str, float | NotComputable]]
    within: tuple[Within, ...]
    between: tuple[Between, ...]
    accuracy: Accuracy
    accuracy_by_label: Mapping[str, Accuracy]
    balanced_accuracy: float | NotComputable
    omnibus: tuple[Omnibus, ...]
    trend: Trend | None


@dataclass(frozen=True)
class Evaluation:
    """Everything known about one trait in one run.

    Attributes:
        trait: The label column.
        prompts: Label to prompt.
        populations: Label to how many clips and speakers.
        speakers_known: Whether each clip names its speaker; otherwise a clip without one counts as a speaker
            of its own.
        shared_speakers: Speakers found in more than one population, counted once in each.
        unlabelled: Clips with a face but without one of the labels; they enter nothing.
        unscored: Labelled clips without scores; they enter nothing.
        faces_right: Faces (not speakers) nearest to the right prompt; equal to the accuracy's when each
            speaker has one clip.
        observed: The answers.
        permuted: The same after one permutation of the labels.
        permutation_p: Prompt to p value over ``permutations`` permutations.
        trend_permutation_p: The same for the trend; None where there is none.
        heard: The same answers for the audio's target, in the guide's space: does the audio encoder hear the
            trait?
        seen_by_guide: The same for the final images in the guide's space; ``observed`` is what the judge
            sees.
        seed: Of the permutations.
        permutations: How many.
        notes: What a reader must know beside the numbers.
    """

    trait: str
    prompts: Mapping[str, str]
    populations: Mapping[str, Population]
    speakers_known: bool
    shared_speakers: int
    unlabelled: int
    unscored: int
    faces_right: int
    observed: Comparison
    permuted: Comparison
    permutation_p: Mapping[str, float | NotComputable]
    trend_permutation_p: float | NotComputable | None
    heard: Comparison | NotComputable
    seen_by_guide: Comparison | NotComputable
    seed: int
    permutations: int
    notes: tuple[str, ...]


def evaluate(
    rows: Sequence[ResultRow],
    prompt_set: PromptSet,
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
    notes: Sequence[str] = (),
    guide_view: GuideView | NotComputable = NOT_RECORDED,
) -> Evaluation:
    """Answers the questions of this module for one trait.

    Args:
        rows: The records of a run; skipped, unlabelled and unscored clips enter nothing.
        prompt_set: Trait and prompts.
        seed: Of the permutations of labels.
        permutations: For the permutation p value; fewer, and never under 999, where speakers are many
            (:func:`affordable`).
        notes: Passed on to the reader, e.g. who judged.
        guide_view: Targets and images as the guide scores them with the prompts.

    Raises:
        ConfigError: If no finished clip was scored with these prompts.
    """
    done = [row for row in rows if row.done]
    _require_scores(done, prompt_set)
    labelled = [row for row in done if row.clip.labels.get(prompt_set.trait) in prompt_set.prompts]
    scored = [row for row in labelled if all(prompt in row.scores for prompt in prompt_set.sentences)]
    labels = [row.clip.labels[prompt_set.trait] for row in scored]
    scores = np.array(
        [[row.scores[prompt] for prompt in prompt_set.sentences] for row in scored], dtype=np.float64
    )
    scores = scores.reshape(-1, len(prompt_set.sentences))
    speakers = average_by_speaker([row.voice for row in scored], labels, scores)
    permutations = affordable(permutations, len(speakers.names))
    return Evaluation(
        trait=prompt_set.trait,
        prompts=prompt_set.prompts,
        populations={
            label: Population(labels.count(label), speakers.labels.count(label))
            for label in prompt_set.labels
        },
        speakers_known=all(row.clip.speaker for row in scored),
        shared_speakers=len(speakers.names) - len(set(speakers.names)),
        unlabelled=len(done) - len(labelled),
        unscored=len(labelled) - len(scored),
        faces_right=int(_right(labels, scores, prompt_set).sum()),
        observed=compare(speakers, prompt_set),
        permuted=compare(permute_labels(speakers, seed), prompt_set),
        permutation_p={
            prompt: permutation_p(
                speakers.of(label)[:, column], speakers.apart_from(label)[:, column], permutations, seed
            )
            for column, (label, prompt) in enumerate(prompt_set.prompts.items())
        },
        trend_permutation_p=_trend_permutation_p(speakers, prompt_set, permutations, seed),
        heard=_in_guides_space(scored, prompt_set, guide_view, "heard"),
        seen_by_guide=_in_guides_space(scored, prompt_set, guide_view, "seen"),
        seed=seed,
        permutations=permutations,
        notes=tuple(notes),
    )


def affordable(permutations: int, speakers: int) -> int:
    """As many permutations as take seconds, not minutes: 100 million shuffled speakers in all.

    >>> affordable(9999, 80), affordable(9999, 100_000), affordable(99, 100_000)
    (9999, 1000, 99)
    """
    return min(permutations, max(999, 100_000_000 // max(1, speakers)))


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


def _trend_permutation_p(
    speakers: Speakers, prompt_set: PromptSet, permutations: int, seed: int
) -> float | NotComputable | None:
    trend = _trend(speakers, prompt_set)
    if trend is None:
        return None
    if isinstance(trend.welch, NotComputable):
        return trend.welch
    _, samples, weights = _ordered_measures(speakers, prompt_set)
    return contrast_p(samples, weights, permutations, seed)


def _ordered_measures(
    speakers: Speakers, prompt_set: PromptSet
) -> tuple[tuple[str, ...], list[Sample], list[float]]:
    """The populations of at least two speakers, each speaker's slope over the prompts, and the weights of a slope over the populations."""
    over_prompts = slope_weights(range(len(prompt_set.labels)))
    found = {
        label: scores @ over_prompts for label in prompt_set.labels if len(scores := speakers.of(label)) > 1
    }
    positions = [prompt_set.labels.index(label) for label in found]
    return tuple(found), list(found.values()), slope_weights(positions).tolist() if len(found) > 1 else []


def _in_guides_space(
    scored: Sequence[ResultRow],
    prompt_set: PromptSet,
    view: GuideView | NotComputable,
    which: Literal["heard", "seen"],
) -> Comparison | NotComputable:
    """The comparison for what the guide gives targets or images, over the very clips that the judge scored."""
    if isinstance(view, NotComputable):
        return view
    unknown = [prompt for prompt in prompt_set.sentences if prompt not in view.prompts]
    if unknown:
        return NotComputable(f"the guide has not embedded the prompt {unknown[0]!r}")
    absent = sum(row.clip.id not in view.rows for row in scored)
    if absent:
        return NotComputable(f"{absent} of {len(scored)} clips were made without recording their targets")
    columns = [view.prompts.index(prompt) for prompt in prompt_set.sentences]
    scores = getattr(view, which)[[view.rows[row.clip.id] for row in scored]][:, columns]
    return compare(
        average_by_speaker(
            [row.voice for row in scored], [row.clip.labels[prompt_set.trait] for row in scored], scores
        ),
        prompt_set,
    )


def _balanced(shares: Sequence[Interval | NotComputable]) -> float | NotComputable:
    known = [share.value for share in shares if isinstance(share, Interval)]
    return float(np.mean(known)) if len(known) == len(shares) else NotComputable("a population is empty")


def _accuracy(speakers: Speakers, prompt_set: PromptSet, labels: Sequence[str]) -> Accuracy:
    counted = np.array([label in labels for label in speakers.labels], dtype=bool)
    right, total = (
        int(_right(speakers.labels, speakers.scores, prompt_set)[counted].sum()),
        int(counted.sum()),
    )
    return Accuracy(right, total, wilson(right, total))


def _right(
    labels: Sequence[str], scores: Float[np.ndarray, "row prompt"], prompt_set: PromptSet
) -> Bool[np.ndarray, " row"]:
    """Whether each row's own prompt scores above every other; a tie is not right."""
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


def _require_scores(done: Sequence[ResultRow], prompt_set: PromptSet) -> None:
    known = {prompt for row in done for prompt in row.scores}
    missing = [prompt for prompt in prompt_set.sentences if prompt not in known]
    if done and missing:
        raise ConfigError(
            f"Expected the column {SCORE_PREFIX + missing[0]!r} for trait {prompt_set.trait!r}, found "
            f"scores for {sorted(known) or 'no prompt'}. "
            "Score the run with these prompts first: `stylewav-pl test --config X --run DIR`."
        )
