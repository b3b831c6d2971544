"""Tar files with contents of our choice, and with headers that no honest program writes."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path


def tar_bytes(members: Mapping[str, bytes], **header: object) -> bytes:
    """A tar file; ``header`` sets fields of every entry (``type``, ``linkname``, ...)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for field, value in header.items():
                setattr(entry, field, value)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def without_end(tar: bytes) -> bytes:
    """Entries alone, to be put before other bytes."""
    end = 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as file:
        for entry in file:
            end = entry.offset_data + -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    return tar[:end]


def write_tar(path: Path, members: Mapping[str, bytes], **header: object) -> Path:
    """Writes :func:`tar_bytes`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar_bytes(members, **header))
    return path


def header_claiming(name: str, size: bytes, kind: bytes = b"0") -> bytes:
    """One header block with the size field as given (12 bytes, or fewer) and a right checksum."""
    block = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = size.ljust(12, b"\0")
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)
