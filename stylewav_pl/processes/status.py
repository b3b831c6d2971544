"""What each process of a job says about itself: a small file in ``.job/`` of the run directory."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stylewav_pl.files import write_json

FOLDER = ".job"
COORDINATOR = "leader.json"
WORKING, DONE, FAILED = "working", "done", "failed"


@dataclass(frozen=True)
class Status:
    """The status of one process.

    Attributes:
        token: Made up by the process at its start.
        launch: What its launcher calls the job; empty where it has no name.
        rank: From 0.
        world_size: How many processes it believes there are.
        where: Host and process id, for people.
        state: ``working``, ``done`` or ``failed``.
        heartbeat: Grows as long as the process lives.
        code: Exit code of a process that failed.
        error: What it said.
        answers: By token of another process: why it is refused, or nothing if it is welcome. Only the
            coordinator's status has them.
    """

    token: str
    launch: str
    rank: int
    world_size: int
    where: str
    state: str = WORKING
    heartbeat: int = 0
    code: int = 0
    error: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)


def worker_file(rank: int, token: str) -> str:
    """Returns the name of a worker's status file."""
    return f"rank-{rank:05d}-{token}.json"


def worker_files(folder: Path) -> list[Path]:
    """Returns the status files of all workers, in order of rank."""
    return sorted(folder.glob("rank-*.json"))


def write_status(path: Path, status: Status) -> None:
    """Writes a status, whole or not at all."""
    write_json(path, asdict(status))


def read_status(path: Path) -> Status | None:
    """Reads a status; None where there is none, or none that this program has written."""
    try:
        return Status(**json.loads(path.read_text("utf-8", "surrogateescape")))
    except (OSError, ValueError, TypeError):
        return None
