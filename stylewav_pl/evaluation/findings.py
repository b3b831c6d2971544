"""Everything that is computed about a run, from its files alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from stylewav_pl.errors import StyleWavError
from stylewav_pl.evaluation.diversity import Diversity, read_diversity
from stylewav_pl.evaluation.evaluate import evaluate
from stylewav_pl.evaluation.guide_view import Retrieval, read_guide_view, read_retrieval
from stylewav_pl.evaluation.objective import TermShare, read_terms
from stylewav_pl.evaluation.prompts import DEFAULT_PROMPTS, PromptSet
from stylewav_pl.evaluation.records import Evaluation
from stylewav_pl.evaluation.settings import read_settings
from stylewav_pl.evaluation.speakers import PERMUTATIONS
from stylewav_pl.evaluation.statistics import NotComputable
from stylewav_pl.runs.finished import FinishedRun


@dataclass(frozen=True)
class Findings:
    """What a run gave.

    Attributes:
        evaluations: One per trait.
        retrieval: Whether images find their own audio.
        problems: Why a trait has no evaluation.
        terms: What the loss consisted of in the end; none where it was one term.
        diversity: How much the faces of one voice differ; None where each has one.
    """

    evaluations: tuple[Evaluation, ...]
    retrieval: Retrieval | NotComputable
    problems: tuple[str, ...] = ()
    terms: tuple[TermShare, ...] = ()
    diversity: Diversity | None = None


def compute_findings(
    run: FinishedRun,
    prompt_sets: Sequence[PromptSet],
    seed: int,
    notes: Sequence[str],
) -> Findings:
    """Evaluates every trait.

    Raises:
        ConfigError: A trait was never scored.
        RunDirectoryError: A file that is there is damaged.
    """
    view = read_guide_view(run)
    evaluations = tuple(
        evaluate(run.rows, prompts, seed=seed, notes=notes, guide_view=view) for prompts in prompt_sets
    )
    return Findings(
        evaluations,
        read_retrieval(run, run.rows),
        terms=read_terms(run),
        diversity=read_diversity(run, run.rows),
    )


def recompute_findings(run: FinishedRun) -> Findings:
    """Evaluates the traits that were before, or those with default prompts.

    Tells what could not be evaluated and why.

    Raises:
        RunDirectoryError: A file that is there is damaged.
    """
    view = read_guide_view(run)
    scored = {prompt for row in run.rows for prompt in row.scores}
    defaults = [
        (prompts, 0, PERMUTATIONS, ())
        for prompts in DEFAULT_PROMPTS.values()
        if scored.issuperset(prompts.sentences)
    ]
    evaluations, problems = [], []
    for prompts, seed, permutations, notes in read_settings(run) or defaults:
        try:
            evaluations.append(
                evaluate(
                    run.rows, prompts, seed=seed, permutations=permutations, notes=notes, guide_view=view
                )
            )
        except StyleWavError as problem:
            problems.append(str(problem))
    return Findings(
        tuple(evaluations),
        read_retrieval(run, run.rows),
        tuple(problems),
        read_terms(run),
        read_diversity(run, run.rows),
    )
