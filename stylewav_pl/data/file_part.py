"""Some bytes of a file, read as if they were a file of their own."""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

FURTHEST = 1 << 62  # bytes; a position that the system can still hold


@dataclass(frozen=True, slots=True)
class FilePart:
    """Where the bytes lie.

    Attributes:
        path: The file.
        offset: Of the first byte.
        size: In bytes.
    """

    path: Path
    offset: int
    size: int

    def open(self) -> io.BufferedReader:
        """Opens the part for reading; what lies around it cannot be reached.

        Raises:
            OSError: The file cannot be opened, or ends before the part does.
        """
        file = self.path.open("rb")
        if os.fstat(file.fileno()).st_size < self.offset + self.size:
            file.close()
            raise OSError(f"{self.path.name} has become shorter than it was when it was listed")
        return io.BufferedReader(_Window(file, self.offset, self.size))


class _Window(io.RawIOBase):
    """The raw stream behind :meth:`FilePart.open`."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self.file, self.offset, self.size, self.position = file, offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size}[whence]
        # Damaged headers lead decoders to places that no integer of the system can hold.
        self.position = min(max(0, origin + offset), FURTHEST)
        return self.position

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(0, self.size - self.position))
        if not wanted:
            return 0
        self.file.seek(self.offset + self.position)
        data = self.file.read(wanted)
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()
