"""Work behind the optimisation: in order, bounded, and never failing in silence."""

import threading

import pytest

from stylewav_pl.callbacks.background import Background


class Gate:
    """Work that has begun and does not end before it may."""

    def __init__(self) -> None:
        self.begun, self.opened = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        self.begun.set()
        self.opened.wait()


def test_work_is_done_in_order_and_all_of_it() -> None:
    done: list[int] = []
    background = Background(2)
    for number in range(50):
        background.add(lambda number=number: done.append(number))
    background.finish()
    assert done == list(range(50))


def test_nobody_waits_for_the_work() -> None:
    """Or this test would not end."""
    gate, background = Gate(), Background(2)
    background.add(gate.pass_through)
    gate.begun.wait()
    background.add(lambda: None)
    gate.opened.set()
    background.finish()


def test_who_adds_more_than_may_wait_waits_too() -> None:
    """One at work, two waiting: the fourth can be added once the first is done, and not before."""
    gate, events, background = Gate(), list[str](), Background(2)

    def first() -> None:
        gate.pass_through()
        events.append("first is done")

    background.add(first)
    gate.begun.wait()
    for _ in range(2):
        background.add(lambda: None)
    threading.Timer(0.2, gate.opened.set).start()  # whenever that is
    background.add(lambda: None)
    assert events == ["first is done"]
    background.finish()


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyError("x"), RuntimeError("broken")]
)
def test_an_error_reaches_whoever_comes_next_and_nothing_more_is_done(error: Exception) -> None:
    done: list[int] = []

    def fail() -> None:
        raise error

    def add_for_ever() -> None:
        while True:
            background.add(lambda: done.append(1))

    background = Background(1)
    background.add(fail)
    with pytest.raises(type(error)):
        add_for_ever()
    with pytest.raises(type(error)):
        background.check()
    with pytest.raises(type(error)):
        background.finish()
    assert done == []


def test_a_disk_that_does_not_answer_is_not_waited_for() -> None:
    """Or this test would not end: neither work that is under way nor a full queue."""
    gate, background = Gate(), Background(1)
    background.add(gate.pass_through)
    gate.begun.wait()
    background.add(lambda: None)
    background.finish(seconds=0.1)
    gate.opened.set()
