"""Which finished clips belong to which population, for pictures and pages."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from stylewav_pl.evaluation.prompts import DEFAULT_PROMPTS, PromptSet
from stylewav_pl.evaluation.settings import read_settings
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.rows import ResultRow

Populations: TypeAlias = Mapping[str, tuple[str, ...]]


def group(run: FinishedRun, trait: str | None = None) -> Populations:
    """Groups the ids of the finished clips by label, in the order of the prompts, then of the plan.

    ``""`` holds those without label.

    Args:
        run: Also tells which trait an earlier evaluation was about.
        trait: The label column; by default the one evaluated, else one with default prompts, else the first.
    """
    done = [row for row in run.rows if row.done]
    prompt_set = _evaluated(run, done)
    name = trait if trait is not None else (prompt_set.trait if prompt_set else _first_label(done))
    known = prompt_set.labels if prompt_set and prompt_set.trait == name else ()
    found = dict.fromkeys([*known, *(row.clip.labels[name] for row in done if name in row.clip.labels), ""])
    groups = {
        label: tuple(row.clip.id for row in done if row.clip.labels.get(name, "") == label) for label in found
    }
    return {label: ids for label, ids in groups.items() if ids}


def _evaluated(run: FinishedRun, done: Sequence[ResultRow]) -> PromptSet | None:
    settings = read_settings(run)
    if settings:
        return settings[0][0]
    return next(
        (
            prompts
            for trait, prompts in DEFAULT_PROMPTS.items()
            if any(trait in row.clip.labels for row in done)
        ),
        None,
    )


def _first_label(done: Sequence[ResultRow]) -> str:
    return next((name for row in done for name in row.clip.labels), "")
