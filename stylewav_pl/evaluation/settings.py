"""Reads how a run was evaluated before, from its ``statistics.json``."""

import json
from pathlib import Path

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.evaluation.prompts import PromptSet

STATISTICS_FILE = "statistics.json"


def read_settings(run_directory: Path) -> list[tuple[PromptSet, int, int, tuple[str, ...]]]:
    """Prompt set, seed, permutations and notes of each trait of an earlier evaluation.

    Empty when there was none.

    Raises:
        RunDirectoryError: If the file exists but cannot be understood.
    """
    path = run_directory / STATISTICS_FILE
    if not path.is_file():
        return []
    try:
        traits = json.loads(path.read_text(encoding="utf-8"))["traits"]
        return [
            (
                PromptSet(trait, entry["prompts"]),
                int(entry["seed"]),
                int(entry["permutations"]),
                tuple(entry["notes"]),
            )
            for trait, entry in traits.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise RunDirectoryError(
            f"Expected the statistics of a run in {path}, found something else ({problem}). Delete the file "
            "and score the run again."
        ) from problem
