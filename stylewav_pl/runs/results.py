"""The tables of a run, merged from the journals of all ranks.

They are in plan order, so that they compare byte for byte.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.files import whole_file
from stylewav_pl.runs.cells import Writer, read_mappings
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.journal import ClipRecord, CohortRecord, Journals
from stylewav_pl.runs.plan import Cohort, Plan
from stylewav_pl.types import Skip, SkipReason

FIRST_COLUMNS = ("id", "path", "speaker")
LAST_COLUMNS = ("seed", "status", "similarity_start", "similarity_end")
SCORE_PREFIX = "score: "

Scores: TypeAlias = Mapping[str, Mapping[str, float]]
NO_SCORES: Scores = MappingProxyType({})


@dataclass(frozen=True)
class Totals:
    """What a run gave.

    Attributes:
        done: How many clips have a result.
        skips: Those that have none.
        seconds: What the cohorts took, all together.
    """

    done: int
    skips: tuple[Skip, ...]
    seconds: float


@dataclass(frozen=True)
class _Columns:
    """What the clips of a run differ in: names of labels, prompts, and the steps of the longest curve."""

    labels: Sequence[str]
    prompts: Sequence[str]
    steps: int


def merge(
    run: RunDirectory,
    plan: Plan,
    records: Journals | Mapping[int, CohortRecord],
    early_skips: Sequence[Skip] = (),
    scores: Scores = NO_SCORES,
) -> Totals:
    """Writes ``results.csv``, ``curves.csv`` and ``skipped.csv`` of the finished cohorts.

    One cohort is in memory at a time.

    Args:
        run: Where to write.
        plan: The order of the rows.
        records: Finished cohorts by index.
        early_skips: Clips that never reached the plan (duplicate ids).
        scores: By clip, where it was scored again later: they replace those of the records.
    """
    finished = [cohort for cohort in plan.cohorts if cohort.index in records]
    columns = _columns((clip for cohort in finished for clip in records[cohort.index].clips), scores)
    skips, done, seconds = list(early_skips), 0, 0.0
    with ExitStack() as files:
        results, curves, skipped = (
            _table(files, run.path / name) for name in ("results.csv", "curves.csv", "skipped.csv")
        )
        results.writerow(
            [
                *FIRST_COLUMNS,
                *columns.labels,
                *LAST_COLUMNS,
                *(SCORE_PREFIX + prompt for prompt in columns.prompts),
            ]
        )
        curves.writerow(["id", *(str(step) for step in range(columns.steps))])
        for cohort in finished:
            record = records[cohort.index]
            seconds += record.seconds
            for row in _rows(cohort, record):
                if isinstance(row, Skip):
                    skips.append(row)
                    results.writerow(_skip_row(row, columns))
                else:
                    done += 1
                    results.writerow(_result_row(row, columns, scores.get(row.id, row.scores)))
                    curves.writerow([row.id, *(f"{similarity:.6f}" for similarity in row.curve)])
        skipped.writerow(["id", "path", "reason", "detail"])
        skipped.writerows([skip.id, skip.path, skip.reason.value, skip.detail] for skip in skips)
    return Totals(done, tuple(skips), seconds)


def _columns(clips: Iterable[ClipRecord], scores: Scores) -> _Columns:
    labels: set[str] = set()
    prompts: dict[str, None] = {}
    steps = 0
    for clip in clips:
        labels.update(clip.labels)
        prompts.update(dict.fromkeys(scores.get(clip.id, clip.scores)))
        steps = max(steps, len(clip.curve))
    return _Columns(sorted(labels), list(prompts), steps)


def _rows(cohort: Cohort, record: CohortRecord) -> Iterator[ClipRecord | Skip]:
    """The clips of a cohort in plan order.

    Raises:
        RunDirectoryError: The record is about others.
    """
    rows: list[ClipRecord | Skip] = [*record.clips, *record.skips]
    found = {row.id: row for row in rows}
    if found.keys() != set(cohort.ids):
        raise RunDirectoryError(
            f"The journal says of cohort {cohort.index} that it was {', '.join(sorted(found)) or 'nobody'}, "
            f"the plan {', '.join(sorted(cohort.ids))}: they belong to two runs. Restore both, or begin anew "
            "with --restart."
        )
    return (found[id] for id in cohort.ids)


def _skip_row(skip: Skip, columns: _Columns) -> list[str]:
    return [
        skip.id,
        skip.path,
        "",
        *("" for _ in columns.labels),
        "",
        "skipped",
        "",
        "",
        *("" for _ in columns.prompts),
    ]


def _result_row(clip: ClipRecord, columns: _Columns, scores: Mapping[str, float]) -> list[str]:
    facts = [
        clip.id,
        clip.path,
        clip.speaker,
        *(clip.labels.get(name, "") for name in columns.labels),
        str(clip.seed),
        "done",
    ]
    numbers = [
        clip.similarity_start,
        clip.similarity_end,
        *(scores.get(prompt) for prompt in columns.prompts),
    ]
    return [*facts, *("" if number is None else f"{number:.6f}" for number in numbers)]


def _table(files: ExitStack, path: Path) -> Writer:
    """A writer of rows into a file that appears when all of ``files`` are closed."""
    text = io.TextIOWrapper(
        files.enter_context(whole_file(path)), encoding="utf-8", errors="surrogateescape", newline=""
    )
    files.callback(text.detach)  # flushes, and leaves the file to be closed by its owner
    return Writer(text)


def read_skips(run: RunDirectory) -> list[Skip]:
    """The rows of ``skipped.csv``; none where the file is missing.

    Raises:
        RunDirectoryError: It is no such table.
    """
    path = run.path / "skipped.csv"
    lines = read_skip_lines(path)
    try:
        return [Skip(line["id"], line["path"], SkipReason(line["reason"]), line["detail"]) for line in lines]
    except (ValueError, KeyError) as error:
        raise _no_skips(path, error) from error


def read_skip_lines(path: Path) -> list[Mapping[str, str]]:
    """The cells of ``skipped.csv`` by column, as text; none where the file is missing.

    Raises:
        RunDirectoryError: It is no table.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return list(read_mappings(file))
    except (ValueError, csv.Error) as error:
        raise _no_skips(path, error) from error


def _no_skips(path: Path, error: Exception) -> RunDirectoryError:
    return RunDirectoryError(
        f"Expected id, path, a known reason and a detail in {path}, found something else ({error}). The same "
        "`fit` command writes it again."
    )
