"""The plan on disk: ``plan.jsonl``, one line of ids for each cohort.

The file only ever grows. How much of it counts stands in the manifest, with a hash: lines that a killed
process appended before it could say so there are cut off by the next start.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.files import whole_file, write_whole
from stylewav_pl.runs.plan import Cohort, Plan

FILE = "plan.jsonl"


@dataclass(frozen=True)
class PlanFacts:
    """What the manifest keeps of a plan.

    Attributes:
        cohort_size: Slots of each cohort.
        cohorts: How many.
        clips: How many, in all cohorts together.
        bytes: How much of the file counts.
        sha256: Of these bytes.
    """

    cohort_size: int
    cohorts: int
    clips: int
    bytes: int
    sha256: str


def read_plan(path: Path, facts: PlanFacts) -> Plan:
    """The plan that ``facts`` are about.

    Raises:
        RunDirectoryError: The file is not the one that was written.
    """
    data = path.read_bytes()[: facts.bytes] if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != facts.sha256:
        raise RunDirectoryError(
            f"{path} is damaged: expected {facts.bytes} bytes with SHA-256 {facts.sha256[:12]}..., found "
            "others. Restore the file (the same `fit` command does, where the clips are those of the first "
            "start), or begin anew with --restart."
        )
    lines = data.splitlines()
    return Plan(
        facts.cohort_size,
        tuple(Cohort(index, tuple(json.loads(line)), facts.cohort_size) for index, line in enumerate(lines)),
    )


@lru_cache(maxsize=1)
def cohorts_by_id(path: Path, facts: PlanFacts) -> Mapping[str, int]:
    """The cohort of every clip of a plan."""
    return {id: cohort.index for cohort in read_plan(path, facts).cohorts for id in cohort.ids}


def write_plan(path: Path, plan: Plan, facts: PlanFacts | None = None) -> PlanFacts:
    """Writes a plan, or what it has beyond the one that ``facts`` are about; durable on return.

    Returns:
        What the manifest is to keep.
    """
    if facts is None:
        with whole_file(path) as file:
            file.writelines(_lines(plan.cohorts))
    elif facts.cohorts < len(plan.cohorts):
        with path.open("r+b") as file:
            file.truncate(facts.bytes)
            file.seek(facts.bytes)
            file.writelines(_lines(plan.cohorts[facts.cohorts :]))
            file.flush()
            os.fsync(file.fileno())
    else:
        return facts
    data = path.read_bytes()
    clips = sum(len(cohort.ids) for cohort in plan.cohorts)
    return PlanFacts(plan.cohort_size, len(plan.cohorts), clips, len(data), hashlib.sha256(data).hexdigest())


def restore(path: Path, facts: PlanFacts, ids: Iterable[str]) -> bool:
    """Writes a plan again that is damaged or missing.

    Only if these ids give the very one that ``facts`` are about.

    Returns:
        Whether it was written; False also where nothing was wrong with it.
    """
    if _digest_on_disk(path, facts) == facts.sha256:
        return False
    again = b"".join(_lines(Plan(facts.cohort_size).extended(ids).cohorts))
    if hashlib.sha256(again).hexdigest() != facts.sha256:
        return False
    write_whole(path, lambda file: file.write(again))
    return True


def _digest_on_disk(path: Path, facts: PlanFacts) -> str:
    data = path.read_bytes()[: facts.bytes] if path.is_file() else b""
    return hashlib.sha256(data).hexdigest()


def _lines(cohorts: Iterable[Cohort]) -> Iterable[bytes]:
    """ASCII, so that names of files that are no UTF-8 survive, and no line break can hide in an id."""
    return (json.dumps(cohort.ids).encode("ascii") + b"\n" for cohort in cohorts)
