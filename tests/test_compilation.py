"""Compiled steps: all that compiles does so once, in one process, whose findings are looked at here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stylewav_pl.cli import main
from stylewav_pl.optimisation import hardware

CONFIG = """
model: {{generator: linear, guide: linear, audio: linear, num_steps: 3}}
data: {{cohort_size: 2, num_workers: 0, sources: [{{class_path: Folder, init_args: {{path: {folder}}}}}]}}
progress: {{enabled: false}}
trainer: {{accelerator: cpu}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compilation")
    (folder / "voices").mkdir()
    for number in range(2):
        noise = 0.1 * np.random.default_rng(number).standard_normal(9_600)
        soundfile.write(folder / "voices" / f"v{number}.wav", noise, 16_000)
    (folder / "run.yaml").write_text(CONFIG.format(folder=folder / "voices"))
    return folder


@pytest.fixture(scope="module")
def found(place: Path, repository: Path) -> dict[str, Any]:
    script = repository / "tests" / "doubles" / "compile_steps.py"
    # one after the other: on few cores a pool of compilers takes longer to start than to work
    environment = {**os.environ, "PYTHONPATH": str(repository), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, str(script), str(place)], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    kept: dict[str, Any] = json.loads((place / "found.json").read_text())
    if "obstacle" in kept:
        pytest.skip(kept["obstacle"])
    return kept


@pytest.mark.slow
def test_compiled_steps_end_where_the_others_do(found: dict[str, Any]) -> None:
    cohort = found["cohort"]
    for eager, compiled in zip(cohort["eager"], cohort["compiled"], strict=True):
        assert compiled == pytest.approx(eager, abs=1e-3)
    assert 0 < cohort["latents_apart"] < 0.01 * cohort["moved"], "sums in another order: really compiled"


@pytest.mark.slow
def test_a_run_with_compiled_steps_comes_out_the_same_at_a_later_start(found: dict[str, Any]) -> None:
    run = found["run"]
    assert run["codes"] == [0, 0] and run["graphs"] > 0
    first, again = run["latents"]
    assert len(first) == 2 and first == again


@pytest.mark.slow
def test_a_step_is_compiled_as_one_graph_with_the_same_gradient(found: dict[str, Any]) -> None:
    images, similarities, gradients = found["one_graph"]
    assert images < 1e-6 and similarities < 1e-6 and gradients < 1e-5


def test_a_machine_that_cannot_compile_is_named_before_anything_is_written(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any) -> Any:
        raise RuntimeError("No working C++ compiler found\nand more")

    monkeypatch.setattr(hardware, "compiled", lambda function, how: fails)  # as torch does, at the first call
    run = tmp_path / "run"
    words = ["--config", str(place / "run.yaml"), "--run", str(run), "--model.speed.compile", "true"]
    assert main(["fit", *words]) == 2
    said = capsys.readouterr().err
    assert "cannot compile: No working C++ compiler found and more" in said and "set it to false" in said
    assert not (run / "config.yaml").exists()
