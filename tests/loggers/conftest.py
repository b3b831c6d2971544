"""One small experiment for the tests of all loggers: real voices of a sort, linear networks, seconds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stylewav_pl.cli import main

CONFIG = """
model: {generator: linear, guide: linear, audio: linear, num_steps: 3}
data:
  cohort_size: 2
  num_workers: 0
  sources: [{class_path: Folder, init_args: {path: VOICES}}]
clip_score: {prompts: {sex: {male: a boy, female: a girl}}}
progress: {enabled: false}
trainer: {accelerator: cpu}
"""


@pytest.fixture
def fit(tmp_path: Path) -> Callable[..., int]:
    """Starts the experiment of six clips in ``tmp_path / "run"``, with overlays and options."""
    for number in range(6):
        path = tmp_path / "voices" / ("female" if number % 2 else "male") / f"v{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).normal(0, 0.05, 9600)
        soundfile.write(path, 0.4 * np.sin(np.arange(9600) * (0.05 + 0.01 * number)) + noise, 16_000)
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("VOICES", str(tmp_path / "voices")))

    def start(*options: str, command: str = "fit") -> int:
        return main([command, "--config", str(config), *options, "--run", str(tmp_path / "run")])

    return start
