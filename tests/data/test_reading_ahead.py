"""Clips read ahead by threads: in order, no more at once than asked, and never in the way of an exit."""

import threading

import pytest

from stylewav_pl.data import reading_ahead
from stylewav_pl.data.reading_ahead import in_threads


def crew() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "recordings"]


def test_clips_come_in_order_and_only_so_many_are_read_ahead() -> None:
    read: list[int] = []

    def one(place: int) -> int:
        read.append(place)
        return 10 * place

    items = in_threads(one, iter(range(20)), threads=3, most=5)
    assert next(items) == 0 and len(read) <= 6
    assert list(items) == [10 * place for place in range(1, 20)] and sorted(read) == list(range(20))
    assert not crew()


def test_an_error_is_raised_where_its_clip_would_come() -> None:
    items = in_threads(lambda place: 6 // (2 - place), range(4), threads=2, most=2)
    assert [next(items), next(items)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        next(items)
    assert not crew()


def test_nobody_waits_for_a_read_that_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_ahead, "LAST_SECONDS", 0.0)
    answer, read = threading.Event(), list[int]()

    def one(place: int) -> int:
        read.append(place)
        assert place == 0 or answer.wait(60)
        return place

    items = in_threads(one, range(9), threads=2, most=4)
    assert next(items) == 0
    items.close()
    assert all(thread.daemon for thread in crew()), "Python waits for no daemon at its exit"
    left = crew()
    answer.set()
    for thread in left:
        thread.join(60)
    assert not crew() and len(read) < 5, "what nobody had begun to read is not read any more"
