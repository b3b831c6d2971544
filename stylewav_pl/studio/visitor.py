"""What belongs to one visitor of the page while the page is open: faces, and nothing on disk."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Timer
from time import monotonic
from weakref import WeakValueDictionary

from stylewav_pl.errors import ConfigError
from stylewav_pl.face import Face

MOST_KEPT = 12
GONE = "That face is gone. Make faces again."


@dataclass
class Visitor:
    """The faces of one visitor.

    Attributes:
        made: The ones that were finished last.
        kept: Those that the visitor keeps, the newest last.
        chosen: One or two of them, the last choice last.
        photos: What photos gave, by file.
        wants_end: Whether the faces shall stay as they are now.
    """

    made: Sequence[Face] = ()
    kept: list[Face] = field(default_factory=list)
    chosen: list[Face] = field(default_factory=list)
    photos: dict[str, Face] = field(default_factory=dict)
    wants_end: bool = False
    used: float = 0.0

    def touch(self) -> None:
        """Notes that the visitor is still there."""
        self.used = monotonic()

    def keep(self, number: int) -> None:
        """Keeps one of the faces that were made, and chooses it.

        Args:
            number: Counts from 1.

        Raises:
            ConfigError: There is none.
        """
        face = _numbered(self.made, number)
        if face not in self.kept:
            self.kept = [*self.kept, face][-MOST_KEPT:]
        self.chosen = [*_without(self.chosen, face), face][-2:]

    def choose(self, number: int) -> None:
        """Chooses a kept face, or no longer; of three the first is let go.

        Args:
            number: Counts from 1.

        Raises:
            ConfigError: There is none.
        """
        face = _numbered(self.kept, number)
        others = _without(self.chosen, face)
        self.chosen = others if len(others) < len(self.chosen) else [*others, face][-2:]

    def drop_chosen(self) -> None:
        """Keeps the chosen faces no longer."""
        self.kept = [face for face in self.kept if face not in self.chosen]
        self.chosen = []

    def forget(self) -> None:
        """Lets go of everything."""
        self.made, self.kept, self.chosen, self.photos = (), [], [], {}


def _numbered(faces: Sequence[Face], number: int) -> Face:
    if not 1 <= number <= len(faces):
        raise ConfigError(GONE)
    return faces[number - 1]


def _without(faces: Sequence[Face], face: Face) -> list[Face]:
    return [one for one in faces if one is not face]


class Visitors:
    """Lets go of what visitors had, some time after they have left.

    A phone that sleeps looks as if its owner had left, so nothing goes at once.

    Args:
        seconds: For how long it stays.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._here: WeakValueDictionary[str, Visitor] = WeakValueDictionary()

    def came(self, session: str, visitor: Visitor) -> None:
        """Notes who a session is."""
        visitor.touch()
        self._here[session] = visitor

    def left(self, session: str) -> None:
        """Notes that a session has ended."""
        visitor = self._here.get(session)
        if visitor is not None:
            visitor.touch()
            timer = Timer(self.seconds, _forget, (visitor, visitor.used))
            timer.daemon = True
            timer.start()


def _forget(visitor: Visitor, left: float) -> None:
    if visitor.used <= left:  # else they were back
        visitor.forget()


def stay(visitor: Visitor, *files: str | None) -> None:
    """Notes that a visitor is still there, so that neither faces nor files go.

    Args:
        visitor: Who.
        files: What they recorded or uploaded; each is removed some time after its last change.
    """
    visitor.touch()
    for file in files:
        with suppress(OSError):
            os.utime(file or "")
