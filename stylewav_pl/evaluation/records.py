"""The answers about one trait in one run, as records."""

from collections.abc import Mapping
from dataclasses import dataclass

from stylewav_pl.evaluation.multigroup import Anova
from stylewav_pl.evaluation.statistics import Interval, NotComputable, Welch


@dataclass(frozen=True, slots=True)
class PopulationSize:
    """How much evidence there is."""

    clips: int
    speakers: int


@dataclass(frozen=True, slots=True)
class Within:
    """The paper's test in one population.

    Its own prompt against the mean of the others (with two: the other).
    """

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
    populations: Mapping[str, PopulationSize]
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
