"""Files that are either whole or absent: written under a temporary name, flushed to disk, then renamed."""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

TEMPORARY_PREFIX = ".writing-"
SCRATCH = ".writing"


@contextmanager
def whole_file(path: Path, scratch: Path | None = None) -> Iterator[IO[bytes]]:
    """Opens ``path`` for writing.

    It appears under its name, on disk, only when the block ends without an error.

    Args:
        path: The file.
        scratch: Where it lies until then, on the same file system; beside ``path`` by default.
    """
    (scratch or path.parent).mkdir(parents=scratch is None, exist_ok=True)
    temporary = (scratch or path.parent) / f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{path.name}"[:255]
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Waits until the names in ``folder`` are on disk: a rename alone may be lost with the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Writes ``path`` through ``write(file)``, whole or not at all."""
    with whole_file(path) as file:
        write(file)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all."""
    write_whole(path, lambda file: file.write(text.encode("utf-8", "surrogateescape")))


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON, whole or not at all; refuses NaN and infinity.

    Raises:
        ValueError: A number is not finite.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_durably(path: Path, data: bytes) -> int:
    """Appends ``data`` and waits until it is on disk.

    A torn last line is closed first, so that it stays a line of its own.

    Processes that append to one file at the same time (one of them outlived its job) wait for each other.

    Returns:
        Where in the file ``data`` begins.
    """
    fresh = not path.exists()
    with path.open("ab+", buffering=0) as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        line_break = b"\n" if file.read(1) not in (b"", b"\n") else b""
        rest = memoryview(line_break + data)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    if fresh:
        flush_folder(path.parent)
    return end + len(line_break)


def remove_litter(directory: Path) -> None:
    """Removes what killed processes left half-written in a run directory.

    Folders with a file for each clip never hold any.
    """
    shutil.rmtree(directory / SCRATCH, ignore_errors=True)
    for folder in (directory, directory / "journal"):
        for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
            path.unlink(missing_ok=True)
