"""The plan of a run: which clips are optimised together, decided once and never changed.

A plan is only ever extended: clips that appear after the first start are appended as new cohorts. So a result
does not depend on how many processes work, on interruptions, or on when a file was added.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

_PLAIN_STEM = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Cohort:
    """Clips optimised together in one batch.

    Attributes:
        index: Position in the plan, from 0.
        ids: The clips, in slot order; at most ``size``.
        size: Number of slots; slots beyond ``ids`` are padding.
    """

    index: int
    ids: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered cohorts of one size."""

    cohort_size: int
    cohorts: tuple[Cohort, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Every clip of the plan, in plan order."""
        return tuple(id for cohort in self.cohorts for id in cohort.ids)

    def extended(self, ids: Iterable[str]) -> "Plan":
        """This plan with the ids that it lacks appended as new cohorts.

        >>> plan = Plan(2).extended(["a", "b", "c"])
        >>> [cohort.ids for cohort in plan.extended(["d", "a"]).cohorts]
        [('a', 'b'), ('c',), ('d',)]
        """
        known = set(self.ids)
        fresh = iter([id for id in dict.fromkeys(ids) if id not in known])
        added = [
            Cohort(index, chunk, self.cohort_size)
            for index, chunk in enumerate(_chunks(fresh, self.cohort_size), start=len(self.cohorts))
        ]
        return Plan(self.cohort_size, (*self.cohorts, *added))


def _chunks(items: Iterator[str], size: int) -> Iterator[tuple[str, ...]]:
    while chunk := tuple(islice(items, size)):
        yield chunk


def cohorts_of_rank(
    cohorts: Sequence[Cohort], rank: int, world_size: int, done: frozenset[int] = frozenset()
) -> list[Cohort]:
    """The unfinished cohorts that process ``rank`` of ``world_size`` works on.

    The owner follows from the cohort's index alone, never from what is finished, so that ranks that look at
    the journals at different moments agree without talking to each other.

    >>> [cohort.index for cohort in cohorts_of_rank(Plan(1).extended("abcde").cohorts, 1, 2, frozenset({3}))]
    [1]
    """
    return [cohort for cohort in cohorts if cohort.index % world_size == rank and cohort.index not in done]


def clip_seed(seed: int, id: str) -> int:
    """The clip's own seed in [0, 2**63), from the run's seed and the clip's id alone."""
    return (
        int.from_bytes(hashlib.sha256(f"{seed}:{id}".encode("utf-8", "surrogateescape")).digest()[:8], "big")
        >> 1
    )


def stem_of(id: str) -> str:
    """File stem for a clip id, unique, lower case, safe on every file system.

    >>> stem_of("voice-1")
    'voice-1'
    >>> stem_of("Mein Clip")
    'mein-clip-5e876d8ce2'
    """
    return id if _PLAIN_STEM.fullmatch(id) else slug_of(id)


def slug_of(id: str) -> str:
    """A readable name without dots for any clip id, made unique by ten digits of the id's hash.

    >>> slug_of("voice 1.2")
    'voice-1-2-1b00bb88ed'
    """
    slug = re.sub(r"[^a-z0-9]+", "-", id.lower()).strip("-")[:80]
    digest = hashlib.sha256(id.encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return f"{slug}-{digest}" if slug else digest
