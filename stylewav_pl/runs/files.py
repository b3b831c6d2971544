"""Files that are either whole or absent: written under a temporary name, flushed to disk, then renamed."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

TEMPORARY_PREFIX = ".writing-"


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Opens ``path`` for writing; it appears under its name only when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


def remove_litter(directory: Path) -> None:
    """Removes what a killed process left half-written below ``directory``."""
    for path in directory.rglob(f"{TEMPORARY_PREFIX}*"):
        path.unlink(missing_ok=True)
