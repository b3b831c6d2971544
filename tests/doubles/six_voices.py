"""Six voices, a run of linear networks over them, and what of it must not depend on how it came about."""

from pathlib import Path

import numpy as np
import soundfile

from stylewav_pl.cli import main

VOICES = 6
CONFIG = """
model: {{generator: linear, guide: linear, audio: linear, num_steps: 3}}
data: {{cohort_size: {size}, num_workers: 0, sources: [{{class_path: Folder, init_args: {{path: voices}}}}]}}
clip_score: {{prompts: {{sex: {{male: a boy, female: a girl}}}}}}
trainer: {{accelerator: cpu}}
"""
TOLD_APART = ("journal/rank-", "journal/manifest.json", "log.csv", ".lock", "manifest.json", "config.yaml")


def write_experiment(folder: Path, cohort_size: int) -> None:
    """Writes the voices and ``run.yaml``."""
    for number in range(VOICES):
        path = folder / "voices" / ("male" if number % 2 else "female") / f"v{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(9_600), 16_000)
    (folder / "run.yaml").write_text(CONFIG.format(size=cohort_size))


def fit(run: str, *options: str) -> int:
    return main(["fit", "--config", "run.yaml", "--run", run, "--threads", "1", *options])


def made(run: Path) -> dict[str, bytes]:
    """Everything in a run directory that must not depend on how it came about."""
    found = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if not name.startswith((*TOLD_APART, "report.html"))}
