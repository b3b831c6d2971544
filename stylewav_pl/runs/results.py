"""The tables of a run: merged from the journals of all ranks into plan order, so that they compare byte for byte."""

import csv
import io
from collections.abc import Iterable, Sequence

from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.files import write_text
from stylewav_pl.runs.journal import ClipRecord, CohortRecord
from stylewav_pl.runs.plan import Plan
from stylewav_pl.types import Skip, SkipReason

FIRST_COLUMNS = ("id", "path", "speaker")
LAST_COLUMNS = ("seed", "status", "similarity_start", "similarity_end")
SCORE_PREFIX = "score: "


def merge(run: RunDirectory, plan: Plan, records: dict[int, CohortRecord], early_skips: Sequence[Skip] = ()) -> None:
    """Writes ``results.csv``, ``curves.csv`` and ``skipped.csv`` of the cohorts that are finished.

    Args:
        run: Where to write.
        plan: The order of the rows.
        records: Finished cohorts by index.
        early_skips: Clips that never reached the plan (duplicate ids).
    """
    done = [records[cohort.index] for cohort in plan.cohorts if cohort.index in records]
    clips = {clip.id: clip for record in done for clip in record.clips}
    skips = {skip.id: skip for record in done for skip in record.skips}
    ordered = [clips.get(id) or skips[id] for cohort in plan.cohorts if cohort.index in records for id in cohort.ids]
    write_text(run.path / "results.csv", _table(_result_rows(ordered, list(clips.values()))))
    write_text(run.path / "curves.csv", _table(_curve_rows([row for row in ordered if isinstance(row, ClipRecord)])))
    listed = [*early_skips, *(row for row in ordered if isinstance(row, Skip))]
    write_text(run.path / "skipped.csv", _table([["id", "path", "reason", "detail"], *([s.id, s.path, s.reason.value, s.detail] for s in listed)]))


def _result_rows(ordered: Sequence[ClipRecord | Skip], clips: Sequence[ClipRecord]) -> Iterable[list[str]]:
    labels = sorted({name for clip in clips for name in clip.labels})
    prompts = list(dict.fromkeys(prompt for clip in clips for prompt in clip.scores))
    yield [*FIRST_COLUMNS, *labels, *LAST_COLUMNS, *(SCORE_PREFIX + prompt for prompt in prompts)]
    for row in ordered:
        if isinstance(row, Skip):
            yield [row.id, row.path, "", *("" for _ in labels), "", "skipped", "", "", *("" for _ in prompts)]
        else:
            facts = [row.id, row.path, row.speaker, *(row.labels.get(name, "") for name in labels), str(row.seed), "done"]
            numbers = [row.similarity_start, row.similarity_end, *(row.scores.get(prompt) for prompt in prompts)]
            yield [*facts, *("" if number is None else f"{number:.6f}" for number in numbers)]


def _curve_rows(clips: Sequence[ClipRecord]) -> Iterable[list[str]]:
    yield ["id", *(str(step) for step in range(max((len(clip.curve) for clip in clips), default=0)))]
    for clip in clips:
        yield [clip.id, *(f"{similarity:.6f}" for similarity in clip.curve)]


def _table(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def read_skips(run: RunDirectory) -> list[Skip]:
    """The rows of ``skipped.csv``; none where the file is missing."""
    path = run.path / "skipped.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [Skip(row["id"], row["path"], SkipReason(row["reason"]), row["detail"]) for row in csv.DictReader(file)]
