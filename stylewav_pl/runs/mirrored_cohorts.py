"""Cohorts in an object store: their files, and ``cohorts/N.json``, which makes them count.

An object that may count is never written over by another content, so whoever works on after it has lost the
run harms nobody: a file is written under its own name only where there is none yet, else under a name that
has its hash in it. The files that lie so are listed in the third line of ``cohorts/N.json``; the first two
are those of the journal.
"""

import json
import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, final

from stylewav_pl.files import whole_file
from stylewav_pl.runs import journal
from stylewav_pl.runs.digests import CohortFiles, Digest, DigestingFile
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.journal import CohortRecord
from stylewav_pl.runs.objects import Objects
from stylewav_pl.runs.store_claim import Claim

COHORTS = "cohorts"
AT_ONCE = 16
WHOLE_BYTES = 32 << 20  # more is sent in parts, for which stores know no condition
SMALL_BYTES = 4 << 20  # larger ones are sent one by one, since each is in memory for its condition


@final
class MirroredCohorts:
    """Takes finished cohorts to a store and back.

    Args:
        run: The run directory.
        objects: The store.
        claim: To the run there.
    """

    def __init__(self, run: RunDirectory, objects: Objects, claim: Claim) -> None:
        self.run, self.objects, self.claim = run, objects, claim
        self._replaced: dict[int, Any] = {}  # version of what says that a cohort counts, and should not

    def numbers(self) -> list[int]:
        """Tells which cohorts the store has."""
        return self.objects.numbers(COHORTS)

    def replace(self, cohort: int) -> None:
        """Has the next :meth:`bring` of a cohort replace what the store says about it now."""
        if version := self.objects.version(_name(cohort)):
            self._replaced[cohort] = version

    def bring(self, cohort: int, record: CohortRecord, files: CohortFiles) -> None:
        """Copies what a finished cohort has written, and then says that it counts.

        Where the store has it already, from a start that ended later than it should, the first one stays.
        """
        present = {name: one for name, one in files.files.items() if (self.run.path / name).is_file()}
        small = [name for name, one in present.items() if one.size <= SMALL_BYTES]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            places = dict(zip(small, pool.map(self._bring_file, small, map(present.get, small)), strict=True))
        places |= {name: self._bring_file(name, present[name]) for name in present.keys() - places.keys()}
        hashed = sorted(name for name, place in places.items() if place != name)
        said = [record.to_json(), files.to_json(), *([json.dumps({"hashed": hashed})] if hashed else [])]
        lines = "".join(f"{line}\n" for line in said).encode("utf-8")
        self.claim.check()
        replaced = self._replaced.pop(cohort, None)
        self.objects.write(_name(cohort), lines, anew=replaced is None, over=replaced)

    def fetch(self, cohort: int) -> bool:
        """Fetches a cohort into the run directory, if everything is there as it was written."""
        try:
            record, files, hashed = _parsed(self.objects.read(_name(cohort)) or b"")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False
        named = [(name, _hashed(name, one) if name in hashed else name) for name, one in files.files.items()]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            right = list(pool.map(self._fetch_file, *zip(*named, strict=True), files.files.values()))
        if record.cohort != cohort or not all(right):
            return False
        journal.append(self.run.journal_path, 0, record, files)
        return True

    def _bring_file(self, name: str, digest: Digest) -> str:
        """Copies a file; returns the name that it has there."""
        self.claim.check()
        path = self.run.path / name
        if digest.size <= WHOLE_BYTES and (
            self.objects.write(name, path, anew=True) or self._has(name, digest)
        ):
            return name
        place = _hashed(name, digest)
        self.objects.write(place, path)
        return place

    def _has(self, name: str, digest: Digest) -> bool:
        """Whether the store has just this under a name; it may be from an attempt before this one."""
        with Path(os.devnull).open("wb") as nowhere:
            found = DigestingFile(nowhere)
            return self.objects.fetch(name, found.write, digest.size) and found.digest == digest

    def _fetch_file(self, name: str, place: str, expected: Digest) -> bool:
        path = self.run.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with whole_file(path) as file:
                found = DigestingFile(file)
                if not self.objects.fetch(place, found.write, expected.size) or found.digest != expected:
                    raise _DamagedError
        except _DamagedError:
            return False
        return True


class _DamagedError(Exception):
    """What came is not what was written; the file that was begun with it goes."""


def _name(cohort: int) -> str:
    return f"{COHORTS}/{cohort:06d}.json"


def _hashed(name: str, digest: Digest) -> str:
    """The name of a file whose own name is taken by another content.

    >>> _hashed("shards/00000003.tar", Digest(1, "ab12"))
    'shards/00000003-ab12.tar'
    """
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}-{digest.sha256}{path.suffix}"))


def _parsed(lines: bytes) -> tuple[CohortRecord, CohortFiles, Collection[str]]:
    record, files, *more = lines.splitlines()
    hashed: Sequence[str] = json.loads(more[0])["hashed"] if more else ()
    return CohortRecord.from_json(record), CohortFiles.from_json(files), frozenset(hashed)
