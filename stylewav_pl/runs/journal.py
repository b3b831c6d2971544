"""The journal: what has been finished, appended by the process that finished it.

Each process has two files. ``rank-N.jsonl`` holds two lines of JSON for each of its cohorts: everything that
the tables of the run are made of, and the digests of the files that were written. ``rank-N.index`` says where
these lines lie. A cohort counts as done when its line in the index is whole; everything else about it is on
disk before that, so a process that dies at any moment loses at most the cohorts in flight. Whoever only wants
to know what is done, or waits for others, reads a few bytes for each cohort.

A line of the index: cohort, clips with a result, offset and length of the record, ``+`` and the length of the
line of files that follows it, CRC-32 of the record, of the files, and of this line so far. Lines of earlier
versions end after a CRC-32 of the record; about their files nothing is known.
"""

import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from stylewav_pl.files import append_durably, write_whole
from stylewav_pl.runs.damage import Damage, DamageError, note
from stylewav_pl.runs.digests import NO_FILES, CohortFiles
from stylewav_pl.types import Skip, SkipReason

Parsed = TypeVar("Parsed")

_NUMBER, _CRC = rb"(\d{1,15})", rb"([0-9a-f]{8})"
_INDEX_LINE = re.compile(
    rb"(%(n)s %(n)s %(n)s %(n)s (?:\+%(n)s %(c)s %(c)s)?) ?%(c)s" % {b"n": _NUMBER, b"c": _CRC}
)


@dataclass(frozen=True)
class ClipRecord:
    """The result of one clip, as text and numbers.

    Attributes:
        similarity_start: Cosine to the target before the first step.
        similarity_end: Cosine to the target at the final latent.
        scores: Cosine of the final image with each prompt.
        curve: Similarity before each step and at the end.
        terms: Of the loss at the end, by name; none where the loss is one term.
    """

    id: str
    path: str
    speaker: str
    labels: Mapping[str, str]
    seed: int
    similarity_start: float
    similarity_end: float
    scores: Mapping[str, float]
    curve: tuple[float, ...]
    terms: Mapping[str, float] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """All of it by name; without terms where there are none."""
        return {name: value for name, value in vars(self).items() if value or name != "terms"}


@dataclass(frozen=True)
class CohortRecord:
    """What the journal says about a cohort that was optimised to the end.

    Attributes:
        seconds: How long it took, scores included; the one number here that differs from start to start.
    """

    cohort: int
    clips: tuple[ClipRecord, ...]
    skips: tuple[Skip, ...]
    seconds: float = 0.0

    def to_json(self) -> str:
        """One line of JSON without a line break."""
        skips = [{**asdict(skip), "reason": skip.reason.value} for skip in self.skips]
        clips = [clip.facts for clip in self.clips]
        return json.dumps(
            {"cohort": self.cohort, "clips": clips, "skips": skips, "seconds": self.seconds}, allow_nan=False
        )

    @classmethod
    def from_json(cls, line: str | bytes) -> "CohortRecord":
        """The inverse of :meth:`to_json`."""
        value: dict[str, Any] = json.loads(line)
        clips = tuple(ClipRecord(**{**clip, "curve": tuple(clip["curve"])}) for clip in value["clips"])
        skips = tuple(Skip(**{**skip, "reason": SkipReason(skip["reason"])}) for skip in value["skips"])
        return cls(value["cohort"], clips, skips, value.get("seconds", 0.0))


def append(directory: Path, rank: int, record: CohortRecord, files: CohortFiles = NO_FILES) -> None:
    """Appends a cohort to the journal of process ``rank``; on return it counts, and will after any crash.

    Args:
        directory: Where the journals lie.
        rank: This process.
        record: Its results.
        files: What was written about it.
    """
    directory.mkdir(exist_ok=True)
    result, written = (one.to_json().encode("utf-8") + b"\n" for one in (record, files))
    offset = append_durably(directory / f"rank-{rank:05d}.jsonl", result + written)
    place = (record.cohort, len(record.clips), offset, len(result), len(written))
    line = b"%d %d %d %d +%d" % place + b" %08x %08x" % (zlib.crc32(result), zlib.crc32(written))
    append_durably(directory / f"rank-{rank:05d}.index", b"%s %08x\n" % (line, zlib.crc32(line)))


class Place(NamedTuple):
    """Where the lines about a cohort lie; ``written`` is None where nothing is known about its files."""

    journal: Path
    clips: int
    record: "Line"
    written: "Line | None"

    @property
    def end(self) -> int:
        """Tells how large the journal is at least."""
        return max(line.offset + line.length for line in (self.record, self.written) if line)


class Line(NamedTuple):
    """A line of a journal."""

    offset: int
    length: int
    checksum: int


