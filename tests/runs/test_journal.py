"""The journal: whole lines of the index count, torn ones do not, and what follows a torn line is intact."""

import fcntl
import tempfile
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stylewav_pl.runs.damage import DamageError, noted
from stylewav_pl.runs.journal import ClipRecord, CohortRecord, Journals, append
from stylewav_pl.types import Skip, SkipReason


def record(cohort: int) -> CohortRecord:
    clips = (
        ClipRecord(
            f"ä {cohort}\n,",
            "voices/a.wav",
            "",
            {"sex": "female"},
            2**62 + cohort,
            0.1,
            1 / 3,
            {"a “girl”": -0.25},
            (0.1, 0.2, 1 / 3),
        ),
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


def read_all(directory: Path) -> dict[int, CohortRecord]:
    journals = Journals(directory).refresh()
    return {cohort: journals[cohort] for cohort in journals}


def test_journals_of_all_ranks_are_read_and_the_first_of_two_counts(tmp_path: Path) -> None:
    append(tmp_path, 0, record(0))
    append(tmp_path, 1, record(1))
    append(tmp_path, 1, CohortRecord(0, (), ()))
    assert read_all(tmp_path) == {0: record(0), 1: record(1)}


def test_two_processes_that_append_to_one_journal_wait_for_each_other(tmp_path: Path) -> None:
    """One of them outlived its job; each offset in the index must still lead to its record."""
    append(tmp_path, 0, record(0))
    with ThreadPoolExecutor(1) as pool, (tmp_path / "rank-00000.jsonl").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = pool.submit(append, tmp_path, 0, record(1))
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        other.write(record(2).to_json().encode() + b"\n")
        other.close()
        waiting.result(20)
    assert read_all(tmp_path) == {0: record(0), 1: record(1)}


def test_no_journal_means_nothing_is_done(tmp_path: Path) -> None:
    assert read_all(tmp_path / "journal") == {}


def test_what_others_finish_meanwhile_is_seen(tmp_path: Path) -> None:
    journals = Journals(tmp_path).refresh()
    assert 3 not in journals
    append(tmp_path, 4, record(3))
    assert set(journals.refresh()) == {3}
    append(tmp_path, 2, record(5))
    append(tmp_path, 4, record(4))
    assert set(journals.refresh()) == {3, 4, 5}
    assert journals.number_of_clips == 6
    assert journals[4] == record(4)


def test_knowing_what_is_done_reads_no_record(tmp_path: Path) -> None:
    append(tmp_path, 0, record(0))
    (tmp_path / "rank-00000.jsonl").unlink()
    assert set(Journals(tmp_path).refresh()) == {0}


@cache
def whole() -> tuple[bytes, bytes]:
    """Journal and index of two cohorts."""
    with tempfile.TemporaryDirectory() as folder:
        append(Path(folder), 0, record(0))
        append(Path(folder), 0, record(1))
        journal, index = (Path(folder, f"rank-00000.{suffix}") for suffix in ("jsonl", "index"))
        return journal.read_bytes(), index.read_bytes()


def check_that_appending_goes_on(directory: Path, expected: dict[int, CohortRecord]) -> None:
    assert read_all(directory) == expected
    for cohort in (7, 8):
        append(directory, 0, record(cohort))
        expected = {**expected, cohort: record(cohort)}
        assert read_all(directory) == expected


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, len(whole()[1])))
def test_an_index_cut_anywhere_counts_its_whole_lines_and_the_next_append_is_intact(cut: int) -> None:
    journal, index = whole()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rank-00000.jsonl").write_bytes(journal)
        Path(folder, "rank-00000.index").write_bytes(index[:cut])
        ends = [index.index(b"\n"), len(index) - 1]  # all but the line break: the line itself is whole
        check_that_appending_goes_on(
            Path(folder), {cohort: record(cohort) for cohort in (0, 1) if cut >= ends[cohort]}
        )


@settings(max_examples=50, deadline=None)
@given(cut=st.integers(0, len(whole()[0])))
def test_a_journal_torn_before_its_index_was_written_loses_nothing_else(cut: int) -> None:
    journal, index = whole()
    first, half = journal[: journal.index(b"\n") + 1], journal[journal.index(b"\n") + 1 :][:cut]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rank-00000.jsonl").write_bytes(first + half)
        Path(folder, "rank-00000.index").write_bytes(index[: index.index(b"\n") + 1])
        check_that_appending_goes_on(Path(folder), {0: record(0)})


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 64,
        b"\xff\xfe\xc3",
        b"5 1 0",
        b"12\n",
        b"1 2 3 4 5\n",
        b"1 1 0 10 0000000\n",
        b"-1 1 0 10 00000000\n",
    ],
)
def test_a_damaged_line_of_the_index_is_ignored_and_loses_nothing_else(tmp_path: Path, tail: bytes) -> None:
    append(tmp_path, 0, record(0))
    with (tmp_path / "rank-00000.index").open("ab") as file:
        file.write(tail)
    check_that_appending_goes_on(tmp_path, {0: record(0)})


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_record_that_is_not_what_was_written_is_named(tmp_path: Path, damage: str) -> None:
    append(tmp_path, 0, record(0))
    path = tmp_path / "rank-00000.jsonl"
    path.write_bytes(
        path.read_bytes().replace(b"voices", b"noises")
    ) if damage == "changed" else path.unlink()
    with pytest.raises(DamageError, match=r"rank-00000.jsonl is damaged: .* cohort 0 .*same `fit` command"):
        Journals(tmp_path).refresh()[0]
    assert noted(tmp_path) == {0}, "the next start looks at it"
