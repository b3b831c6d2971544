"""What computed a run: the versions that its manifest keeps."""

import platform
from importlib.metadata import version

from stylewav_pl import __version__

PACKAGES = ("torch", "lightning", "open_clip_torch", "torchmetrics", "soundfile", "av", "scipy", "soxr")


def versions() -> dict[str, str]:
    """Returns the versions of this package, of Python, and of what the numbers depend on."""
    packages = {name: version(name) for name in PACKAGES}
    return {"stylewav-pl": __version__, "python": platform.python_version(), **packages}