def _read_index_line(line: bytes, journal: Path) -> tuple[int, Place] | None:
    """Cohort and place; None for a line that is not whole."""
    match = _INDEX_LINE.fullmatch(line)
    if match is None:
        return None
    said, *numbers, first, second, last = match.groups()
    cohort, clips, offset, length = (int(number) for number in numbers[:4])
    if first is None:
        return cohort, Place(journal, clips, Line(offset, length, int(last, 16)), None)
    if zlib.crc32(said) != int(last, 16):
        return None
    written = Line(offset + length, int(numbers[4]), int(second, 16))
    return cohort, Place(journal, clips, Line(offset, length, int(first, 16)), written)


class Journals(Collection[int]):
    """The finished cohorts of a run, from the journals of all processes.

    A record is read when it is asked for.

    Args:
        directory: Where the journals lie.

    Attributes:
        places: Where the lines of each cohort lie.
        broken: Index files with lines that are not whole, by name, and how many: torn by a crash, or damaged.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.places: dict[int, Place] = {}
        self.broken: Counter[str] = Counter()
        self._read: dict[Path, int] = {}

    def refresh(self) -> "Journals":
        """Reads what was added to the indices since the last time.

        Of two records of one cohort the first counts.
        """
        for index in sorted(self.directory.glob("rank-*.index")):
            begin = self._read.get(index, 0)
            with index.open("rb") as file:
                file.seek(begin)
                fresh = file.read()
            *lines, last = fresh.split(b"\n")
            for line in lines:
                if not self._take(line, index):  # that cohort is simply not done
                    self.broken[index.name] += 1
            self._take(last, index)  # all of a line but its end may be there
            self._read[index] = begin + len(fresh) - len(last)
        return self

    def _take(self, line: bytes, index: Path) -> bool:
        found = _read_index_line(line, index.with_suffix(".jsonl"))
        if found is not None:
            self.places.setdefault(*found)
        return found is not None

    def forget(self, cohorts: Collection[int]) -> None:
        """Takes cohorts back, and lines that are not whole.

        They are no longer done, for anybody and after any crash.

        Only for the process that has claimed the run. What somebody who outlived an earlier job appends at
        the same moment may be lost, and is made again.
        """
        for index in sorted(self.directory.glob("rank-*.index")):
            lines = index.read_bytes().split(b"\n")
            found = [(line, _read_index_line(line, index)) for line in lines]
            kept = [line + b"\n" for line, place in found if place and place[0] not in cohorts]
            if b"".join(kept) != b"\n".join(lines):
                write_whole(index, partial(_write_lines, kept))
        self.places.clear()
        self.broken.clear()
        self._read.clear()
        self.refresh()

    @property
    def number_of_clips(self) -> int:
        """Tells how many clips have a result; skipped ones do not count."""
        return sum(place.clips for place in self.places.values())

    def digest(self) -> str:
        """SHA-256 over what is finished: which cohorts, and the checksum of each record."""
        lines = (f"{cohort} {self.places[cohort].record.checksum:08x}\n" for cohort in sorted(self.places))
        return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()

    def __iter__(self) -> Iterator[int]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, cohort: object) -> bool:
        return cohort in self.places

    def __getitem__(self, cohort: int) -> CohortRecord:
        """The record of a finished cohort.

        Raises:
            DamageError: The journal is not what the index says; it is noted for the next start.
        """
        record = self._parsed(cohort, self.places[cohort].record, CohortRecord.from_json)
        if record.cohort != cohort:
            raise self._damaged(cohort, self.places[cohort].record)
        return record

    def files(self, cohort: int) -> CohortFiles | None:
        """Tells what was written about a finished cohort; None where an earlier version did not say.

        Raises:
            DamageError: The journal is not what the index says; it is noted for the next start.
        """
        line = self.places[cohort].written
        return None if line is None else self._parsed(cohort, line, CohortFiles.from_json)

    def _parsed(self, cohort: int, line: Line, parse: Callable[[bytes], Parsed]) -> Parsed:
        try:
            with self.places[cohort].journal.open("rb") as file:
                file.seek(line.offset)
                data = file.read(line.length)
            if zlib.crc32(data) == line.checksum:
                return parse(data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # gone, or made up by somebody who knows what a checksum is
        raise self._damaged(cohort, line)

    def _damaged(self, cohort: int, line: Line) -> DamageError:
        path = self.places[cohort].journal
        what = f"is damaged: what it says about cohort {cohort} at byte {line.offset} is not what was written"
        note(self.directory, [cohort])
        return DamageError(
            self.directory.parent, [Damage(f"{self.directory.name}/{path.name}", what, cohort)]
        )


def _write_lines(lines: Iterable[bytes], file: IO[bytes]) -> None:
    file.writelines(lines)
