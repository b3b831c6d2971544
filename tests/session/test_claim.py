"""What a start may decide anew where an earlier run is moved aside."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stylewav_pl.cli import main

CONFIG = """
model: {generator: linear, guide: linear, audio: linear, num_steps: 1}
data: {cohort_size: 2, num_workers: 0, sources: [{class_path: Folder, init_args: {path: voices}}]}
trainer: {accelerator: cpu}
"""


def threads_in(run: Path) -> int:
    threads: int = json.loads((run / "manifest.json").read_text())["threads"]
    return threads


def test_restart_takes_another_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "voices").mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal(9_600)
    soundfile.write(tmp_path / "voices" / "v.wav", noise, 16_000)
    (tmp_path / "run.yaml").write_text(CONFIG)
    words = ["fit", "--config", "run.yaml", "--run", "run", "--threads"]
    assert main([*words, "1"]) == 0
    assert main([*words, "2"]) == 5
    assert "made with 1 threads per process" in capsys.readouterr().err
    assert main([*words, "2", "--restart"]) == 0
    assert (threads_in(tmp_path / "run.old-1"), threads_in(tmp_path / "run")) == (1, 2)
    assert main([*words[:-1]]) == 0
    assert threads_in(tmp_path / "run") == 2, "later starts keep it"
