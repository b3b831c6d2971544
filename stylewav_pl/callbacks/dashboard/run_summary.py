"""What a dashboard shows of a run that is done, read from the files of its directory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float
from PIL import Image

from stylewav_pl.callbacks.dashboard import names
from stylewav_pl.evaluation.populations import group
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.evaluation.settings import read_settings
from stylewav_pl.loggers import Cell, RunLogger
from stylewav_pl.pictures.images import load_face
from stylewav_pl.runs.finished import GRID, PAGE, STATISTICS, FinishedRun
from stylewav_pl.runs.rows import ResultRow

THUMBNAIL_PIXELS = 96
FILES = (PAGE, STATISTICS)
NETWORKS = ("guide", "judge")
Fact: TypeAlias = str | int | float


class RunSummary:
    """The finished run; each part is read when a logger asks for it, and once for all loggers."""

    def __init__(self, run: FinishedRun, table_rows: int) -> None:
        """Says what is shown.

        Args:
            run: A run with its tables.
            table_rows: Most rows of the table of clips; of more an evenly spaced sample is shown.
        """
        self.run = run
        self.table_rows = table_rows

    def show(self, logger: RunLogger) -> None:
        """Hands everything to a logger; the x-axis is the number of all clips."""
        manifest = self.run.manifest
        counts, scored_with = manifest["counts"], manifest.get("scored_with", {})
        step = counts["done"]
        if not logger.only_numbers:
            for name, values in self.histograms.items():
                logger.log_histogram(name, values, step)
            for name, curve in self.curves.items():
                logger.log_curve(name, curve)
            if self.grid:
                logger.log_picture(names.GRID, self.grid, step)
            logger.log_table(names.TABLE, *self.table, step)
            logger.log_files(names.FILES, [path for path in map(self.run.made, FILES) if path])
        known = {f"clips/{name}": count for name, count in counts.items()} | {
            f"networks/{name}": scored_with.get(name, "") for name in NETWORKS
        }
        found = self.run.statistics()
        everything = all_facts(found) if logger.only_numbers else {}
        logger.log_summary({**everything, **chosen_facts(found), **known}, step)

    @cached_property
    def rows(self) -> list[ResultRow]:
        """The clips that have a face."""
        return [row for row in self.run.rows if row.done]

    @cached_property
    def histograms(self) -> dict[str, Float[np.ndarray, " clip"]]:
        """Final similarities of all clips, and scores of each population with each prompt."""
        found = {
            names.histogram("similarity_end"): [
                row.similarity_end for row in self.rows if row.similarity_end is not None
            ]
        }
        for prompts, *_ in read_settings(self.run):
            for label, prompt in product(prompts.labels, prompts.sentences):
                members = [
                    row
                    for row in self.rows
                    if row.clip.labels.get(prompts.trait) == label and prompt in row.scores
                ]
                found[names.histogram(names.score(prompts.trait, label, prompt))] = [
                    row.scores[prompt] for row in members
                ]
        return {name: np.array(values) for name, values in found.items() if values}

    @cached_property
    def curves(self) -> dict[str, list[float]]:
        """Mean similarity at each step, of everybody and of each population."""
        label_of = {id: label for label, ids in group(self.run).items() for id in ids if label}
        sums: dict[str, tuple[int, Float[np.ndarray, " step"]]] = {}
        for id, similarities in self.run.curves():
            curve = np.array(similarities)
            for label in filter(None, (names.EVERYBODY, label_of.get(id))):
                count, total = sums.get(label, (0, np.zeros(len(curve))))
                sums[label] = count + 1, total + curve
        return {names.curve(label): (total / count).tolist() for label, (count, total) in sums.items()}

    @cached_property
    def grid(self) -> Image.Image | None:
        """The faces of all populations, None where there is no picture."""
        path = self.run.made(GRID)
        if path is None:
            return None
        with Image.open(path) as picture:
            return picture.convert("RGB")

    @cached_property
    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Columns and rows of a sample of the clips."""
        labels = list(dict.fromkeys(label for row in self.rows for label in row.clip.labels))
        prompts = list(dict.fromkeys(prompt for row in self.rows for prompt in row.scores))
        columns = [
            "face",
            "id",
            "speaker",
            *labels,
            "similarity_start",
            "similarity_end",
            *(f"score: {prompt}" for prompt in prompts),
        ]
        return columns, [
            [
                thumbnail(self.run, row.clip.id),
                row.clip.id,
                row.clip.speaker,
                *(row.clip.labels.get(label, "") for label in labels),
                row.similarity_start,
                row.similarity_end,
                *(row.scores.get(prompt) for prompt in prompts),
            ]
            for row in evenly_spaced(self.rows, self.table_rows)
        ]


def chosen_facts(statistics: Mapping[str, Any]) -> dict[str, Fact]:
    """Returns the few numbers of ``statistics.json`` that say what a run found.

    By the names that dashboards show.

    Args:
        statistics: By trait, see :meth:`FinishedRun.statistics`.
    """
    found: dict[str, Fact] = {}
    for trait, answers in statistics.items():
        values = {
            "verdict": answers.get("verdict"),
            "faces_right": _at(answers, "observed", "accuracy", "share", "value"),
            "voices_right": _at(answers, "heard", "accuracy", "share", "value"),
            "hedges_g_least": _extreme(min, answers, "observed", "hedges_g", "value"),
            "p_holm_largest": _extreme(max, answers, "observed", "p_holm"),
            "control_hedges_g_largest": _extreme(_farthest, answers, "permuted", "hedges_g", "value"),
        }
        found |= {f"statistics/{trait}/{name}": value for name, value in values.items() if value is not None}
    return found


def all_facts(statistics: Mapping[str, Any]) -> dict[str, Fact]:
    """Names all the numbers and verdicts of ``statistics.json``."""
    return {
        f"statistics/{name}": value
        for name, value in leaves(statistics)
        if not isinstance(value, str) or name.endswith("/verdict")
    }


def _at(value: Any, *names: str) -> float | None:
    """Returns the number at the end of a path; None where there is none, or it could not be computed."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _extreme(
    choose: Callable[[Sequence[float]], float], answers: Any, comparison: str, *names: str
) -> float | None:
    """Returns the least or largest number of the tests between populations."""
    between = answers.get(comparison, {}).get("between", ())
    values = [value for one in between if (value := _at(one, *names)) is not None]
    return choose(values) if values else None


def _farthest(values: Sequence[float]) -> float:
    return max(values, key=abs)


def leaves(value: object, prefix: str = "") -> Iterator[tuple[str, str | int | float]]:
    """Names and values below ``value``; a record in a list is named by its label.

    >>> dict(leaves({"sex": {"between": [{"label": "male", "p": 0.5}, {"label": "female", "p": None}]}}))
    {'sex/between/male/label': 'male', 'sex/between/male/p': 0.5, 'sex/between/female/label': 'female'}
    """
    if isinstance(value, Mapping):
        named = [(str(name), entry) for name, entry in value.items()]
    elif isinstance(value, list):
        named = [
            (str(entry.get("label", place)) if isinstance(entry, dict) else str(place), entry)
            for place, entry in enumerate(value)
        ]
    else:
        if isinstance(value, str | int | float):
            yield prefix, value
        return
    for name, entry in named:
        yield from leaves(entry, f"{prefix}/{name}" if prefix else name)


def thumbnail(run: FinishedRun, id: str) -> Image.Image | None:
    """A small copy of the clip's image, None where it is missing."""
    face = load_face(run, id)
    if face is not None:
        face.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS), Image.Resampling.LANCZOS)
    return face
