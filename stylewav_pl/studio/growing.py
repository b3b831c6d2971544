"""Faces that grow in a thread of their own, for whoever looks at them step by step."""

from collections.abc import Callable, Iterator, Sequence
from queue import Queue
from threading import Thread
from threading import enumerate as all_threads
from typing import TypeAlias

from PIL import Image

from stylewav_pl.face import Face
from stylewav_pl.studio.markup import Tile

THREAD = "studio"
OnStep: TypeAlias = Callable[[int, list[Image.Image], list[float]], bool]
Work: TypeAlias = Callable[[OnStep], Sequence[Face]]
Picture: TypeAlias = Sequence[Tile] | Sequence[Face] | BaseException


def growing(work: Work, steps: int, wants_end: Callable[[], bool]) -> Iterator[Sequence[Tile | Face]]:
    """Yields tiles while faces grow, and then the faces. Closing the iterator ends the work.

    Args:
        work: Makes faces and calls what it is given at each step, whose answer may end it.
        steps: How many there will be.
        wants_end: Whether the faces shall stay as they are now.
    """
    pictures: Queue[Picture] = Queue()
    closed = False

    def on_step(step: int, images: list[Image.Image], similarities: list[float]) -> bool:
        captions = [f"step {step} of {steps}, similarity {one:.2f}" for one in similarities]
        pictures.put([Tile(*pair) for pair in zip(images, captions, strict=True)])
        return closed or wants_end()

    def run() -> None:
        try:
            pictures.put(work(on_step))
        except BaseException as error:  # handed to whoever waits
            pictures.put(error)

    Thread(target=run, daemon=True, name=THREAD).start()
    try:
        finished = False
        while not finished:
            latest = _latest(pictures)
            finished = isinstance(latest[0], Face)
            yield latest
    finally:
        closed = True


def _latest(pictures: "Queue[Picture]") -> Sequence[Tile | Face]:
    """Waits for the next pictures; a page that is slow to show them skips steps.

    Raises:
        BaseException: The one that ended the work.
    """
    latest = pictures.get()
    while not isinstance(latest, BaseException) and not pictures.empty():
        latest = pictures.get()
    if isinstance(latest, BaseException):
        raise latest
    return latest


def threads() -> list[Thread]:
    """Returns the threads in which faces are made now."""
    return [thread for thread in all_threads() if thread.name == THREAD]
