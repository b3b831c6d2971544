"""The journal: whole lines count, torn ones do not, and what follows a torn line is intact."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stylewav_pl.runs.journal import ClipRecord, CohortRecord, append, read_all
from stylewav_pl.types import Skip, SkipReason


def record(cohort: int) -> CohortRecord:
    clips = (
        ClipRecord(f"ä {cohort}\n,", "voices/a.wav", "", {"sex": "female"}, 2**62 + cohort, 0.1, 1 / 3, {"a “girl”": -0.25}, (0.1, 0.2, 1 / 3)),
        ClipRecord(f"b{cohort}", "voices/b.wav", "s", {}, 1, -0.5, 0.5, {}, (-0.5, 0.5)),
    )
    return CohortRecord(cohort, clips, (Skip("c", "c.wav", SkipReason.SILENT, "no sound"),))


def test_a_record_comes_back_as_it_was() -> None:
    assert CohortRecord.from_json(record(3).to_json()) == record(3)
    assert "\n" not in record(3).to_json()


def test_numbers_that_are_not_finite_are_refused() -> None:
    bad = CohortRecord(0, (ClipRecord("a", "", "", {}, 0, float("nan"), 0.0, {}, ()),), ())
    with pytest.raises(ValueError, match="JSON"):
        bad.to_json()


def test_journals_of_all_ranks_are_read_and_the_first_of_two_counts(tmp_path: Path) -> None:
    append(tmp_path / "rank-00000.jsonl", record(0))
    append(tmp_path / "rank-00001.jsonl", record(1))
    append(tmp_path / "rank-00001.jsonl", CohortRecord(0, (), ()))
    assert read_all(tmp_path) == {0: record(0), 1: record(1)}


def test_no_journal_means_nothing_is_done(tmp_path: Path) -> None:
    assert read_all(tmp_path / "journal") == {}


@cache
def whole() -> tuple[bytes, bytes]:
    return tuple((record(cohort).to_json() + "\n").encode() for cohort in (0, 1))  # type: ignore[return-value]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(cut=st.integers(0, len(whole()[0] + whole()[1])))
def test_cut_anywhere_whole_lines_count_and_the_next_append_is_intact(tmp_path: Path, cut: int) -> None:
    first, second = whole()
    path = tmp_path / "rank-00000.jsonl"
    path.write_bytes((first + second)[:cut])
    expected = {0: record(0)} if cut >= len(first) - 1 else {}  # all but the line break: the record itself is whole
    expected |= {1: record(1)} if cut >= len(first + second) - 1 else {}
    assert read_all(tmp_path) == expected
    append(path, record(7))
    assert read_all(tmp_path) == {**expected, 7: record(7)}
    append(path, record(8))
    assert read_all(tmp_path) == {**expected, 7: record(7), 8: record(8)}


@pytest.mark.parametrize("tail", [b"\0" * 64, b"\xff\xfe\xc3", b'{"cohort": 5', b"12\n", b"[]\n", b'{"cohort": 5}\n', b"null\n"])
def test_a_damaged_line_is_ignored_and_loses_nothing_else(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "rank-00000.jsonl"
    path.write_bytes(whole()[0] + tail)
    append(path, record(1))
    assert read_all(tmp_path) == {0: record(0), 1: record(1)}
