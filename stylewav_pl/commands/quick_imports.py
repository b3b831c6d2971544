"""Imports in the order and company in which they take the least time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def import_open_clip() -> None:
    """Imports OpenCLIP without Weights & Biases.

    timm, which OpenCLIP imports, imports wandb wherever it is installed, to write summaries of trainings:
    half a second, for nothing that one face needs. A logger of a run imports it later.
    """
    with hidden("wandb"):
        import open_clip  # noqa: F401


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """Makes a module seem not installed, unless it is loaded already; for a process of one thread."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own sign for this
    try:
        yield
    finally:
        del sys.modules[name]
