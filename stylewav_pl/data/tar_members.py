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
MAX_READS = 32  # for one header: extended ones take two each, and a chain of them must end
MAX_HEADER_BYTES = 4
"""Bytes of headers read for each byte of the file: chains of headers that lead nowhere are else read again
from each link."""
MAX_FALSE_STARTS = 100_000
"""Places that look like a header and are none: nothing but a file made for it has more than a few."""
MAGIC, MAGIC_OFFSET = b"ustar", 257
CHECKSUM = slice(148, 156)  # of a header block
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class TarMember:
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


def list_members(path: Path) -> Iterator[TarMember | Damage]:
    """Every entry of a tar file, in order, and the damaged places between them.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        headers, starts = _Headers(file, LARGEST_HEADER + MAX_HEADER_BYTES * size), _Starts(file, size)
        position = sound = 0  # all before `sound` is understood
        whole = False
        while position < size:
            found = _member_at(headers, position, size)
            if found is None:
                position = starts.behind(position) if headers.bytes_left > 0 else size
                continue
            if not _is_zero(file, sound, position):
                yield Damage(sound, position)
            member, position = found
            sound, whole = min(position, size), member.is_whole
            yield member
        if (whole and sound == size) or not _is_zero(file, sound, size):
            yield Damage(sound, size)


def _member_at(headers: "_Headers", position: int, size: int) -> tuple[TarMember, int] | None:
    """The entry whose header begins at ``position``, and where the next one would begin."""
    headers.begin(position)
    try:
        with tarfile.TarFile(
            fileobj=headers,  # type: ignore[arg-type]  # nothing is written
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            info, end = tar.next(), tar.offset
    except Exception:  # a hostile header makes tarfile fail in many ways, and each means the same
        return None
    if info is None or info.size < 0 or end <= position:  # a negative size would lead back
        return None
    is_file = info.isreg() and not info.issparse()
    return TarMember(
        info.name, info.offset_data, info.size, is_file, info.isdir(), info.offset_data + info.size <= size
    ), end


class _Headers:
    """A file for tarfile that refuses to read more than a header could be: a size in a header is no promise.

    Attributes:
        bytes_left: How much may be read for all headers of the file.
    """

    def __init__(self, file: BinaryIO, bytes_left: int) -> None:
        self.tell, self.seek, self._read = file.tell, file.seek, file.read
        self.bytes_left = bytes_left
        self._reads = 0

    def begin(self, position: int) -> None:
        """Goes to where a header may begin."""
        self._reads = 0
        self.seek(position)

    def read(self, size: int) -> bytes:
        self._reads += 1
        if not 0 <= size <= LARGEST_HEADER or self._reads > MAX_READS or self.bytes_left <= 0:
            raise tarfile.ReadError(f"a header of {size} bytes, after {self._reads} reads")
        content = self._read(size)
        self.bytes_left -= len(content)
        return content


class _Starts:
    """Finds the places where a header may begin, aligned or not.

    Asked for in rising order, it reads each byte once.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.begin, self.content = 0, b""  # what was read last
        self.false_left = MAX_FALSE_STARTS

    def behind(self, position: int) -> int:
        """The next place with the mark and the checksum of a header; the end of the file if there is none."""
        position += 1
        while position + BLOCK <= self.size and self.false_left > 0:
            self._read_at(position)
            mark = self.content.find(MAGIC, position - self.begin + MAGIC_OFFSET)
            if mark < 0:  # it may be half in there
                position = self.begin + len(self.content) - MAGIC_OFFSET - len(MAGIC) + 1
                continue
            position = self.begin + mark - MAGIC_OFFSET
            self._read_at(position)
            offset = position - self.begin
            if _has_checksum(self.content[offset : offset + BLOCK]):
                return position
            self.false_left -= 1
            position += 1
        return self.size

    def _read_at(self, position: int) -> None:
        """Makes sure that the block at ``position`` is there, as far as the file goes."""
        if not self.begin <= position <= self.begin + len(self.content) - BLOCK:
            self.file.seek(position)
            self.begin, self.content = position, self.file.read(CHUNK)


def _has_checksum(block: bytes) -> bool:
    """Whether a block holds its own sum, as a header does; some programs take the bytes as signed."""
    try:
        stored = int(block[CHECKSUM].rstrip(b"\0 ").lstrip(b" "), 8)
    except ValueError:
        return False
    blanks = 8 * ord(" ")  # what stands in its own place while it is made
    sums = {
        sum(numbers) - sum(numbers[CHECKSUM]) + blanks for numbers in (block, memoryview(block).cast("b"))
    }
    return len(block) == BLOCK and stored in sums


def _is_zero(file: BinaryIO, start: int, end: int) -> bool:
    file.seek(start)
    return all(not file.read(min(CHUNK, end - place)).strip(b"\0") for place in range(start, end, CHUNK))
