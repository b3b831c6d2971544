"""What belongs to a visitor, and for how long."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stylewav_pl.errors import ConfigError
from stylewav_pl.face import Face
from stylewav_pl.studio import visitor as module
from stylewav_pl.studio.visitor import MOST_KEPT, Visitor, Visitors, stay


def face(name: str) -> Face:
    return Face(Image.new("RGB", (4, 4)), torch.zeros(2), (0.0,), {}, {}, name, "", 0)


@pytest.fixture
def visitor() -> Visitor:
    return Visitor(made=[face(name) for name in "abc"])


def names(faces: list[Face]) -> str:
    return "".join(one.id for one in faces)


def test_of_the_kept_faces_the_last_two_are_chosen(visitor: Visitor) -> None:
    for number in (1, 2, 2, 3):
        visitor.keep(number)
    assert names(visitor.kept) == "abc" and names(visitor.chosen) == "bc"
    visitor.choose(1)
    assert names(visitor.chosen) == "ca"
    visitor.choose(3)
    assert names(visitor.chosen) == "a"
    visitor.drop_chosen()
    assert names(visitor.kept) == "bc" and visitor.chosen == []


def test_the_oldest_face_goes_where_there_are_too_many(visitor: Visitor) -> None:
    first = visitor.made[0]
    visitor.keep(1)
    for _ in range(MOST_KEPT):
        visitor.made = [face("n")]
        visitor.keep(1)
    assert len(visitor.kept) == MOST_KEPT and first not in visitor.kept


@pytest.mark.parametrize("number", [0, 4, -1])
def test_a_face_that_is_gone_is_not_kept(number: int, visitor: Visitor) -> None:
    with pytest.raises(ConfigError, match="gone"):
        visitor.keep(number)
    with pytest.raises(ConfigError, match="gone"):
        visitor.choose(number)


class Clock:
    """Timers that go off when the test says so, and a time that it sets."""

    def __init__(self) -> None:
        self.now, self.waiting = 0.0, list[Callable[[], None]]()

    def timer(self, seconds: float, call: Callable[..., None], given: tuple[Any, ...]) -> threading.Thread:
        self.waiting.append(lambda: call(*given))
        return threading.Thread()


def test_who_comes_back_has_their_faces_and_who_does_not_leaves_none(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "Timer", clock.timer)
    monkeypatch.setattr(module, "monotonic", lambda: clock.now)
    visitors = Visitors(600.0)
    visitor.keep(1)
    visitors.came("session", visitor)
    visitors.left("session")
    clock.now = 300.0
    visitor.touch()  # a phone that slept
    clock.waiting.pop()()
    assert visitor.kept
    visitors.left("session")
    clock.waiting.pop()()
    assert not (visitor.kept or visitor.made or visitor.chosen)
    visitors.left("nobody")
    assert clock.waiting == []


def test_files_of_an_open_page_stay_young(visitor: Visitor, tmp_path: Path) -> None:
    recording = tmp_path / "recording.wav"
    recording.write_bytes(b"")
    os.utime(recording, (0, 0))
    stay(visitor, str(recording), None, str(tmp_path / "removed.wav"))
    assert recording.stat().st_mtime > 0 and visitor.used > 0
