"""Checks and measures values of a pickle."""

from reprlib import Repr
from typing import Any

from stylewav_pl.weights.pickles.budget import RefusedPickleError
from stylewav_pl.weights.pickles.contract import Builder

KEYS = (str, int, float, bool, bytes, type(None), Builder)
"""What may be a key: nested tuples could take exponential time to hash.

Names of classes are keys in Lightning's checkpoints.
"""

LONGEST_KEY = 1000
"""Characters: two long texts that are equal are compared to their end, each time anew."""

LARGEST_KEY = 1 << 64
"""Larger numbers can be chosen such that all of them share one place of a dictionary."""

_BRIEF = Repr()
_BRIEF.maxlevel = (
    2  # containers that hold each other twice, thirty times over, would be written out for hours
)
ITEM_BYTES = 128
"""What a builder may make of one item of its arguments: a place in a dictionary that has just grown."""


def canonical(name: str) -> str:
    """Returns the name that Python 3 and NumPy 1 use; others wrote the same things under other modules."""
    for alias, prefix in (("__builtin__.", "builtins."), ("numpy._core.", "numpy.core.")):
        if name.startswith(alias):
            return prefix + name[len(alias) :]
    return name


def checked_keys(values: list[Any]) -> list[Any]:
    """Returns the values themselves, if all of them can be keys.

    Raises:
        RefusedPickleError: One of them is a container, or longer or larger than any name or number that is
            one.
    """
    for value in values:
        if not isinstance(value, KEYS):
            raise RefusedPickleError(f"a key of type {type(value).__name__}")
        if isinstance(value, str | bytes) and len(value) > LONGEST_KEY:
            raise RefusedPickleError(f"a key of {len(value):,} characters")
        if isinstance(value, int) and abs(value) > LARGEST_KEY:
            raise RefusedPickleError("a key of more than 64 bits")
    return values


def brief(value: Any) -> str:
    """Writes a value of a file in a few words however much it holds.

    >>> brief([1, [2, [3, [4]]]])
    '[1, [2, [...]]]'
    """
    return _BRIEF.repr(value)


def size_of(argument: Any) -> int:
    """Bytes that a builder may make of one argument: a copy of a text, a container of the same items."""
    if isinstance(argument, str | bytes | bytearray):
        return len(argument)
    if isinstance(argument, list | tuple | dict | set | frozenset):
        return ITEM_BYTES * len(argument)
    return 0


def typed(value: Any, kind: type) -> Any:
    """Returns the value, if it is of a kind.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(value, kind):
        raise ValueError(f"a {kind.__name__} was expected, found a {type(value).__name__}")
    return value
