"""How the machinery behaves with many clips.

A soak through doubles, and planning and resuming with millions of ids.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from processes import timed

Clock = list[dict[str, float]]
COHORT_SIZE, STEPS, STEP_SECONDS = 64, 10, 0.05

CONFIG = """
model:
  generator: linear
  guide: linear
  audio: linear
  num_steps: {steps}
  optimizer: {{class_path: doubles.SleepingAdam, init_args: {{seconds: {seconds}}}}}
data:
  cohort_size: {cohort_size}
  num_workers: 0
  sources: [{{class_path: doubles.Numbered, init_args: {{number: {clips}}}}}]
writer: {{store: shards, image: none}}
progress: {{enabled: false}}
trainer:
  accelerator: cpu
  callbacks: [{{class_path: doubles.Clock, init_args: {{folder: {folder}}}}}]
"""


def measure(clips: int, processes: int, planned: int) -> dict[str, Any]:
    """All figures of this benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        return {"soak": soak(clips, processes, Path(folder)), "planning": planning(planned, Path(folder))}


def soak(clips: int, processes: int, folder: Path) -> dict[str, Any]:
    """Runs ``stylewav-pl fit`` through doubles, then once more when all is done."""
    first, clocks = through_doubles(folder, clips, processes, STEP_SECONDS)
    again, _ = through_doubles(folder, clips, processes, STEP_SECONDS)
    shards = list((folder / "run" / "shards").glob("*.tar"))
    return {
        "clips": clips,
        "processes": processes,
        "seconds": first,
        "seconds of the loop": max(clock[-1]["seconds"] for clock in clocks),
        "share of the loop inside the optimisation": share_inside(clocks),
        "memory after 5 % [MB]": max(clock[len(clock) // 20]["bytes"] for clock in clocks) / 1e6,
        "growth of memory after 5 %": max(
            clock[-1]["bytes"] / clock[len(clock) // 20]["bytes"] - 1 for clock in clocks
        ),
        "latents and records [bytes per clip]": sum(path.stat().st_size for path in shards) / clips,
        "journals [bytes per clip]": sum(
            path.stat().st_size for path in (folder / "run" / "journal").iterdir()
        )
        / clips,
        "seconds of a start when all is done": again,
    }


def through_doubles(
    folder: Path, clips: int, processes: int, step_seconds: float
) -> tuple[float, list[Clock]]:
    """Seconds of ``stylewav-pl fit`` into ``folder/run``, and what the clock of each process wrote."""
    settings = {
        "steps": STEPS,
        "seconds": step_seconds,
        "cohort_size": COHORT_SIZE,
        "clips": clips,
        "folder": folder,
    }
    (folder / "soak.yaml").write_text(CONFIG.format(**settings))
    words = [
        "fit",
        "--config",
        str(folder / "soak.yaml"),
        "--run",
        str(folder / "run"),
        "--trainer.devices",
        str(processes),
    ]
    return timed("-m", "stylewav_pl", *words)[0], clocks_in(folder)


def clocks_in(folder: Path) -> list[Clock]:
    """What :class:`doubles.Clock` wrote: of each process the lines of its cohorts."""
    return [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("clock-*.jsonl"))
    ]


def share_inside(clocks: list[Clock]) -> float:
    """The share of the loop inside the optimisation, in the process where it is smallest."""
    return min(clock[-1]["inside"] / clock[-1]["seconds"] for clock in clocks)


def planning(ids: int, folder: Path) -> dict[str, Any]:
    """Plans ``ids`` clips, and plans them again when half of them are done, each in a process of its own."""
    phases = ("first start", "resume")
    return {
        "ids": ids,
        **{
            phase: json.loads(timed(__file__, phase, str(ids), str(folder / "planned"))[1])
            for phase in phases
        },
    }


def _plan(phase: str, count: int, path: Path) -> dict[str, float]:
    """What a start does before its first cohort; the listing of the clips is the data source's own affair."""
    from stylewav_pl.runs.directory import RunDirectory
    from stylewav_pl.runs.plan import cohorts_of_rank

    run, ids = RunDirectory(path), [f"en/clips/common_voice_en_{index:08d}" for index in range(count)]
    began = time.monotonic()
    run.acquire()
    plan = run.read_plan(COHORT_SIZE).extended(ids)
    run.write_plan(plan)
    done = run.finished()
    mine = cohorts_of_rank(plan.cohorts, 0, 64, frozenset(done))
    seconds = time.monotonic() - began
    assert abs(64 * len(mine) - len(plan.cohorts) + len(done)) <= 64
    if phase == "first start":
        _pretend(run.journal_path, len(plan.cohorts) // 2)
    return {
        "seconds": seconds,
        "peak memory [MB]": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "cohorts done": len(done),
    }


def _pretend(journal: Path, cohorts: int) -> None:
    """Journals of 64 processes that have finished ``cohorts``: what a start reads of them, their indices."""
    journal.mkdir(exist_ok=True)
    for rank in range(64):
        lines = (
            f"{cohort} {COHORT_SIZE} {cohort * 40_000} 40000 {cohort:08x}\n"
            for cohort in range(rank, cohorts, 64)
        )
        (journal / f"rank-{rank:05d}.index").write_text("".join(lines))


if __name__ == "__main__":
    print(json.dumps(_plan(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
