"""The files behind the rows of a release, as they lie on this disk: copied in part, damaged or transcoded."""

import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stylewav_pl.data.ignored import SUFFIXES

LOOKED_AT = (
    10_000  # names of a folder that tell its suffixes; listing millions would take minutes on some disks
)
MAX_SUFFIXES_TOLD = 5


@dataclass(frozen=True, slots=True)
class _Folder:
    """What a folder holds.

    Attributes:
        suffixes: How many files have which suffix, as written, among the first.
        is_complete: Whether these are all of its files.
    """

    suffixes: Mapping[str, int]
    is_complete: bool

    def __str__(self) -> str:
        told = [f"{count:,} {suffix or 'without suffix'}" for suffix, count in list(self.suffixes.items())]
        more = "" if self.is_complete else " among its first files"
        return ", ".join(told[:MAX_SUFFIXES_TOLD]) + more


class ClipFiles:
    """Finds the clips of tables on disk.

    Where a folder holds no file at all nothing is looked for: the tables are there to be counted, and the
    sounds are somewhere else.

    Attributes:
        absent: How many clips had no file.
        empty: How many had one of 0 bytes.
        transcoded: How many had another suffix than the table says.
    """

    def __init__(self) -> None:
        self.absent = self.empty = self.transcoded = 0
        self._folders: dict[str, _Folder] = {}

    def find(self, path: str) -> str | None:
        """Returns the file that a path means, perhaps with another suffix, or None and counts why.

        Args:
            path: As the table has it.
        """
        folder = self._folder(os.path.dirname(path))
        if not folder.suffixes:
            return path
        size = _size(path)
        if size:
            return path
        stem = os.path.splitext(path)[0]
        others = (stem + suffix for suffix in folder.suffixes if suffix.lower() in SUFFIXES)
        other = next((name for name in others if _size(name)), None)
        self.transcoded += other is not None
        self.absent += other is None and size is None
        self.empty += other is None and size == 0
        return other

    @property
    def advice(self) -> str:
        """What lies in the folders where files were absent or empty; empty where none were."""
        if not self.absent + self.empty:
            return ""
        folders = "; ".join(
            f"{name} holds {folder}" for name, folder in self._folders.items() if folder.suffixes
        )
        return (
            f"Of the clips that the tables name {self.absent:,} are not on disk and {self.empty:,} have 0 "
            f"bytes: {folders}."
        )

    def _folder(self, name: str) -> _Folder:
        if name not in self._folders:
            self._folders[name] = _look_into(name)
        return self._folders[name]


def _look_into(name: str) -> _Folder:
    try:
        with os.scandir(name) as entries:
            names = [entry.name for entry in islice(entries, LOOKED_AT + 1)]
    except OSError:
        return _Folder({}, True)
    suffixes = Counter(Path(file).suffix for file in names[:LOOKED_AT])
    return _Folder(dict(suffixes.most_common()), len(names) <= LOOKED_AT)


def _size(path: str) -> int | None:
    """Bytes of a file.

    None where there is none. What the disk refuses to tell counts as there: decoding says why.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return 1
    return found.st_size if stat.S_ISREG(found.st_mode) else None
