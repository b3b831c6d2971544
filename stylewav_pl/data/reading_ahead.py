"""Threads that read clips ahead, where most of the time is spent waiting for a store."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

LAST_SECONDS = 5.0  # what the end of a run waits for reads that a store does not answer

Item = TypeVar("Item")
Reads = SimpleQueue[tuple[int, "Future[Item]"] | None]


def in_threads(read: Callable[[int], Item], places: Iterable[int], threads: int, most: int) -> Iterator[Item]:
    """Yields clips in order that threads of this process read ahead.

    No process waits for them at its exit: a read that a store does not answer would hold it for minutes.

    Args:
        read: Reads a clip.
        places: Which of them.
        threads: How many at once.
        most: How many are under way or waiting.
    """
    asked: Reads[Item] = SimpleQueue()
    crew = [
        threading.Thread(target=_work, args=(read, asked), daemon=True, name="recordings")
        for _ in range(threads)
    ]
    ahead: deque[Future[Item]] = deque()
    try:
        for thread in crew:
            thread.start()
        for place in places:
            ahead.append(Future())
            asked.put((place, ahead[-1]))
            if len(ahead) > max(most, threads):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        _end(crew, asked, ahead)


def _work(read: Callable[[int], Item], asked: "Reads[Item]") -> None:
    while (one := asked.get()) is not None:
        place, future = one
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(read(place))
            except BaseException as error:  # whatever it is: whoever waits for the clip has to hear of it
                future.set_exception(error)


def _end(crew: list[threading.Thread], asked: "Reads[Item]", left: "deque[Future[Item]]") -> None:
    """Lets everybody end; a thread that comes back while Python ends would take the process with it."""
    for future in left:
        future.cancel()
    for _ in crew:
        asked.put(None)
    until = time.monotonic() + LAST_SECONDS
    for thread in crew:
        if thread.ident is not None:
            thread.join(max(0.0, until - time.monotonic()))
