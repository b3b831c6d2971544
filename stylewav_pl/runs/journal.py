"""The journal: one line for each finished cohort, appended by the process that finished it.

A cohort counts as done when its line is whole. Images and latents are on disk before the line is written, so a process
that dies at any moment loses at most the cohort in flight, and a line torn by the crash is ignored.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stylewav_pl.types import Skip, SkipReason


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
    """One journal line: a cohort that was optimised to the end.

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
        clips = [asdict(clip) for clip in self.clips]
        return json.dumps({"cohort": self.cohort, "clips": clips, "skips": skips, "seconds": self.seconds}, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> "CohortRecord":
        """The inverse of :meth:`to_json`."""
        value: dict[str, Any] = json.loads(line)
        clips = tuple(ClipRecord(**{**clip, "curve": tuple(clip["curve"])}) for clip in value["clips"])
        skips = tuple(Skip(**{**skip, "reason": SkipReason(skip["reason"])}) for skip in value["skips"])
        return cls(value["cohort"], clips, skips, value.get("seconds", 0.0))


def append(path: Path, record: CohortRecord) -> None:
    """Appends a record and waits until it is on disk. A torn last line is closed first, so that it stays a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        torn = file.tell() > 0 and _last_byte(file) != b"\n"
        file.write((b"\n" if torn else b"") + record.to_json().encode("utf-8") + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _last_byte(file: Any) -> bytes:
    file.seek(-1, os.SEEK_END)
    last: bytes = file.read(1)
    return last


def read_all(directory: Path) -> dict[int, CohortRecord]:
    """Every finished cohort below ``directory`` by index, from the journals of all ranks."""
    records: dict[int, CohortRecord] = {}
    for path in sorted(directory.glob("rank-*.jsonl")):
        for record in _read(path):
            records.setdefault(record.cohort, record)
    return records


def _read(path: Path) -> Iterator[CohortRecord]:
    for line in path.read_text("utf-8", "replace").split("\n"):
        try:
            yield CohortRecord.from_json(line)
        except (ValueError, TypeError, KeyError):
            continue  # empty, or torn by a crash: that cohort is simply not done
