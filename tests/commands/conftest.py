"""A configuration with linear networks, and a caller of the program in process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stylewav_pl.cli import main

PLAIN = """\
model: {generator: linear, guide: linear, audio: linear, num_steps: 2}
data:
  cohort_size: 4
  num_workers: 0
  sources:
    - class_path: BuiltinVoices
      init_args: {per_sex: 2}
clip_score:
  prompts: {sex: {male: a boy, female: a girl}}
progress: {enabled: false}
trainer: {accelerator: cpu}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that works."""
    path = tmp_path / "plain.yaml"
    path.write_text(PLAIN)
    return path


@pytest.fixture
def refused(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command on that configuration, and gives its exit code and what it complained about."""

    def run(command: str, *options: str) -> tuple[int, str]:
        code = main([command, "--config", str(config), "--run", str(tmp_path / "run"), *options])
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return code, error

    return run
