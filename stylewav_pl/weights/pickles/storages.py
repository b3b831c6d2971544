"""The numbers behind torch's tensors.

And the two ways in which torch arranges pickles and numbers in one file.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from stylewav_pl.weights.marks import LEGACY_MAGIC
from stylewav_pl.weights.pickles.budget import Budget
from stylewav_pl.weights.pickles.contract import Builder, Stream
from stylewav_pl.weights.pickles.machine import Machine
from stylewav_pl.weights.pickles.numbers import Storage

LEGACY_PROTOCOL = 1001
COUNT_BYTES = 8

NUMBER_TYPES = {
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "<V2",
    "torch.DoubleStorage": "<f8",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
STORAGES: Mapping[str, Builder] = {name: Builder(name) for name in NUMBER_TYPES}


def _storage(identifier: Any) -> tuple[str, Storage]:
    """Returns key and storage that torch's persistent id means.

    ``("storage", type, key, device, count)``, in older files a view behind it.
    """
    if not isinstance(identifier, tuple) or identifier[5:] not in ((), (None,)):
        raise ValueError("a storage of unknown form")
    word, kind, key, _, count = identifier[:5]
    if (
        word != "storage"
        or not isinstance(kind, Builder)
        or not isinstance(key, str)
        or type(count) is not int
        or count < 0
    ):
        raise ValueError("a storage of unknown form")
    return key, Storage(np.dtype(NUMBER_TYPES[kind.name]), count)


def read_torch_records(
    stream: Stream,
    builders: Mapping[str, Builder],
    budget: Budget,
    sizes: Mapping[str, int],
    read: Callable[[str], bytes] | None = None,
) -> Any:
    """The pickle inside torch's zip archives.

    Args:
        stream: The pickle.
        builders: Allowed names.
        budget: What the file may ask for.
        sizes: Bytes of each record of numbers in the archive, which must be what the pickle announces.
        read: Gives the bytes of a record, once; ``None`` leaves the tensors without content.

    Raises:
        ValueError: See :meth:`Machine.run`.
    """
    storages: dict[str, Storage] = {}

    def load(identifier: Any) -> Storage:
        key, announced = _storage(identifier)
        if sizes[key] != announced.size:
            raise ValueError(f"{announced.size:,} bytes are announced where the file holds {sizes[key]:,}")
        storage = storages.setdefault(key, announced)
        if storage.dtype != announced.dtype:
            raise ValueError("the same bytes are announced as numbers of two types")
        if read and storage.content is None:
            budget.spend(storage.size)
            storage.content = memoryview(read(key))
        return storage

    return Machine(builders, budget, load).run(stream)


def read_legacy_torch(
    stream: Stream, builders: Mapping[str, Builder], budget: Budget, size: int
) -> tuple[Any, list[Storage]]:
    """Reads the value and the storages of torch's older format.

    Magic number, protocol, machine, value, keys, then the numbers by key.

    Args:
        stream: Stands at the magic number; is left before the numbers.
        builders: Allowed names.
        budget: What the file may ask for.
        size: Bytes of the whole stream.

    Raises:
        ValueError: See :meth:`Machine.run`.
    """
    storages: dict[str, Storage] = {}

    def load(identifier: Any) -> Storage:
        key, storage = _storage(identifier)
        return storages.setdefault(key, storage)

    magic, protocol, machine = (Machine({}, budget).run(stream) for _ in range(3))
    if magic != LEGACY_MAGIC or protocol != LEGACY_PROTOCOL or not machine["little_endian"]:
        raise ValueError("a torch file of unknown form")
    value = Machine(builders, budget, load).run(stream)
    keys = Machine({}, budget).run(stream)
    named = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not named or sorted(keys) != sorted(storages):
        raise ValueError("the storages of a torch file are not those it uses")
    if stream.tell() + sum(COUNT_BYTES + storage.size for storage in storages.values()) > size:
        raise ValueError("it is shorter than the numbers it announces")
    return value, [storages[key] for key in keys]


def read_storage(budget: Budget, content: Any) -> Storage:
    """Reads one storage as ``torch.storage._load_from_bytes`` takes it.

    It is a torch file of the older format inside a pickle.

    Nothing but storages is allowed in there. The numbers stay where they are; they are not copied.
    """
    if not isinstance(content, bytes | bytearray):
        raise ValueError("a storage without bytes")
    stream = io.BytesIO(content)
    storage, storages = read_legacy_torch(stream, STORAGES, budget, len(content))
    if not isinstance(storage, Storage) or storages != [storage]:
        raise ValueError("a storage of unknown form")
    if int.from_bytes(stream.read(COUNT_BYTES), "little") != storage.count:
        raise ValueError("a storage holds another count of numbers than it announces")
    start = stream.tell()
    storage.content = memoryview(content)[start : start + storage.size]
    return storage
