"""What the files of a run were when they were written: size and SHA-256.

So damage does not pass for a result.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from stylewav_pl.types import Recording

_BLOCK = 1 << 20
_OURS = re.compile(r"(images|latents|strips|shards|journal)/(?!\.\.?$)[^/\x00]+")


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file was when it was written.

    Attributes:
        size: In bytes.
        sha256: In hex.
    """

    size: int
    sha256: str

    def difference(self, found: "Digest") -> str:
        """Tells what is wrong with ``found``; empty where it is what was written.

        >>> digest_of(b"ab").difference(digest_of(b"abc"))
        'has 3 bytes instead of 2'
        """
        if found.size != self.size:
            return f"has {found.size} bytes instead of {self.size}"
        if found.sha256 != self.sha256:
            return (
                f"is not what was written (SHA-256 {found.sha256[:12]}... instead of {self.sha256[:12]}...)"
            )
        return ""


def digest_of(data: bytes) -> Digest:
    """Size and SHA-256 of what is in memory."""
    return Digest(len(data), hashlib.sha256(data).hexdigest())


def digest_of_file(path: Path) -> Digest:
    """Size and SHA-256 of a file, read in pieces.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        size, sha256 = 0, hashlib.sha256()
        while block := file.read(_BLOCK):
            size += len(block)
            sha256.update(block)
    return Digest(size, sha256.hexdigest())


class DigestingFile:
    """A file that is written from beginning to end, and knows size and SHA-256 of what went into it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._size, self._sha256 = file, 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Writes to the file."""
        self._sha256.update(data)
        self._size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        """Tells how much was written."""
        return self._size

    @property
    def digest(self) -> Digest:
        """Of everything so far."""
        return Digest(self._size, self._sha256.hexdigest())


@dataclass(frozen=True)
class CohortFiles:
    """Everything that was written about one cohort, and what it was made from.

    Attributes:
        files: By path in the run directory.
        members: By name, of the images, latents and strips inside a shard.
        recordings: The files that the clips were, as they were when they were decoded.
    """

    files: Mapping[str, Digest] = field(default_factory=dict)
    members: Mapping[str, Digest] = field(default_factory=dict)
    recordings: tuple[Recording, ...] = ()

    def to_json(self) -> str:
        """One line of JSON without a line break."""
        return json.dumps(
            {
                "files": {path: [one.size, one.sha256] for path, one in self.files.items()},
                "members": {name: [one.size, one.sha256] for name, one in self.members.items()},
                "recordings": [[one.path, one.size, one.modified] for one in self.recordings],
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, line: str | bytes) -> "CohortFiles":
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: A path leads to where no run writes, or a size is no number of bytes.
        """
        value: dict[str, Any] = json.loads(line)
        if strange := [path for path in value["files"] if not _OURS.fullmatch(path)]:
            raise ValueError(f"no file of a run: {strange[0]!r}")
        return cls(
            {path: _digest(*facts) for path, facts in value["files"].items()},
            {name: _digest(*facts) for name, facts in value["members"].items()},
            tuple(Recording(*facts) for facts in value["recordings"]),
        )


def _digest(size: Any, sha256: Any) -> Digest:
    if type(size) is not int or size < 0 or not isinstance(sha256, str):
        raise ValueError(f"no size and SHA-256 of a file: {size!r}, {sha256!r}")
    return Digest(size, sha256)


NO_FILES = CohortFiles()
