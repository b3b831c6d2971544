"""The journal: what has been finished, appended by the process that finished it.

Each process has two files. ``rank-N.jsonl`` holds one line of JSON for each of its cohorts: everything that
the tables of the run are made of. ``rank-N.index`` says where each of these lines lies. A cohort counts as
done when its line in the index is whole; everything else about it is on disk before that, so a process that
dies at any moment loses at most the cohorts in flight. Whoever only wants to know what is done, or waits for
others, reads a few bytes for each cohort.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from stylewav_pl.runs.files import append_durably
from stylewav_pl.types import RunDirectoryError, Skip, SkipReason

_INDEX_LINE = re.compile(rb"^(\d+) (\d+) (\d+) (\d+) ([0-9a-f]{8})$", re.MULTILINE)


@dataclass(frozen=True)
class ClipRecord:
    """The result of one clip, as text and numbers.

    Attributes:
        similarity_start: Cosine to the target before the first step.
        similarity_end: Cosine to the target at the final latent.
        scores: Cosine of the final image with each prompt.
        curve: Similarity before each step and at the end.
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
        clips = [vars(clip) for clip in self.clips]
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


def append(directory: Path, rank: int, record: CohortRecord) -> None:
    """Appends a record to the journal of process ``rank``; on return the cohort counts, and will after any crash."""
    directory.mkdir(exist_ok=True)
    data = record.to_json().encode("utf-8") + b"\n"
    offset = append_durably(directory / f"rank-{rank:05d}.jsonl", data)
    line = b"%d %d %d %d %08x\n" % (record.cohort, len(record.clips), offset, len(data), zlib.crc32(data))
    append_durably(directory / f"rank-{rank:05d}.index", line)


class _Place(NamedTuple):
    """Where a record lies."""

    journal: Path
    clips: int
    offset: int
    length: int
    checksum: int


class Journals(Mapping[int, CohortRecord]):
    """The finished cohorts of a run by index, from the journals of all processes; a record is read when it is asked for.

    Args:
        directory: Where the journals lie.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._places: dict[int, _Place] = {}
        self._read: dict[Path, int] = {}

    def refresh(self) -> "Journals":
        """Reads what was added to the indices since the last time; of two records of one cohort the first counts."""
        for index in sorted(self.directory.glob("rank-*.index")):
            begin = self._read.get(index, 0)
            with index.open("rb") as file:
                file.seek(begin)
                fresh = file.read()
            for match in _INDEX_LINE.finditer(
                fresh
            ):  # what does not match was torn by a crash: that cohort is simply not done
                cohort, clips, offset, length = (int(number) for number in match.groups()[:4])
                self._places.setdefault(
                    cohort, _Place(index.with_suffix(".jsonl"), clips, offset, length, int(match[5], 16))
                )
            self._read[index] = begin + fresh.rfind(b"\n") + 1
        return self

    @property
    def number_of_clips(self) -> int:
        """How many clips have a result; skipped ones do not count."""
        return sum(place.clips for place in self._places.values())

    def digest(self) -> str:
        """SHA-256 over what is finished: which cohorts, and the checksum of each record."""
        lines = (f"{cohort} {self._places[cohort].checksum:08x}\n" for cohort in sorted(self._places))
        return hashlib.sha256("".join(lines).encode("ascii")).hexdigest()

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, cohort: object) -> bool:
        return cohort in self._places

    def __getitem__(self, cohort: int) -> CohortRecord:
        """The record of a finished cohort.

        Raises:
            RunDirectoryError: The journal is not what the index says.
        """
        place = self._places[cohort]
        try:
            with place.journal.open("rb") as file:
                file.seek(place.offset)
                data = file.read(place.length)
        except FileNotFoundError:
            data = b""
        if zlib.crc32(data) != place.checksum:
            raise RunDirectoryError(
                f"{place.journal} is damaged: the record of cohort {cohort} at byte {place.offset} is not "
                "the one that was written. Restore "
                f"the file; or remove the line `{cohort} ...` from {place.journal.stem}.index beside it and "
                "start the same command again."
            )
        return CohortRecord.from_json(data)
