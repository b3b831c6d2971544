"""Reads the records that a run left behind.

A row takes about half a kilobyte of memory, since millions of them are read at once: what is equal in many
rows is kept once.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.cells import Reader
from stylewav_pl.runs.members import MARK
from stylewav_pl.runs.results import FIRST_COLUMNS, LAST_COLUMNS, SCORE_PREFIX
from stylewav_pl.types import Clip

_BEFORE, _AFTER = list(FIRST_COLUMNS), list(LAST_COLUMNS)


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One line of ``results.csv``.

    Attributes:
        clip: Who and what, with the labels that are not empty.
        done: Whether the clip has a face; otherwise it was skipped.
        similarity_start: Cosine of the start image to the target, in [-1, 1].
        similarity_end: Cosine of the final image to the target.
        scores: Prompt to cosine of the final image with it; empty when not scored.
        seed: The clip's own seed.
    """

    clip: Clip
    done: bool
    similarity_start: float | None
    similarity_end: float | None
    scores: Mapping[str, float]
    seed: int | None = None

    @property
    def voice(self) -> str:
        """The speaker, or a name that no speaker has for a clip whose speaker is unknown.

        It holds a NUL, which no csv cell does.
        """
        return self.clip.speaker or f"\0{self.clip.id}"

    @property
    def speaker_is_known(self) -> bool:
        """Whether somebody said who speaks; members of a clip of nobody have its id for a speaker."""
        return bool(self.clip.speaker) and self.clip.id.rpartition(MARK)[0] != self.clip.speaker


def read_results(run_directory: Path) -> list[ResultRow]:
    """The rows of ``results.csv`` in plan order. Label columns are those between ``speaker`` and ``seed``.

    Columns are taken by position, so that a label called like another column does no harm.

    Raises:
        RunDirectoryError: If the file is missing, or is no such table.
    """
    path = run_directory / "results.csv"
    if not path.is_file():
        raise RunDirectoryError(
            f"Expected a finished run in {run_directory}, found no results.csv. Run `stylewav-pl fit` with "
            "this --run first."
        )
    lines = _lines(path)
    header, _ = next(lines, ([], ""))
    columns = _Columns(header, _label_columns(header, path))
    return [_row(columns, cells, place) for cells, place in lines if cells]


def read_curves(path: Path) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Id and similarity at each step of each clip, one clip after the other; none where the file is missing.

    Raises:
        RunDirectoryError: It is no such table.
    """
    if not path.is_file():
        return
    lines = _lines(path)
    next(lines, None)
    for cells, place in lines:
        try:
            yield cells[0], tuple(float(cell) for cell in cells[1:] if cell)
        except (ValueError, IndexError):
            raise _damaged(",".join(cells), place) from None


def _lines(path: Path) -> Iterator[tuple[list[str], str]]:
    """Cells of each line, and its place for people."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        lines = Reader(file)
        try:
            for cells in lines:
                yield cells, f"{path}, line {lines.line_num}"
        except csv.Error as error:
            raise RunDirectoryError(
                f"Expected a table in {path}, found something else ({error}). Restore it."
            ) from error


def _label_columns(header: list[str], path: Path) -> list[str]:
    fixed = len(_BEFORE)
    for start in range(fixed, len(header)):
        rest = header[start + len(_AFTER) :]
        if (
            header[:fixed] == _BEFORE
            and header[start : start + len(_AFTER)] == _AFTER
            and all(name.startswith(SCORE_PREFIX) for name in rest)
        ):
            return header[fixed:start]
    raise RunDirectoryError(
        f"Expected the columns {', '.join(_BEFORE)}, labels, {', '.join(_AFTER)} and scores in {path}, "
        f"found {', '.join(header) or 'nothing'}. "
        "Restore the file, or run `stylewav-pl fit` with this --run again."
    )


class _Columns:
    """The columns of one table, and what its rows share.

    Speakers, combinations of labels, and which prompts have a score.
    """

    def __init__(self, header: list[str], labels: list[str]) -> None:
        self.count, self.labels = len(header), labels
        self.seed = len(_BEFORE) + len(labels)
        self.scores = self.seed + len(_AFTER)
        self.prompts = [name.removeprefix(SCORE_PREFIX) for name in header[self.scores :]]
        self._speakers: dict[str, str] = {}
        self._labels: dict[tuple[str, ...], Mapping[str, str]] = {}
        self._places: dict[tuple[str, ...], Mapping[str, int]] = {}

    def speaker(self, name: str) -> str:
        return self._speakers.setdefault(name, name)

    def labels_of(self, cells: tuple[str, ...]) -> Mapping[str, str]:
        if cells not in self._labels:
            self._labels[cells] = {
                name: value for name, value in zip(self.labels, cells, strict=True) if value
            }
        return self._labels[cells]

    def scores_of(self, cells: Sequence[str], place: str) -> Mapping[str, float]:
        values = [_number(cell, place) for cell in cells]
        names = tuple(name for name, value in zip(self.prompts, values, strict=True) if value is not None)
        if names not in self._places:
            self._places[names] = {name: index for index, name in enumerate(names)}
        return _Scores(self._places[names], tuple(value for value in values if value is not None))


class _Scores(Mapping[str, float]):
    """A mapping whose keys are kept once for all rows."""

    __slots__ = ("_places", "_values")

    def __init__(self, places: Mapping[str, int], values: tuple[float, ...]) -> None:
        self._places, self._values = places, values

    def __getitem__(self, prompt: str) -> float:
        return self._values[self._places[prompt]]

    def __contains__(self, prompt: object) -> bool:
        return prompt in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _row(columns: _Columns, cells: list[str], place: str) -> ResultRow:
    if len(cells) != columns.count:
        raise RunDirectoryError(
            f"Expected {columns.count} cells in {place}, found {len(cells)}. Restore the file from the run."
        )
    id, path, speaker = cells[: len(_BEFORE)]
    seed, status, start, end = cells[columns.seed : columns.scores]
    return ResultRow(
        clip=Clip(
            id, path, columns.speaker(speaker), columns.labels_of(tuple(cells[len(_BEFORE) : columns.seed]))
        ),
        done=status == "done",
        similarity_start=_number(start, place),
        similarity_end=_number(end, place),
        scores=columns.scores_of(cells[columns.scores :], place),
        seed=_whole(seed, place),
    )


def _number(cell: str, place: str) -> float | None:
    """An empty cell is no number; ``nan`` is none either, and must not pass for one."""
    try:
        value = float(cell) if cell else None
    except ValueError:
        raise _damaged(cell, place) from None
    return value if value is None or math.isfinite(value) else None


def _whole(cell: str, place: str) -> int | None:
    """Not by way of float: seeds have 63 bits."""
    try:
        return int(cell) if cell else None
    except ValueError:
        raise _damaged(cell, place) from None


def _damaged(cell: str, place: str) -> RunDirectoryError:
    return RunDirectoryError(f"Expected a number in {place}, found {cell!r}. Restore the file from the run.")
