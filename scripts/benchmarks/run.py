"""A whole run from audio files to the report, the share of its machinery, its start, and what a second process brings."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from encode import write
from scale import soak_of

IMPORTS = "import lightning.pytorch.cli, open_clip"
RUN = """
seed_everything: 0
model: {{num_steps: 10}}
data: {{cohort_size: 20, sources: [{{class_path: Folder, init_args: {{path: {folder}/voices}}}}]}}
progress: {{enabled: false}}
trainer: {{accelerator: cpu, callbacks: [{{class_path: doubles.Clock, init_args: {{folder: {folder}}}}}]}}
"""


def measure(clips: int) -> dict[str, Any]:
    """All figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "voices").mkdir()
        write(folder / "voices", clips)
        (folder / "run.yaml").write_text(RUN.format(folder=folder))
        whole = fit(folder, "whole")
        loop = json.loads((folder / "clock-0.jsonl").read_text().splitlines()[-1])
        bare = min(timed([sys.executable, "-c", IMPORTS]) for _ in range(2))
        one, two = (
            fit(folder, f"threads-{processes}", "--threads", "1", "--trainer.devices", str(processes), "--model.num_steps", "40")
            for processes in (1, 2)
        )
        first = started(folder / "whole")
        loops = [loop_seconds(folder, f"threads-{processes}") for processes in (1, 2)]
        machinery = soak_of(Path(name), clips=64 * 20, processes=1, step_seconds=0.3)
    return {
        "clips": clips,
        "whole run [s]": whole,
        "of it the loop [s]": loop["seconds"],
        "clips per second of the loop": clips / loop["seconds"],
        "import of lightning and open_clip alone [s]": bare,
        "start to first cohort, beyond that import [s]": first - bare,
        "one process of one thread, loop [s]": loops[0],
        "two processes of one thread, loop [s]": loops[1],
        "gain of the second process": loops[0] / loops[1],
        "runs of these two, whole [s]": f"{one:.1f}, {two:.1f}",
        "machinery beside steps of 0.3 s": 1 - machinery,
    }


def fit(folder: Path, run: str, *words: str) -> float:
    """Seconds of ``stylewav-pl fit``; its clocks are those of this run alone."""
    for clock in folder.glob("clock-*.jsonl"):
        clock.rename(folder / f"old-{clock.name}")
    began = time.time()
    (folder / f"{run}.began").write_text(str(began))
    timed([sys.executable, "-m", "stylewav_pl.cli", "fit", "--config", str(folder / "run.yaml"), "--run", str(folder / run), *words])
    seconds = time.time() - began
    for clock in folder.glob("clock-*.jsonl"):
        (folder / f"{run}-{clock.name}").write_text(clock.read_text())
    return seconds


def started(run: Path) -> float:
    """Seconds from the command to the first cohort."""
    clock = run.parent / f"{run.name}-clock-0.jsonl"
    return float(json.loads(clock.read_text().splitlines()[0])["entered"]) - float((run.parent / f"{run.name}.began").read_text())


def loop_seconds(folder: Path, run: str) -> float:
    """The loop of the slowest process."""
    return max(float(json.loads(clock.read_text().splitlines()[-1])["seconds"]) for clock in folder.glob(f"{run}-clock-*.jsonl"))


def timed(words: list[str]) -> float:
    """Seconds of a command that must succeed."""
    here = Path(__file__).resolve().parent
    search = os.pathsep.join([str(here), str(here.parent.parent), os.environ.get("PYTHONPATH", "")])
    began = time.perf_counter()
    ended = subprocess.run(words, env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{' '.join(words[:4])} ... ended with exit code {ended.returncode}:\n{ended.stdout[-1500:]}{ended.stderr[-1500:]}")
    return time.perf_counter() - began


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    return "\n".join(f"{name:<52}{value:>14.3f}" if isinstance(value, float) else f"{name:<52}{value:>14}" for name, value in figures.items())
