"""From a weight file of any program to its content.

It is recognised by its bytes and read without running anything in it.
"""

import io
import mmap
import zipfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.weights.archives import open_archive
from stylewav_pl.weights.marks import LEGACY_START, ZIP_START
from stylewav_pl.weights.pickles import (
    BUILDERS,
    Budget,
    Builder,
    Machine,
    Numbers,
    RefusedPickleError,
    read_legacy_torch,
    read_torch_records,
)

PICKLE_STARTS = (b"\x80", b"(", b"c", b"}", b"]")
NO_WEIGHTS = {
    b"<": "a web page: the download gave something else than the file",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself with `git lfs pull`",
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"\x89HDF": "an HDF5 file",
}
START_BYTES = 64
HEADER_BYTES = 8
CALLBACKS = ("pytorch_lightning.callbacks.", "lightning.pytorch.callbacks.")


def is_safetensors(path: Path) -> bool:
    """Tells whether the file begins as safetensors do: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        return file.read(HEADER_BYTES + 1)[HEADER_BYTES:] == b"{"


def read_contents(path: Path) -> Any:
    """Tells what a pickle or a torch file holds.

    Returns:
        Containers of numbers, texts and ``Tensor`` (torch file) or ``Numbers`` and ``InertObject`` (pickle).

    Raises:
        WeightsError: The file is damaged, of another kind, or asks for something that data does not need.
    """
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    with readable_errors(path):
        if start.startswith(ZIP_START):
            names = _CallbackNames(BUILDERS)
            _read_torch_zip(path, names)
            if names.found:  # which torch itself would refuse
                return _plain(_read_torch_zip(path, names, with_numbers=True))
            return _torch_load(path, memory_mapped=True)
        if start.startswith(LEGACY_START):
            with _mapped(path) as content:
                read_legacy_torch(content, BUILDERS, Budget(len(content)), len(content))
            return _torch_load(path, memory_mapped=False)
        if start.startswith(PICKLE_STARTS):
            with _mapped(path) as content:
                return Machine(BUILDERS, Budget(len(content))).run(content)
    found = next(
        (what for known, what in NO_WEIGHTS.items() if start.lstrip().startswith(known)),
        f"a file that starts with {start[:8]!r}",
    )
    raise WeightsError(
        f"{path} is {found if start else 'an empty file'}. Expected a pickle, a torch file (.pt) or "
        "safetensors."
    )


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """The file as a memory map.

    It reads like a file, and a length that the file only claims costs nothing.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turns whatever damaged data can cause into one readable error."""
    try:
        yield
    except RefusedPickleError as error:
        raise WeightsError(
            f"{path} asks for {one_line(error)}, which network weights do not need; nothing of it was run. "
            "Expected plain containers and numbers. "
            "Fetch the file again from whoever published it."
        ) from error
    except Exception as error:  # hostile bytes may surface as any exception of the readers
        raise WeightsError(f"{path} is damaged or cut off ({one_line(error)}). Fetch it again.") from error


class _CallbackNames(dict[str, Builder]):
    """What data may use, and names of Lightning's classes, which older checkpoints have as keys.

    Nothing is made of these.

    Attributes:
        found: Whether one was met.
    """

    found = False

    def __missing__(self, name: str) -> Builder:
        if name.startswith(CALLBACKS):
            self.found = True
            return Builder(name)
        raise KeyError(name)


def _plain(content: Any) -> Any:
    """The content with tensors as torch's, one dictionary deep, without what is no data."""
    if not isinstance(content, dict):
        return content
    plain: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            value = {name: _tensor(inner) for name, inner in value.items()}
        if isinstance(key, str):
            plain[key] = _tensor(value)
    return plain


def _tensor(value: Any) -> Any:
    return value.tensor() if isinstance(value, Numbers) else value


def _read_torch_zip(path: Path, names: Mapping[str, Builder], with_numbers: bool = False) -> Any:
    """Reads the pickle of a torch archive inertly, before torch itself does.

    Args:
        path: The archive.
        names: What the pickle may use.
        with_numbers: Whether tensors get their numbers.

    Raises:
        ValueError: The archive is compressed, ambiguous or inconsistent, or its pickle asks for something
            that is not allowed.
    """
    with open_archive(path) as archive:
        records = archive.infolist()
        sizes = {record.filename: record.file_size for record in records}
        # torch stores; unpacked, a small file could fill the memory
        if any(record.compress_type != zipfile.ZIP_STORED for record in records):
            raise ValueError("a zip archive that torch did not write")
        pickles = [name for name in sizes if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(
                "a zip archive without the network of a torch file; it holds "
                f"{', '.join(list(sizes)[:5]) or 'nothing'}"
            )
        numbers = pickles[0].removesuffix("data.pkl") + "data/"
        keys = {name.removeprefix(numbers): size for name, size in sizes.items() if name.startswith(numbers)}
        budget = Budget(path.stat().st_size)
        read = (lambda key: archive.read(numbers + key)) if with_numbers else None
        return read_torch_records(io.BytesIO(archive.read(pickles[0])), names, budget, keys, read)


def _torch_load(path: Path, memory_mapped: bool) -> Any:
    with torch.serialization.safe_globals(
        [Namespace]
    ):  # the options that training scripts store beside the weights
        return torch.load(path, map_location="cpu", weights_only=True, mmap=memory_mapped)
