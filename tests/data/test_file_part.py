"""A part of a file is a file of its own."""

import io
import os
import random
from pathlib import Path

import pytest

from stylewav_pl.data.file_part import FilePart


def test_reads_and_seeks_as_the_bytes_alone_would(tmp_path: Path) -> None:
    content = random.Random(0).randbytes(30_000)
    (tmp_path / "a").write_bytes(content)
    chance, alone = random.Random(1), io.BytesIO(content[7000:23_000])
    with FilePart(tmp_path / "a", 7000, 16_000).open() as part:
        for _ in range(300):
            whence, offset = chance.choice(
                [
                    (os.SEEK_SET, chance.randrange(20_000)),
                    (os.SEEK_CUR, chance.randrange(500)),
                    (os.SEEK_END, -chance.randrange(9)),
                ]
            )
            assert part.seek(offset, whence) == alone.seek(offset, whence)
            size = chance.choice([-1, 0, 10, 9000])
            assert part.read(size) == alone.read(size)
            assert part.tell() == alone.tell()


def test_a_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    with pytest.raises(OSError, match="a has become shorter"):
        FilePart(tmp_path / "a", 3, 3).open()
