"""Zip archives of weights, opened without setting more memory aside than the file is large."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

LARGEST_DIRECTORY = 4 << 20
"""Bytes of a list of contents. It becomes fifteen times as large in memory; a network of 10,000 tensors needs
1 MB."""


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Opens an archive whose entries are all different and lie beside each other in the file.

    Raises:
        ValueError: Entries share a name or their bytes, or their list is too long.
        zipfile.BadZipFile: It is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file, zipfile.ZipFile(bounded := _Bounded(file)) as archive:
        bounded.limit = size
        entries = archive.infolist()
        names = {entry.filename for entry in entries}
        if len(names) < len(entries) or sum(entry.compress_size for entry in entries) > size:
            raise ValueError("a zip archive that torch did not write")
        for entry in entries:
            if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
                raise ValueError(f"an archive with two sizes of {entry.filename[:100]}")
        yield archive


class _Bounded:
    """A file for zipfile, which reads the whole list of contents at once.

    Nobody could ask before how long that list is.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.seekable, self._read = file.seek, file.tell, file.seekable, file.read
        self.limit = LARGEST_DIRECTORY

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            ValueError: So many are not read at once.
        """
        if size > self.limit:
            raise ValueError(f"an archive with a list of contents of {size:,} bytes")
        return self._read(size)
