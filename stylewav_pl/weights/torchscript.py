"""The tensors of a TorchScript archive (how OpenAI published CLIP) without its program.

Such an archive is a zip file: code, a pickle that arranges objects and tensors, and the numbers of each tensor, stored uncompressed.
``torch.jit.load`` would compile the code, and ``torch.load`` refuses it; here every object becomes an inert bag of attributes.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def is_torchscript(path: Path) -> bool:
    """Whether a zip file holds a TorchScript program."""
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """All tensors of the program's module by their dotted names.

    Raises:
        pickle.UnpicklingError: The archive asks for something that is no plain data.
        zipfile.BadZipFile: It is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        (main,) = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        objects = io.BytesIO(archive.read(_stored(archive, main)))
        module = _Unpickler(objects, archive, main.removesuffix("data.pkl")).load()
    return dict(_tensors(module, ""))


class _Attributes:
    """An object of the program, reduced to its attributes."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"an object with {type(state).__name__} instead of attributes")
        self.values = state


class _Unpickler(pickle.Unpickler):
    """Builds containers, numbers, texts, tensors and :class:`_Attributes`, and refuses to look up anything else."""

    def __init__(self, objects: io.BytesIO, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(objects)
        self.archive = archive
        self.folder = folder
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "__torch__":
            return _Attributes
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":  # lists with a type, such as the padding of a convolution
            return _list
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        _, dtype, key, _, count = pid
        if key not in self.storages:
            entry = _stored(self.archive, f"{self.folder}data/{key}")
            if entry.file_size != count * dtype.itemsize:
                raise pickle.UnpicklingError(f"{entry.filename} has {entry.file_size} bytes where {count} numbers of {dtype} are declared")
            data = bytearray(self.archive.read(entry))
            self.storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return self.storages[key]


def _stored(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """An entry that is as large as it says; compressed ones, which torch never writes there, could be bombs."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError(f"{name} is compressed")
    return entry


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _list(values: Any, *_: Any) -> Any:
    return values


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, _Attributes):
        for key, inner in value.values.items():
            yield from _tensors(inner, f"{name}.{key}" if name else str(key))
