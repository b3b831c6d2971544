"""Whether the files of a run are those that were written: by size, which is cheap, or to the last byte."""

import os
import stat
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.damage import Damage, DamageError
from stylewav_pl.runs.digests import Digest, digest_of_file
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.manifest import FILE as MANIFEST
from stylewav_pl.runs.manifest import RECORDED
from stylewav_pl.runs.plan_file import FILE as PLAN
from stylewav_pl.types import Recording

THREADS = 8  # a file system on the network answers slowly, but many at once


@dataclass
class Checked:
    """What a look at cohorts gave.

    Attributes:
        damages: What is not as it was written.
        changed: Recordings that have changed since they were decoded.
        files: How many files were looked at.
        bytes: Of these files.
        unknown: How many cohorts an earlier version wrote, which recorded nothing about their files.
    """

    damages: list[Damage] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    unknown: int = 0

    def add(self, other: "Checked") -> None:
        """Adds what another look gave."""
        self.damages += other.damages
        self.changed += other.changed
        self.files += other.files
        self.bytes += other.bytes
        self.unknown += other.unknown


def check_cohorts(run: FinishedRun, thorough: Collection[int] = ()) -> Checked:
    """Looks at every finished cohort: the sizes of its files, and whether its recordings have changed.

    That is one question to the file system for each file and each recording; of shards, one for each cohort.

    Args:
        run: The run.
        thorough: Cohorts of which every byte is read.
    """
    checked = Checked()
    sizes = {place.journal: _size(place.journal) for place in run.journals.places.values()}

    def check(cohort: int) -> Checked:
        return _check_cohort(run, cohort, sizes, cohort in thorough)

    with ThreadPoolExecutor(THREADS) as pool:
        for one in pool.map(check, sorted(run.journals)):
            checked.add(one)
    return checked


def check_once(run: FinishedRun) -> Iterator[Damage]:
    """Looks at every file that a run has once, to the last byte.

    Manifest, configuration, plan, tables, report, prompts, scores.
    """
    if wrong := run.directory.manifest.damage():
        yield Damage(MANIFEST, wrong)
    try:
        planned = len(run.plan.cohorts)
    except RunDirectoryError:
        yield Damage(PLAN, "is damaged or missing")
    else:
        beyond = [cohort for cohort in run.journals if cohort >= planned]
        if beyond:
            yield Damage("journal", f"tells of cohort {max(beyond)}, of which the plan knows nothing")
    done = run.manifest.get("counts", {}).get("done", 0)
    if done > run.journals.number_of_clips:
        yield Damage("journal", f"tells of {run.journals.number_of_clips} faces instead of {done}")
    for name in sorted(run.manifest.get(RECORDED, {})):
        if wrong := run.directory.manifest.wrong_with(name):
            yield Damage(name, wrong)


def _check_cohort(run: FinishedRun, cohort: int, sizes: dict[Path, int], thorough: bool) -> Checked:
    place = run.journals.places[cohort]
    if place.end > sizes[place.journal]:
        what = (
            f"ends before what it says about cohort {cohort}"
            if sizes[place.journal]
            else "is missing or empty"
        )
        return Checked([Damage(f"journal/{place.journal.name}", what, cohort)])
    try:
        files = run.journals.files(cohort)
        if thorough:
            run.journals[cohort]
    except DamageError as error:
        return Checked(list(error.damages))
    if files is None:
        return Checked(unknown=1)
    compare = _wrong_with if thorough else _wrong_with_size
    found = [(path, compare(run.path / path, digest)) for path, digest in files.files.items()]
    return Checked(
        [Damage(path, wrong, cohort) for path, wrong in found if wrong],
        [recording.path for recording in files.recordings if has_changed(recording)],
        len(files.files),
        sum(digest.size for digest in files.files.values()),
    )


def _wrong_with_size(path: Path, expected: Digest) -> str:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    return expected.difference(Digest(found.st_size, expected.sha256))


def _wrong_with(path: Path, expected: Digest) -> str:
    if wrong := _wrong_with_size(path, expected):
        return wrong
    try:
        return expected.difference(digest_of_file(path))
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def has_changed(recording: Recording) -> bool:
    """Tells whether the file is another one now; one that is gone, or lies elsewhere now, has not changed."""
    try:
        found = os.stat(recording.path)
    except (OSError, ValueError):
        return False
    return (found.st_size, found.st_mtime_ns) != (recording.size, recording.modified)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
