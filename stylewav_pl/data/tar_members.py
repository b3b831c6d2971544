"""What a tar file holds, listed without trusting it and without unpacking anything.

Headers are parsed by Python's ``tarfile``, one at a time, and contents are only ever read by offset and size:
no name in the file is used as a path, and neither a link nor a device is followed. webdataset's own readers
are not used: they read shards from the first byte to the last, stop at the first damage, and run a shell or
unpickle members unless they are told not to.
"""

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = tarfile.BLOCKSIZE
LARGEST_HEADER = 1 << 20  # bytes, extended headers included
MOST_READS = 32  # for one header: extended ones take two each, and a chain of them must end
MAGIC, MAGIC_OFFSET = b"ustar", 257
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One entry.

    Attributes:
        name: As written.
        offset: Of its first byte in the tar file.
        size: In bytes, as its header says.
        is_file: Whether it is a regular file.
        is_folder: Whether it is a folder.
        is_whole: Whether the tar file has all of its bytes.
    """

    name: str
    offset: int
    size: int
    is_file: bool
    is_folder: bool
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no entry.

    Entries behind them are found again. No bytes: the mark that ends every tar file is missing.
    """

    start: int
    end: int


def list_members(path: Path) -> Iterator[Member | Damage]:
    """Every entry of a tar file, in order, and the damaged places between them.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        position = sound = 0  # all before `sound` is understood
        whole = False
        while position < size:
            found = _member_at(file, position, size)
            if found is None:
                position = _next_header(file, position, size)
                continue
            if not _is_zero(file, sound, position):
                yield Damage(sound, position)
            member, position = found
            sound, whole = min(position, size), member.is_whole
            yield member
        if (whole and sound == size) or not _is_zero(file, sound, size):
            yield Damage(sound, size)


def _member_at(file: BinaryIO, position: int, size: int) -> tuple[Member, int] | None:
    """The entry whose header begins at ``position``, and where the next one would begin."""
    file.seek(position)
    try:
        with tarfile.TarFile(fileobj=_Headers(file), encoding="utf-8", errors="surrogateescape") as tar:  # type: ignore[arg-type]  # no write
            info, end = tar.next(), tar.offset
    except Exception:  # a hostile header makes tarfile fail in many ways, and each means the same
        return None
    if info is None or info.size < 0 or end <= position:  # a negative size would lead back
        return None
    is_file = info.isreg() and not info.issparse()
    return Member(
        info.name, info.offset_data, info.size, is_file, info.isdir(), info.offset_data + info.size <= size
    ), end


class _Headers:
    """A file for tarfile that refuses to read more than a header could be.

    A size in a header is no promise.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.tell, self.seek, self._read = file.tell, file.seek, file.read
        self._reads = 0

    def read(self, size: int) -> bytes:
        self._reads += 1
        if not 0 <= size <= LARGEST_HEADER or self._reads > MOST_READS:
            raise tarfile.ReadError(f"a header of {size} bytes, after {self._reads} reads")
        return self._read(size)


def _next_header(file: BinaryIO, position: int, size: int) -> int:
    """Where the next header may begin behind ``position``, be it aligned or not.

    The end of the file if there is none.
    """
    start = position + MAGIC_OFFSET + 1
    while start < size:
        file.seek(start)
        place = file.read(CHUNK + len(MAGIC) - 1).find(MAGIC)
        if place >= 0:
            return start + place - MAGIC_OFFSET
        start += CHUNK
    return size


def _is_zero(file: BinaryIO, start: int, end: int) -> bool:
    file.seek(start)
    return all(not file.read(min(CHUNK, end - place)).strip(b"\0") for place in range(start, end, CHUNK))
