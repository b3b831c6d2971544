"""The plan of a run: which clips are optimised together, decided once and never changed.

A plan is only ever extended: clips that appear after the first start are appended as new cohorts. So a result
does not depend on how many processes work, on interruptions, or on when a file was added.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

_PLAIN_STEM = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_LIKE_A_SLUG = re.compile(r"([a-z0-9][a-z0-9-]*-)?[0-9a-f]{10}")  # whatever slug_of may return
_DIGEST_BYTES = 5


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
        """Returns this plan with the ids that it lacks appended as new cohorts.

        But those whose files would share a name with others'.

        >>> plan = Plan(2).extended(["a", "b", "c"])
        >>> [cohort.ids for cohort in plan.extended(["d", "a"]).cohorts]
        [('a', 'b'), ('c',), ('d',)]
        """
        known = set(self.ids)
        fresh = [id for id in dict.fromkeys(ids) if id not in known]
        clashing = clashes(chain(self.ids, fresh)) if fresh else {}
        added = _chunks((id for id in fresh if id not in clashing), self.cohort_size)
        cohorts = [
            Cohort(index, chunk, self.cohort_size)
            for index, chunk in enumerate(added, start=len(self.cohorts))
        ]
        return Plan(self.cohort_size, (*self.cohorts, *cohorts))

    def left_out(self, ids: Iterable[str]) -> dict[str, str]:
        """The ids that :meth:`extended` did not take.

        Each with the planned one whose file names it would have.
        """
        planned = set(self.ids)
        rest = [id for id in dict.fromkeys(ids) if id not in planned]
        return clashes(chain(self.ids, rest)) if rest else {}


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
    """File stem for a clip id: lower case, safe on every file system, and no other planned clip's.

    A plain id is its own stem, unless it looks like the slug of some other id.

    >>> stem_of("voice-1")
    'voice-1'
    >>> stem_of("Mein Clip")
    'mein-clip-5e876d8ce2'
    >>> stem_of("mein-clip-5e876d8ce2")
    'mein-clip-5e876d8ce2-9fc0f5c87a'
    """
    plain = _PLAIN_STEM.fullmatch(id) and not _LIKE_A_SLUG.fullmatch(id)
    return id if plain else slug_of(id)


def key_of(id: str) -> str:
    """Returns the name of a clip's members in a shard, without suffix.

    It is the stem, but without dots, where webdataset begins the suffix.

    >>> key_of("voice-1"), key_of("voice.1")
    ('voice-1', 'voice-1-7f1f1af915')
    """
    stem = stem_of(id)
    return slug_of(id) if "." in stem else stem


def slug_of(id: str) -> str:
    """A readable name without dots for any clip id, with ten digits of the id's hash.

    >>> slug_of("voice 1.2")
    'voice-1-2-1b00bb88ed'
    """
    slug = re.sub(r"[^a-z0-9]+", "-", id.lower()).strip("-")[:80]
    digest = _digest(id).hex()
    return f"{slug}-{digest}" if slug else digest


def clashes(ids: Iterable[str]) -> dict[str, str]:
    """The ids with the slug of an earlier one, and that one: their files would have one name.

    Ten digits of a hash meet by chance once in a trillion pairs, which is not never among millions of clips,
    and whoever names the files can make them meet.

    Args:
        ids: In the order in which they get their names; unique.
    """
    seen: set[bytes] = set()
    suspects: dict[bytes, list[str]] = {}
    ids = list(ids)
    for digest in map(_digest, ids):
        if digest in seen:
            suspects[digest] = []
        seen.add(digest)
    for id in ids if suspects else ():
        if (digest := _digest(id)) in suspects:
            suspects[digest].append(id)
    return {id: first for same in suspects.values() for id, first in _with_one_slug(same)}


def _with_one_slug(ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    first: dict[str, str] = {}
    for id in ids:
        if (earlier := first.setdefault(slug_of(id), id)) != id:
            yield id, earlier


def _digest(id: str) -> bytes:
    return hashlib.sha256(id.encode("utf-8", "surrogateescape")).digest()[:_DIGEST_BYTES]
