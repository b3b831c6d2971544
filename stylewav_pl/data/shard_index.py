"""The contents of shards, remembered in the cache.

A shard is searched once, not by each process and at each start.
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
from stylewav_pl.data.shard_contents import Contents, Refusal, SampleEntry, search
from stylewav_pl.files import write_text
from stylewav_pl.types import SkipReason
from stylewav_pl.weights.cache import cache_directory


def contents_of(shard: Path) -> Contents:
    """The contents of a shard, from the cache if the file looks as it did then.

    Raises:
        OSError: The shard cannot be read.
    """
    stat = shard.stat()
    return _contents(shard, [__version__, stat.st_size, stat.st_mtime_ns], lambda: shard)


def contents_at(place: Path, locate: Callable[[], Path]) -> Contents:
    """The contents of a shard that need not be there, at a place which is another one for each content.

    Args:
        place: Where it lies, or will.
        locate: Brings it there if its contents are not known.

    Raises:
        OSError: The shard cannot be read.
    """
    return _contents(place, [__version__], locate)


def _contents(shard: Path, version: Sequence[object], locate: Callable[[], Path]) -> Contents:
    kept = (
        cache_directory()
        / "shard-index"
        / f"{sha256(os.path.abspath(shard).encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"
    )
    try:
        return _from_json(json.loads(kept.read_bytes()), version)
    except (OSError, ValueError, KeyError, TypeError):  # not there, of another time, or damaged
        contents = search(locate())
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
