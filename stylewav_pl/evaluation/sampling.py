"""A few out of many, the same few each time."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly(items: Sequence[Item], limit: int) -> list[Item]:
    """At most ``limit`` items, evenly spaced from the first on.

    >>> evenly("abcdefg", 3)
    ['a', 'c', 'e']
    """
    count = min(limit, len(items))
    return [items[index * len(items) // count] for index in range(count)]
