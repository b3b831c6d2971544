"""Tells whether the tables and the report of a run are those of its present results.

A start that finds all done makes none of them again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from stylewav_pl import __version__
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.types import Skip
from stylewav_pl.weights.digest import sha256_of

FILES = ("results.csv", "curves.csv", "skipped.csv", "statistics.json", "grid.png", "report.html")


@dataclass(frozen=True)
class ReportCache:
    """What the manifest keeps of the end of a run.

    Attributes:
        basis: Digest of everything that the tables and the report were made from.
        files: SHA-256 of each of them.
        said: What the terminal was told about the statistics.
        seconds: What the cohorts took, all together.
    """

    basis: str
    files: Mapping[str, str]
    said: str
    seconds: float


def basis_of(run: RunDirectory, early_skips: Sequence[Skip], scoring: Mapping[str, Any]) -> str:
    """Returns a digest of everything that tables and report depend on.

    The plan, the journals, the scores of a later ``test``, what was skipped before the plan, the judging, and
    this program.
    """
    skips = [[skip.id, skip.path, skip.reason.value, skip.detail] for skip in early_skips]
    plan = run.read_manifest().get("plan", {})
    return sha256(
        json.dumps(
            [__version__, plan, run.finished().digest(), run.read_scores(), skips, scoring], sort_keys=True
        ).encode("ascii")
    ).hexdigest()


def mark_up_to_date(run: RunDirectory, basis: str, said: str, seconds: float) -> None:
    """Notes that everything there is once per run has just been written."""
    run.write_manifest({"settled": asdict(ReportCache(basis, _hashes(run), said, seconds))})


def up_to_date(run: RunDirectory, basis: str) -> ReportCache | None:
    """What was noted, if it still holds; None where something has to be made again."""
    try:
        noted = ReportCache(**run.read_manifest()["settled"])
    except (KeyError, TypeError):
        return None
    return noted if noted.basis == basis and noted.files == _hashes(run) else None


def _hashes(run: RunDirectory) -> dict[str, str]:
    return {name: sha256_of(run.path / name) for name in FILES if (run.path / name).is_file()}
