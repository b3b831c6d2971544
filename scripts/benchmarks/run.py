"""A whole run from audio files to the report.

Its start, the share of its machinery, and what a second process brings.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encode import write
from processes import timed
from scale import clocks_in, share_inside, through_doubles

IMPORTS = "import lightning.pytorch.cli, open_clip"
CONFIG = """
seed_everything: 0
model: {{num_steps: 10}}
data: {{cohort_size: 20, sources: [{{class_path: Folder, init_args: {{path: {voices}}}}}]}}
progress: {{enabled: false}}
trainer: {{accelerator: cpu, callbacks: [{{class_path: doubles.Clock, init_args: {{folder: {folder}}}}}]}}
"""


@dataclass(frozen=True)
class Times:
    """Seconds of a run.

    Attributes:
        whole: From the command to its end.
        start: From the command to the first cohort.
        loop: From there to the last cohort, in the slowest process.
    """

    whole: float
    start: float
    loop: float


def measure(clips: int) -> dict[str, Any]:
    """All figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "voices", clips)
        whole = fit(folder / "voices", folder / "whole")
        bare = min(timed("-c", IMPORTS)[0] for _ in range(2))
        one, two = (
            fit(
                folder / "voices",
                folder / f"threads-{processes}",
                "--threads=1",
                f"--trainer.devices={processes}",
                "--model.num_steps=40",
            )
            for processes in (1, 2)
        )
        _, clocks = through_doubles(folder, clips=64 * 20, processes=1, step_seconds=0.3)
    return {
        "clips": clips,
        "whole run [s]": whole.whole,
        "of it the loop [s]": whole.loop,
        "clips per second of the loop": clips / whole.loop,
        "import of lightning and open_clip alone [s]": bare,
        "start to first cohort, beyond that import [s]": whole.start - bare,
        "one process of one thread, loop [s]": one.loop,
        "two processes of one thread, loop [s]": two.loop,
        "gain of the second process": one.loop / two.loop,
        "one process of one thread, whole run [s]": one.whole,
        "two processes of one thread, whole run [s]": two.whole,
        "machinery beside steps of 0.3 s": 1 - share_inside(clocks),
    }


def fit(voices: Path, folder: Path, *words: str) -> Times:
    """Runs ``stylewav-pl fit`` on the files in ``voices``."""
    folder.mkdir()
    (folder / "run.yaml").write_text(CONFIG.format(voices=voices, folder=folder))
    began = time.time()
    whole, _ = timed(
        "-m",
        "stylewav_pl",
        "fit",
        "--config",
        str(folder / "run.yaml"),
        "--run",
        str(folder / "run"),
        *words,
    )
    clocks = clocks_in(folder)
    return Times(whole, clocks[0][0]["entered"] - began, max(clock[-1]["seconds"] for clock in clocks))
