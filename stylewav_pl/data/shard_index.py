"""The contents of shards, remembered in the cache, or told by an index beside them.

A shard is searched once, not by each process and at each start; one with an index, as ``data shards`` writes
it (``clips-00000.index.json``), is not fetched from a store for that.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from stylewav_pl import __version__
from stylewav_pl.data.shard_contents import LONGEST_TEXT, Contents, Refusal, SampleEntry, is_text, search
from stylewav_pl.files import write_text
from stylewav_pl.types import SkipReason
from stylewav_pl.weights.cache import cache_directory

FORMAT = "shard-index-1"


def contents_of(shard: Path) -> Contents:
    """The contents of a shard, from the cache if the file looks as it did then.

    Raises:
        OSError: The shard cannot be read.
    """
    stat = shard.stat()
    return _contents(shard, [__version__, stat.st_size, stat.st_mtime_ns], lambda: search(shard))


def contents_at(place: Path, locate: Callable[[], Path], told: Callable[[], Contents | None]) -> Contents:
    """The contents of a shard that need not be there, at a place which is another one for each content.

    Args:
        place: Where it lies, or will.
        locate: Brings it there if its contents are not known.
        told: Gives what an index beside the shard says; None where there is none, or one of another shard.

    Raises:
        OSError: The shard cannot be read.
    """
    return _contents(place, [__version__], lambda: told() or search(locate()))


def index_text(shard: Path) -> str:
    """Returns the index that may lie beside a shard, so that nobody has to fetch it to know what is in it."""
    return _to_json(search(shard), [FORMAT, shard.stat().st_size])


def read_index(text: bytes, size: int) -> Contents | None:
    """Returns the contents that an index tells; None where it is of a shard of another size, or no index."""
    try:
        found = _from_json(json.loads(text), [FORMAT, size])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    told = [text for refusal in found.refusals for text in (refusal.member, refusal.detail)]
    counts = found.ignored.values()
    possible = (
        all(_is_possible(entry, size) for entry in found.entries)
        and _are_texts([*told, *found.ignored])
        and all(type(count) is int for count in counts)
    )
    return found if possible else None


def _is_possible(entry: SampleEntry, size: int) -> bool:
    """Whether an entry that somebody else has written could have been found in a shard of this size."""
    numbers = (entry.offset, entry.size)
    return (
        isinstance(entry.labels, dict)
        and _are_texts([entry.id, entry.member, entry.speaker, *entry.labels.keys(), *entry.labels.values()])
        and all(type(number) is int and number >= 0 for number in numbers)
        and sum(numbers) <= size
        and bool(entry.id)
    )


def _are_texts(found: Sequence[object]) -> bool:
    return all(isinstance(text, str) and len(text) <= LONGEST_TEXT and is_text(text) for text in found)


def _contents(shard: Path, version: Sequence[object], find: Callable[[], Contents]) -> Contents:
    kept = (
        cache_directory()
        / "shard-index"
        / f"{sha256(os.path.abspath(shard).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"
    )
    try:
        return _from_json(json.loads(kept.read_bytes()), version)
    except (OSError, ValueError, KeyError, TypeError):  # not there, of another time, or damaged
        contents = find()
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        write_text(kept, _to_json(contents, version))
    return contents


def _to_json(contents: Contents, version: Sequence[object]) -> str:
    entries = [
        [entry.id, entry.member, entry.offset, entry.size, entry.speaker, dict(entry.labels)]
        for entry in contents.entries
    ]
    return json.dumps(
        {
            "version": version,
            "entries": entries,
            "refusals": [asdict(refusal) for refusal in contents.refusals],
            "ignored": dict(contents.ignored),
        }
    )


def _from_json(kept: Any, version: Sequence[object]) -> Contents:
    if kept["version"] != version:
        raise ValueError("of another time")
    refusals = [
        Refusal(**{**refusal, "reason": SkipReason(refusal["reason"])}) for refusal in kept["refusals"]
    ]
    return Contents([SampleEntry(*entry) for entry in kept["entries"]], refusals, dict(kept["ignored"]))
