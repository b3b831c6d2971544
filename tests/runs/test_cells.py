"""Cells that a spreadsheet would run: guarded in every table, and back as they were."""

import csv
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stylewav_pl.loggers.csv_file import CsvLog
from stylewav_pl.runs.cells import Reader, Writer, guard, read_mappings, unguard
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.journal import ClipRecord, CohortRecord
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.results import merge, read_skips
from stylewav_pl.runs.rows import read_curves, read_results
from stylewav_pl.types import Skip, SkipReason

DANGEROUS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # the list of OWASP, with the wide forms of the first four
texts = st.text(
    st.one_of(
        st.sampled_from("'=+-@ \t\r\n\uff1d1.e\",;a"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=8,
)


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@given(texts)
def test_a_guarded_cell_runs_nowhere_and_comes_back(text: str) -> None:
    cell = guard(text)
    assert unguard(cell) == text
    assert not cell.strip().startswith(tuple(DANGEROUS)) or is_number(cell)


@given(st.lists(st.lists(texts, min_size=3, max_size=3), max_size=4))
def test_rows_come_back(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    Writer(text).writerows([["a", "=b", "c"], *rows])
    text.seek(0)
    assert list(Reader(text)) == [["a", "=b", "c"], *rows]
    text.seek(0)
    assert [list(row.values()) for row in read_mappings(text)] == rows


def test_different_cells_are_written_differently() -> None:
    texts = ["=1", "'=1", "''=1", "'", "''", "'a", "-5", "'-5", "''-5"]
    assert len({guard(text) for text in texts}) == len(texts)
    assert [guard(text) for text in ("-5", "+0.25", "-1.5e-07", "'tis", "plain")] == [
        "-5",
        "+0.25",
        "-1.5e-07",
        "'tis",
        "plain",
    ]


def test_the_tables_of_a_run_hold_no_formula(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    command = '=HYPERLINK("http://127.0.0.1/?"&A1)'
    clip = ClipRecord(
        id=command,
        path=f"@{command}.wav",
        speaker="-aB",
        labels={"+trait": "=glad"},
        seed=1,
        similarity_start=-0.5,
        similarity_end=0.25,
        curve=(-0.5, 0.25),
        scores={"a boy": -0.125},
    )
    skip = Skip("-gone", "+gone.wav", SkipReason.MISSING, "=There is no such file.")
    plan = Plan(2).extended([command, "-gone"])
    merge(run, plan, {0: CohortRecord(0, (clip,), (skip,), 1.0)})
    for name in ("results.csv", "curves.csv", "skipped.csv"):
        with (tmp_path / name).open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert cells and all(not cell.startswith(tuple(DANGEROUS)) or is_number(cell) for cell in cells)
    done, skipped = read_results(tmp_path)
    assert (done.clip.id, done.clip.path, done.clip.speaker) == (command, clip.path, "-aB")
    assert (done.clip.labels, done.similarity_start, done.scores) == (
        {"+trait": "=glad"},
        -0.5,
        {"a boy": -0.125},
    )
    assert skipped.clip.id == "-gone"
    assert read_skips(run) == [skip]
    assert list(read_curves(tmp_path / "curves.csv")) == [(command, (-0.5, 0.25))]


def test_the_log_holds_no_formula(tmp_path: Path) -> None:
    log = CsvLog(tmp_path)
    log.log_metrics({"=1+1": -0.5}, 1)
    assert (tmp_path / "log.csv").read_text() == "step,metric,value\n1,'=1+1,-0.5\n"
