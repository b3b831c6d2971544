"""The tensors of a TorchScript archive (how OpenAI published CLIP) without its program.

Such an archive is a zip file: code, a pickle that arranges objects and tensors, and the numbers of each
tensor, stored uncompressed.
``torch.jit.load`` would compile the code, and ``torch.load`` refuses it; here every object becomes an inert
record of attributes.
"""

import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stylewav_pl.weights.archives import open_archive
from stylewav_pl.weights.pickles import BUILDERS, Budget, Builder, InertObject, Numbers, read_torch_records

LONGEST_NAME = 1000  # characters
MAX_VALUES = 100_000
"""Attributes of all objects together; objects that contain each other several times could have any number."""


def is_torchscript(path: Path) -> bool:
    """Tells whether a zip file holds a TorchScript program."""
    with open_archive(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Numbers]:
    """All tensors of the program's module by their dotted names.

    Raises:
        ValueError: The archive asks for something that is no plain data, or is inconsistent; see
            :func:`read_torch_records`.
        zipfile.BadZipFile: It is damaged.
    """
    with open_archive(path) as archive:
        (main,) = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        folder = main.removesuffix("data.pkl") + "data/"
        sizes = {
            entry.filename.removeprefix(folder): entry.file_size
            for entry in archive.infolist()
            if entry.filename.startswith(folder)
        }
        budget = Budget(path.stat().st_size)
        module = read_torch_records(
            io.BytesIO(_stored(archive, main)),
            _Names(BUILDERS),
            budget,
            sizes,
            lambda key: _stored(archive, folder + key),
        )
    return dict(_tensors(module, budget))


class _Names(dict[str, Builder]):
    """What data may use, the classes of the program, and torch's marks of lists with a type.

    Such a list is the padding of a convolution.
    """

    def __missing__(self, name: str) -> Builder:
        if name.startswith("__torch__."):
            return Builder(name, lambda: InertObject("module"))
        if name.startswith("torch.jit._pickle."):
            return Builder(name, lambda values, *_: values)
        raise KeyError(name)


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """An entry that is as large as it says.

    Compressed ones, which torch never writes there, could be bombs.
    """
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    return archive.read(entry)


def _tensors(module: Any, budget: Budget) -> Iterator[tuple[str, Numbers]]:
    pending = [("", module)]
    for _ in range(MAX_VALUES):
        if not pending:
            return
        name, value = pending.pop()
        if isinstance(value, Numbers):
            yield name, value
        elif isinstance(value, InertObject):
            if len(name) > LONGEST_NAME:
                raise ValueError("objects nested too deeply")
            for key, inner in value.state.items():
                inner_name = f"{name}.{key}" if name else str(key)
                budget.spend(sys.getsizeof(inner_name))
                pending.append((inner_name, inner))
    raise ValueError(f"more than {MAX_VALUES:,} values")
