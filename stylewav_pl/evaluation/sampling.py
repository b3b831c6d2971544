"""A few out of many, the same few each time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

Item = TypeVar("Item")

GOLDEN = 0.6180339887498949  # its multiples modulo 1 fill the unit interval as evenly as can be


def evenly_spaced(items: Sequence[Item], limit: int) -> list[Item]:
    """At most ``limit`` items.

    One out of each of as many stretches of equal length, the first item of the first.

    Not always the first of a stretch: populations take turns in a run, and every second clip would be one
    population.

    >>> evenly_spaced("fmfmfmfmfmfm", 6)
    ['f', 'm', 'f', 'm', 'f', 'f']
    """
    count = min(limit, len(items))
    edges = [index * len(items) // count for index in range(count)] + [len(items)] if count else []
    return [
        items[start + int(index * GOLDEN % 1 * (end - start))]
        for index, (start, end) in enumerate(pairwise(edges))
    ]
