"""The merged tables: the columns that others read, in plan order, byte for byte."""

import csv
from pathlib import Path

import pytest

from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.journal import ClipRecord, CohortRecord
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.results import merge
from stylewav_pl.types import Skip, SkipReason

PLAN = Plan(2).extended(["d", "a", "c", "b"])


def clip(
    id: str, labels: dict[str, str], scores: dict[str, float], curve: tuple[float, ...] = (0.125, 0.5)
) -> ClipRecord:
    return ClipRecord(id, f"voices/{id}.wav", f"speaker {id}", labels, 7, curve[0], curve[-1], scores, curve)


@pytest.fixture
def records() -> dict[int, CohortRecord]:
    d = clip("d", {"sex": "male", "age": "30s"}, {"a boy": 0.25, "a, “girl”": -1 / 3})
    a = clip("a", {"sex": "female"}, {}, (0.0, 0.1, 0.2))
    b = clip("b", {}, {"a boy": 1.0, "a, “girl”": 0.0})
    c = Skip("c", "voices/c.wav", SkipReason.SILENT, 'only "0", nothing else')
    return {1: CohortRecord(1, (b,), (c,)), 0: CohortRecord(0, (a, d), ())}


def test_results_have_the_promised_columns_in_plan_order(
    tmp_path: Path, records: dict[int, CohortRecord]
) -> None:
    merge(RunDirectory(tmp_path), PLAN, records)
    assert (tmp_path / "results.csv").read_bytes().decode("utf-8").split("\n") == [
        'id,path,speaker,age,sex,seed,status,similarity_start,similarity_end,score: a boy,"score: a, “girl”"',
        "d,voices/d.wav,speaker d,30s,male,7,done,0.125000,0.500000,0.250000,-0.333333",
        "a,voices/a.wav,speaker a,,female,7,done,0.000000,0.200000,,",
        "c,voices/c.wav,,,,,skipped,,,,",
        "b,voices/b.wav,speaker b,,,7,done,0.125000,0.500000,1.000000,0.000000",
        "",
    ]


def test_curves_have_one_column_per_step_and_no_skipped_rows(
    tmp_path: Path, records: dict[int, CohortRecord]
) -> None:
    merge(RunDirectory(tmp_path), PLAN, records)
    assert (tmp_path / "curves.csv").read_text().splitlines() == [
        "id,0,1,2",
        "d,0.125000,0.500000",
        "a,0.000000,0.100000,0.200000",
        "b,0.125000,0.500000",
    ]


def test_skips_have_reason_and_detail_and_those_before_the_plan_come_first(
    tmp_path: Path, records: dict[int, CohortRecord]
) -> None:
    early = Skip("d", "other/d.wav", SkipReason.DUPLICATE_ID, "The id is taken.")
    merge(RunDirectory(tmp_path), PLAN, records, [early])
    with (tmp_path / "skipped.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["id", "path", "reason", "detail"],
            ["d", "other/d.wav", "duplicate-id", "The id is taken."],
            ["c", "voices/c.wav", "silent", 'only "0", nothing else'],
        ]
    assert "done" in (tmp_path / "results.csv").read_text().splitlines()[1]  # the clip that took the id first


def test_the_order_in_which_cohorts_finished_leaves_no_trace(
    tmp_path: Path, records: dict[int, CohortRecord]
) -> None:
    for name, given in (("x", records), ("y", dict(sorted(records.items())))):
        merge(RunDirectory(tmp_path / name), PLAN, given)
    for table in ("results.csv", "curves.csv", "skipped.csv"):
        assert (tmp_path / "x" / table).read_bytes() == (tmp_path / "y" / table).read_bytes()


def test_unfinished_cohorts_have_no_rows(tmp_path: Path, records: dict[int, CohortRecord]) -> None:
    merge(RunDirectory(tmp_path), PLAN, {0: records[0]})
    assert [line.split(",")[0] for line in (tmp_path / "results.csv").read_text().splitlines()] == [
        "id",
        "d",
        "a",
    ]


def test_later_scores_replace_those_of_the_records(tmp_path: Path, records: dict[int, CohortRecord]) -> None:
    merge(RunDirectory(tmp_path), PLAN, records, scores={id: {"a king": 0.5} for id in "dab"})
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[9:] for row in rows] == [["score: a king"], ["0.500000"], ["0.500000"], [""], ["0.500000"]]


def test_totals_count_results_and_name_skips(tmp_path: Path, records: dict[int, CohortRecord]) -> None:
    early = Skip("d", "other/d.wav", SkipReason.DUPLICATE_ID, "The id is taken.")
    totals = merge(RunDirectory(tmp_path), PLAN, records, [early])
    assert (totals.done, [skip.path for skip in totals.skips]) == (3, ["other/d.wav", "voices/c.wav"])


@pytest.mark.parametrize("id", ["caf\udce9", "a,b\nc"])
def test_ids_come_back_from_the_tables(tmp_path: Path, id: str) -> None:
    merge(RunDirectory(tmp_path), Plan(1).extended([id]), {0: CohortRecord(0, (clip(id, {}, {}),), ())})
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert list(csv.reader(file))[1][0] == id


def test_nothing_scored_means_no_score_columns(tmp_path: Path) -> None:
    merge(RunDirectory(tmp_path), Plan(1).extended(["a"]), {0: CohortRecord(0, (clip("a", {}, {}),), ())})
    assert (tmp_path / "results.csv").read_text().splitlines()[
        0
    ] == "id,path,speaker,seed,status,similarity_start,similarity_end"
