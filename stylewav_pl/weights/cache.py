"""The cache of fetched weights: where files lie, which hashes were seen and which licences were accepted.

``STYLEWAV_CACHE`` chooses the directory. In it lie ``weights/NAME/FILE`` (the file as published),
``weights.lock.json`` (the hash of each file at its first use; every later use is compared with it) and
``licences.json``.
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pooch
from filelock import FileLock

from stylewav_pl.errors import WeightsError
from stylewav_pl.files import write_json
from stylewav_pl.weights.digest import sha256_of

DIRECTORY = "STYLEWAV_CACHE"
HASHES = "weights.lock.json"
LICENCES = "licences.json"


def cache_directory() -> Path:
    """Tells where fetched files are kept: ``STYLEWAV_CACHE``, else the user's cache directory."""
    chosen = os.environ.get(DIRECTORY)
    return Path(chosen).expanduser().absolute() if chosen else Path(pooch.os_cache("stylewav-pl"))


@dataclass(frozen=True)
class Record:
    """A file as it was at its first use.

    Attributes:
        sha256: Of the content, in hex.
        size: In bytes.
        modified: Time of the file's last change, nanoseconds; together with ``size`` it tells without reading
            whether the file changed.
        recorded: When, ISO 8601.
    """

    sha256: str
    size: int
    modified: int
    recorded: str

    @classmethod
    def of(cls, path: Path) -> "Record":
        """The record of a file as it is now."""
        stat = path.stat()
        return cls(sha256_of(path), stat.st_size, stat.st_mtime_ns, now())

    def describes(self, path: Path) -> bool:
        """Tells whether the file looks as it did when it was recorded; its content is not read."""
        stat = path.stat()
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.modified)


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def recorded(name: str) -> Record | None:
    """Tells what ``weights.lock.json`` knows about a name.

    Raises:
        WeightsError: The lock file is damaged.
    """
    facts = read(HASHES).get(name)
    try:
        return Record(**facts) if facts is not None else None
    except TypeError as error:
        raise _damaged(HASHES, error) from error


def keep_record(name: str, record: Record) -> None:
    """Writes a record into ``weights.lock.json``."""
    keep(HASHES, name, asdict(record))


def read(file: str) -> dict[str, Any]:
    """One of the cache's JSON files; empty if there is none.

    Raises:
        WeightsError: It is damaged.
    """
    try:
        content = json.loads((cache_directory() / file).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(file, error) from error
    if not isinstance(content, dict):
        raise _damaged(file, f"it holds a {type(content).__name__}")
    return content


def keep(file: str, key: str, value: Any) -> None:
    """Adds one fact to one of the cache's JSON files; several processes may do so at once.

    Raises:
        WeightsError: The cache cannot be written.
    """
    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f".{file}.lock"):
            write_json(directory / file, {**read(file), key: value})
    except OSError as error:
        raise unwritable(directory / file, error) from error


def unwritable(path: Path, error: OSError) -> WeightsError:
    """The error for a cache that cannot be written."""
    return WeightsError(
        f"{path} cannot be written ({error}). Set {DIRECTORY} to a directory that can be written and has "
        "room, and try again."
    )


def _damaged(file: str, reason: object) -> WeightsError:
    return WeightsError(
        f"{cache_directory() / file} is damaged ({reason}). Expected JSON written by stylewav-pl; restore "
        "it, or delete it."
    )
