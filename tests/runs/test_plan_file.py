"""The plan on disk: it only grows, and what a killed process added without saying so does not count."""

from pathlib import Path

import pytest

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.plan_file import read_plan, write_plan

IDS = ["b", "ä", "line\nbreak", "caf\udce9", 'quo"te', "\u2028", "a"]


def test_a_plan_comes_back_whatever_its_ids(tmp_path: Path) -> None:
    plan = Plan(3).extended(IDS)
    facts = write_plan(tmp_path / "plan.jsonl", plan)
    assert read_plan(tmp_path / "plan.jsonl", facts) == plan
    assert (facts.cohort_size, facts.cohorts, facts.clips) == (3, 3, 7)


def test_an_extension_is_appended(tmp_path: Path) -> None:
    path, first = tmp_path / "plan.jsonl", Plan(3).extended(IDS)
    facts = write_plan(path, first)
    begin = path.read_bytes()
    second = first.extended(["c", *IDS])
    extended = write_plan(path, second, facts)
    assert path.read_bytes().startswith(begin)
    assert read_plan(path, extended) == second
    assert read_plan(path, facts) == first, "a killed process may not have come to say that there is more"
    assert write_plan(path, second, extended) == extended


@pytest.mark.parametrize("tail", [b'["half', b'["whole"]\n'])
def test_what_was_added_without_being_said_is_cut_off(tmp_path: Path, tail: bytes) -> None:
    path, first = tmp_path / "plan.jsonl", Plan(3).extended(IDS)
    facts = write_plan(path, first)
    path.write_bytes(path.read_bytes() + tail)
    assert read_plan(path, facts) == first
    second = first.extended(["c"])
    assert read_plan(path, write_plan(path, second, facts)) == second


@pytest.mark.parametrize("damage", ["changed", "cut", "missing"])
def test_a_damaged_plan_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "plan.jsonl"
    facts = write_plan(path, Plan(3).extended(IDS))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"a", b"x") if damage == "changed" else data[:-1])
    if damage == "missing":
        path.unlink()
    with pytest.raises(RunDirectoryError, match=r"plan\.jsonl is damaged.*--restart"):
        read_plan(path, facts)
