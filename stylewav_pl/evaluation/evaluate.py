"""Evaluates one trait of a run, and once more where nothing may show.

All questions of :mod:`~stylewav_pl.evaluation.comparison` are asked once more after the labels were permuted
between speakers; and of what the audio encoder hears and the guide sees, which says where a trait gets lost
on its way from the voice to the judge.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from stylewav_pl.errors import ConfigError
from stylewav_pl.evaluation.comparison import compare, is_right, trend_permutation_p
from stylewav_pl.evaluation.guide_view import NOT_RECORDED, GuideView
from stylewav_pl.evaluation.prompts import PromptSet
from stylewav_pl.evaluation.records import Comparison, Evaluation, PopulationSize
from stylewav_pl.evaluation.speakers import PERMUTATIONS, average_by_speaker, permutation_p, permute_labels
from stylewav_pl.evaluation.statistics import NotComputable
from stylewav_pl.runs.results import SCORE_PREFIX
from stylewav_pl.runs.rows import ResultRow


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
            (:func:`limit_permutations`).
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
    permutations = limit_permutations(permutations, len(speakers.names))
    return Evaluation(
        trait=prompt_set.trait,
        prompts=prompt_set.prompts,
        populations={
            label: PopulationSize(labels.count(label), speakers.labels.count(label))
            for label in prompt_set.labels
        },
        speakers_known=all(row.speaker_is_known for row in scored),
        shared_speakers=len(speakers.names) - len(set(speakers.names)),
        unlabelled=len(done) - len(labelled),
        unscored=len(labelled) - len(scored),
        faces_right=int(is_right(labels, scores, prompt_set).sum()),
        observed=compare(speakers, prompt_set),
        permuted=compare(permute_labels(speakers, seed), prompt_set),
        permutation_p={
            prompt: permutation_p(
                speakers.of(label)[:, column], speakers.apart_from(label)[:, column], permutations, seed
            )
            for column, (label, prompt) in enumerate(prompt_set.prompts.items())
        },
        trend_permutation_p=trend_permutation_p(speakers, prompt_set, permutations, seed),
        heard=_in_guides_space(scored, prompt_set, guide_view, "audio_similarities"),
        seen_by_guide=_in_guides_space(scored, prompt_set, guide_view, "image_similarities"),
        seed=seed,
        permutations=permutations,
        notes=tuple(notes),
    )


def limit_permutations(permutations: int, speakers: int) -> int:
    """As many permutations as take seconds, not minutes: 100 million shuffled speakers in all.

    >>> limit_permutations(9999, 80), limit_permutations(9999, 100_000), limit_permutations(99, 100_000)
    (9999, 1000, 99)
    """
    return min(permutations, max(999, 100_000_000 // max(1, speakers)))


def _in_guides_space(
    scored: Sequence[ResultRow],
    prompt_set: PromptSet,
    view: GuideView | NotComputable,
    which: Literal["audio_similarities", "image_similarities"],
) -> Comparison | NotComputable:
    """Compares what the guide gives targets or images, over the very clips that the judge scored."""
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


def _require_scores(done: Sequence[ResultRow], prompt_set: PromptSet) -> None:
    known = {prompt for row in done for prompt in row.scores}
    missing = [prompt for prompt in prompt_set.sentences if prompt not in known]
    if done and missing:
        raise ConfigError(
            f"Expected the column {SCORE_PREFIX + missing[0]!r} for trait {prompt_set.trait!r}, found "
            f"scores for {sorted(known) or 'no prompt'}. "
            "Score the run with these prompts first: `stylewav-pl test --config X --run DIR`."
        )
