"""Work behind the optimisation: in order, bounded, and never failing in silence."""

import threading
import time

import pytest

from stylewav_pl.callbacks.background import Background


def test_work_is_done_in_order_and_all_of_it() -> None:
    done: list[int] = []
    background = Background(2)
    for number in range(50):
        background.add(lambda number=number: done.append(number))
    background.finish()
    assert done == list(range(50))


def test_nobody_waits_for_the_work() -> None:
    gate, background = threading.Event(), Background(2)
    began = time.monotonic()
    background.add(lambda: gate.wait(10) and None)
    assert time.monotonic() - began < 5
    gate.set()
    background.finish()


def test_who_adds_more_than_may_wait_waits_too() -> None:
    gate, added = threading.Event(), []
    background = Background(2)

    def add() -> None:
        for number in range(5):
            background.add(lambda: gate.wait(10) and None)
            added.append(number)

    thread = threading.Thread(target=add)
    thread.start()
    time.sleep(0.4)
    assert len(added) == 3, "one at work, two waiting"
    gate.set()
    thread.join(10)
    background.finish()
    assert len(added) == 5


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyError("x"), RuntimeError("broken")]
)
def test_an_error_reaches_whoever_comes_next_and_nothing_more_is_done(error: Exception) -> None:
    done: list[int] = []

    def fail() -> None:
        raise error

    background = Background(1)
    background.add(fail)
    with pytest.raises(type(error)):
        for number in range(100):
            background.add(lambda number=number: done.append(number))
            time.sleep(0.01)
    with pytest.raises(type(error)):
        background.check()
    with pytest.raises(type(error)):
        background.finish()
    assert done == []


def test_a_disk_that_does_not_answer_is_not_waited_for() -> None:
    gate, background = threading.Event(), Background(1)
    background.add(lambda: gate.wait(30) and None)
    background.add(lambda: None)
    began = time.monotonic()
    background.finish(seconds=0.3)
    assert time.monotonic() - began < 5
    gate.set()
