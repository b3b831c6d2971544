"""When Python looks for garbage."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from stylewav_pl.cli import main
from stylewav_pl.commands.collector import SELDOM, collect_as_usual, collect_seldom


@pytest.fixture
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    collect_as_usual()


def test_it_is_looked_for_seldom_until_everything_is_loaded(usual: tuple[int, int, int]) -> None:
    frozen = gc.get_freeze_count()
    collect_seldom()
    collect_seldom()
    assert gc.get_threshold() == SELDOM
    collect_as_usual()
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() > frozen


@pytest.mark.parametrize(
    "words",
    [
        ["pocket", "evaluate", "faces", "--weights", "nothing-here"],
        ["invert", "me.png", "-o", "out", "--generator", "nothing-here"],
    ],
)
def test_whoever_works_for_long_looks_as_usual(
    usual: tuple[int, int, int], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("me.png")
    collect_seldom()
    assert main(words) == 2
    assert gc.get_threshold() == usual


def test_a_program_that_never_began_stays_as_it_is(usual: tuple[int, int, int]) -> None:
    frozen = gc.get_freeze_count()
    collect_as_usual()
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() == frozen
