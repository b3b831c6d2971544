"""Fixtures of tests that read a run."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_run import made_up_run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run directory called ``run``; arguments as in :func:`made_up_run`."""
    return lambda **options: made_up_run(tmp_path / "run", **options)
