"""What computed a run: the versions that its manifest keeps."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from stylewav_pl import __version__
from stylewav_pl.runs.stores import Output

PACKAGES = ("torch", "lightning", "open_clip_torch", "torchmetrics", "soundfile", "av", "scipy", "soxr")


def versions() -> dict[str, str]:
    """Returns the versions of this package, of Python, and of what the numbers depend on."""
    packages = {name: version(name) for name in PACKAGES}
    return {"stylewav-pl": __version__, "python": platform.python_version(), **packages}


def facts_of(weights: Mapping[str, Any], seed: int, threads: int, output: Output) -> dict[str, Any]:
    """Returns what the manifest tells about a start."""
    return {
        "versions": versions(),
        "weights": weights,
        "seed": seed,
        "threads": threads,
        "output": asdict(output),
    }
