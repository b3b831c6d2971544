"""The experiment: do faces made from two populations of voices differ in what a judge sees?

Three questions, always asked together and answered per speaker:

* within a population, does its own prompt score above the other? This is the paper's test. It treats the scores of one
  image with two prompts as independent samples although they are paired; it is kept as published, for comparison.
* between populations, does a prompt score higher on its own population than on the rest? This is the test that counts.
* how many speakers' faces are nearest to the right prompt?

And all of it once more after the labels were permuted between speakers, where nothing may show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from stylewav_pl.evaluation.prompts import PromptSet
from stylewav_pl.evaluation.results import ResultRow
from stylewav_pl.evaluation.speakers import PERMUTATIONS, Speakers, average_by_speaker, permutation_p, permute_labels
from stylewav_pl.evaluation.statistics import Interval, NotComputable, Welch, auc, hedges_g, holm, welch, wilson
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
    auc: float | NotComputable


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
    """

    means: Mapping[str, Mapping[str, float | NotComputable]]
    within: tuple[Within, ...]
    between: tuple[Between, ...]
    accuracy: Accuracy
    accuracy_by_label: Mapping[str, Accuracy]


@dataclass(frozen=True)
class Evaluation:
    """Everything known about one trait in one run.

    Attributes:
        trait: The label column.
        prompts: Label to prompt.
        populations: Label to how many clips and speakers.
        speakers_known: Whether each clip names its speaker; otherwise a clip without one counts as a speaker of its own.
        shared_speakers: Speakers found in more than one population, counted once in each.
        unlabelled: Clips with a face but without one of the labels; they enter nothing.
        unscored: Labelled clips without scores; they enter nothing.
        faces_right: Faces (not speakers) nearest to the right prompt; equal to the accuracy's when each speaker has one clip.
        observed: The answers.
        permuted: The same after one permutation of the labels.
        permutation_p: Prompt to p value over ``permutations`` permutations.
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
    seed: int
    permutations: int
    notes: tuple[str, ...]


def evaluate(
    rows: Sequence[ResultRow], prompt_set: PromptSet, *, seed: int = 0, permutations: int = PERMUTATIONS, notes: Sequence[str] = ()
) -> Evaluation:
    """Answers the questions of this module for one trait.

    Args:
        rows: The records of a run; skipped, unlabelled and unscored clips enter nothing.
        prompt_set: Trait and prompts.
        seed: Of the permutations of labels.
        permutations: For the permutation p value; fewer, and never under 999, where speakers are many (:func:`affordable`).
        notes: Passed on to the reader, e.g. who judged.

    Raises:
        ConfigError: If no finished clip was scored with these prompts.
    """
    done = [row for row in rows if row.done]
    _require_scores(done, prompt_set)
    labelled = [row for row in done if row.clip.labels.get(prompt_set.trait) in prompt_set.prompts]
    scored = [row for row in labelled if all(prompt in row.scores for prompt in prompt_set.sentences)]
    labels = [row.clip.labels[prompt_set.trait] for row in scored]
    scores = np.array([[row.scores[prompt] for prompt in prompt_set.sentences] for row in scored], dtype=np.float64)
    scores = scores.reshape(-1, len(prompt_set.sentences))
    speakers = average_by_speaker([_speaker(row) for row in scored], labels, scores)
    permutations = affordable(permutations, len(speakers.names))
    return Evaluation(
        trait=prompt_set.trait,
        prompts=prompt_set.prompts,
        populations={label: Population(labels.count(label), speakers.labels.count(label)) for label in prompt_set.labels},
        speakers_known=all(row.clip.speaker for row in scored),
        shared_speakers=len(speakers.names) - len(set(speakers.names)),
        unlabelled=len(done) - len(labelled),
        unscored=len(labelled) - len(scored),
        faces_right=int(_right(labels, scores, prompt_set).sum()),
        observed=compare(speakers, prompt_set),
        permuted=compare(permute_labels(speakers, seed), prompt_set),
        permutation_p={
            prompt: permutation_p(speakers.of(label)[:, column], speakers.apart_from(label)[:, column], permutations, seed)
            for column, (label, prompt) in enumerate(prompt_set.prompts.items())
        },
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
        prompt: {label: _mean(speakers, label, column) for label in prompt_set.labels} for column, prompt in enumerate(prompt_set.sentences)
    }
    overall = _accuracy(speakers, prompt_set, prompt_set.labels)
    return Comparison(means, _within(speakers, prompt_set), _between(speakers, prompt_set), overall, accuracies)


def _within(speakers: Speakers, prompt_set: PromptSet) -> tuple[Within, ...]:
    answers = []
    for column, (label, prompt) in enumerate(prompt_set.prompts.items()):
        scores = speakers.of(label)
        answers.append(Within(label, prompt, welch(scores[:, column], np.delete(scores, column, axis=1).mean(axis=1))))
    return tuple(answers)


def _between(speakers: Speakers, prompt_set: PromptSet) -> tuple[Between, ...]:
    pairs = [(speakers.of(label)[:, column], speakers.apart_from(label)[:, column]) for column, label in enumerate(prompt_set.labels)]
    tests = [welch(own, rest) for own, rest in pairs]
    adjusted = iter(holm([test.p for test in tests if isinstance(test, Welch)]))
    return tuple(
        Between(label, prompt, test, next(adjusted) if isinstance(test, Welch) else test, hedges_g(own, rest), auc(own, rest))
        for (label, prompt), test, (own, rest) in zip(prompt_set.prompts.items(), tests, pairs, strict=True)
    )


def _accuracy(speakers: Speakers, prompt_set: PromptSet, labels: Sequence[str]) -> Accuracy:
    counted = np.array([label in labels for label in speakers.labels], dtype=bool)
    right, total = int(_right(speakers.labels, speakers.scores, prompt_set)[counted].sum()), int(counted.sum())
    return Accuracy(right, total, wilson(right, total))


def _right(labels: Sequence[str], scores: Float[np.ndarray, "row prompt"], prompt_set: PromptSet) -> Bool[np.ndarray, " row"]:
    """Whether each row's own prompt scores above every other; a tie is not right."""
    own = np.arange(len(prompt_set.labels)) == np.array([prompt_set.labels.index(label) for label in labels], dtype=int)[:, None]
    right: Bool[np.ndarray, " row"] = np.where(own, scores, -np.inf).max(axis=1) > np.where(own, -np.inf, scores).max(axis=1)
    return right


def _mean(speakers: Speakers, label: str, column: int) -> float | NotComputable:
    scores = speakers.of(label)[:, column]
    return float(scores.mean()) if scores.size else NotComputable("the population is empty")


def _speaker(row: ResultRow) -> str:
    """The speaker, or a name that no speaker has (csv cells hold no NUL) for a clip whose speaker is unknown."""
    return row.clip.speaker or f"\0{row.clip.id}"


def _require_scores(done: Sequence[ResultRow], prompt_set: PromptSet) -> None:
    known = {prompt for row in done for prompt in row.scores}
    missing = [prompt for prompt in prompt_set.sentences if prompt not in known]
    if done and missing:
        raise ConfigError(
            f"Expected the column {SCORE_PREFIX + missing[0]!r} for trait {prompt_set.trait!r}, found scores for {sorted(known) or 'no prompt'}. "
            "Score the run with these prompts first: `stylewav-pl test --config X --run DIR`."
        )
