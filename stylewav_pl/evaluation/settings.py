"""Reads how a run was evaluated before, from its ``statistics.json``."""

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.evaluation.prompts import PromptSet
from stylewav_pl.runs.finished import STATISTICS, FinishedRun


def read_settings(run: FinishedRun) -> list[tuple[PromptSet, int, int, tuple[str, ...]]]:
    """Prompt set, seed, permutations and notes of each trait of an earlier evaluation.

    Empty when there was none.

    Raises:
        RunDirectoryError: If the file exists but cannot be understood.
    """
    try:
        return [
            (
                PromptSet(trait, entry["prompts"]),
                int(entry["seed"]),
                int(entry["permutations"]),
                tuple(entry["notes"]),
            )
            for trait, entry in run.statistics().items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise RunDirectoryError(
            f"Expected the statistics of a run in {run.path / STATISTICS}, found something else ({problem}). "
            "Delete the file and score the run again."
        ) from problem
