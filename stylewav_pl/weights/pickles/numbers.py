"""Arrays, scalars and tensors of pickles as views of the bytes in the file.

Checked against their size, never copied.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylewav_pl.weights.pickles.budget import Budget, RefusedPickleError
from stylewav_pl.weights.pickles.contract import Stateful
from stylewav_pl.weights.pickles.values import brief

NUMERIC = re.compile(r"b1|[fiu](1|2|4|8)")
MAX_DIMENSIONS = 8
MAX_REPEATED = 1 << 20
"""How many numbers a tensor may show that repeats fewer; without a bound one number could be shown as
terabytes."""
MAX_VIEWS = 16
"""How many times over the tensors of a file may show a storage (or ``MAX_REPEATED`` numbers, if that is
more): all are copied in the end."""


class NumberType(Stateful):
    """The type of numbers, e.g. little-endian float32; the byte order comes with the state."""

    def __init__(self, code: Any, *flags: Any) -> None:
        if not isinstance(code, str) or not NUMERIC.fullmatch(code):
            raise RefusedPickleError(f"an array of type {brief(code)}, which is no kind of number")
        self.dtype = np.dtype(code)

    def set_state(self, state: Any) -> None:
        """``(version, byte order, ...)``."""
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise ValueError("an array type of unknown form")
        self.dtype = self.dtype.newbyteorder(state[1])


class Numbers(Stateful):
    """An array or a tensor.

    Attributes:
        array: A read-only view of the file's bytes; ``None`` as long as they are not known.
    """

    def __init__(self, array: np.ndarray | None = None) -> None:
        self.array = array
        self._copy: np.ndarray | None = None

    def tensor(self, kind: type[np.generic] | None = None) -> Tensor:
        """A copy of the file's bytes, as numbers of ``kind`` (their own by default).

        The same copy however many names they have.

        Raises:
            ValueError: The numbers are of a type that NumPy does not have, or not known.
        """
        if self.array is None or self.array.dtype.kind == "V":
            raise ValueError("a tensor without plain numbers")
        wanted = self.array.dtype.newbyteorder("=") if kind is None else np.dtype(kind)
        if self._copy is None or self._copy.dtype != wanted:
            self._copy = self.array.astype(wanted, order="C")
        return torch.from_numpy(self._copy)

    def set_state(self, state: Any) -> None:
        """``(version, shape, type, columns first, bytes)``."""
        _, shape, kind, columns_first, content = state
        self.array = _array(content, kind, shape, "F" if columns_first else "C")


@dataclass
class Storage:
    """The numbers behind tensors, in one row.

    Attributes:
        dtype: Their type.
        count: How many they are.
        content: Their bytes; ``None`` as long as they are not known.
        shown: How many numbers the tensors made of it show, all together.
    """

    dtype: np.dtype
    count: int
    content: memoryview | None = None
    shown: int = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * self.dtype.itemsize


def reconstructed(kind: Any, *arguments: Any) -> Numbers:
    """An array whose content follows as its state."""
    return Numbers()


def array_from_buffer(content: Any, kind: Any, shape: Any, order: Any, axis_order: Any = None) -> Numbers:
    """An array as protocol 5 writes it.

    Since NumPy 2.4 its axes may lie in any order (``K``) and come back to theirs at the end.
    """
    if order == "K" and axis_order is not None:
        return Numbers(_array(content, kind, shape, "C").transpose(sizes(axis_order)))
    return Numbers(_array(content, kind, shape, "F" if order == "F" else "C"))


def scalar(kind: Any, content: Any) -> int | float | bool:
    """A single number."""
    value: int | float | bool = _array(content, kind, (), "C").item()
    return value


def _array(content: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(kind, NumberType):
        raise ValueError("an array without a type")
    content = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(content, bytes | bytearray):
        raise RefusedPickleError("an array of objects")
    shape = sizes(shape)
    if math.prod(shape) * kind.dtype.itemsize != len(content):
        raise ValueError(f"an array of shape {list(shape)} does not fit its {len(content):,} bytes")
    return np.frombuffer(content, kind.dtype).reshape(shape, order=order)


def tensor(budget: Budget, storage: Any, offset: Any, shape: Any, strides: Any, *flags: Any) -> Numbers:
    """A tensor: a view of a storage; offset and strides count numbers, not bytes.

    The numbers that it shows are taken from the budget, because all are copied in the end.
    """
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    (offset,), shape, strides = sizes((offset,)), sizes(shape), sizes(strides)
    if len(shape) != len(strides) or math.prod(shape) > max(storage.count, MAX_REPEATED):
        raise ValueError(
            f"a tensor of shape {list(shape)} does not fit the {storage.count:,} numbers it is made of"
        )
    storage.shown += math.prod(shape)
    if storage.shown > max(MAX_VIEWS * storage.count, MAX_REPEATED):
        raise ValueError(f"the same {storage.count:,} numbers are shown as tensors too often")
    budget.spend(math.prod(shape) * storage.dtype.itemsize)
    if storage.content is None:
        return Numbers()
    item = storage.dtype.itemsize
    return Numbers(
        np.ndarray(
            shape, storage.dtype, storage.content, offset * item, tuple(stride * item for stride in strides)
        )
    )


def parameter(data: Any, *flags: Any) -> Numbers:
    """A tensor that was trained."""
    if not isinstance(data, Numbers):
        raise ValueError("a parameter without a tensor")
    return data


def sizes(values: Any) -> tuple[int, ...]:
    """The lengths of the axes of an array.

    Raises:
        ValueError: They are not those of any.
    """
    if (
        not isinstance(values, tuple | list)
        or len(values) > MAX_DIMENSIONS
        or not all(type(value) is int and 0 <= value < 1 << 48 for value in values)
    ):
        raise ValueError("an array of impossible shape")
    return tuple(values)
