"""The numbers of the cohorts since the last row of a log, and how often there is one."""

import resource
import sys

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.callbacks.dashboard import names

GIB = 2**30
DENSE_ROWS = 1000


class RunningStats:
    """The cohorts since the last row, as sums."""

    def __init__(self, began: float) -> None:
        """Starts at a moment of :func:`time.monotonic`."""
        self.began = began
        self.clips = 0
        self._curve: Float[np.ndarray, " step"] = np.zeros(0)

    def add(self, curves: Float[Tensor, "clip step"]) -> None:
        """Adds a cohort's similarity curves."""
        total = curves.sum(dim=0).cpu().double().numpy()
        self._curve = total + (self._curve if self.clips else 0.0)
        self.clips += len(curves)

    def numbers(self, now: float) -> dict[str, float]:
        """Mean similarities and throughput; there is at least one clip."""
        steps, seconds = len(self._curve) - 1, max(now - self.began, 1e-9)
        mean = self._curve / self.clips
        similarities = zip(names.SIMILARITY, (mean[0], mean[(steps + 1) // 2], mean[-1]), strict=True)
        speed = {
            names.CLIPS_PER_SECOND: self.clips / seconds,
            names.CLIP_STEPS_PER_SECOND: self.clips * steps / seconds,
        }
        return {**{name: float(value) for name, value in similarities}, **speed}


def memory(device: torch.device) -> dict[str, float]:
    """The most memory that was in use so far, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts KiB, on macOS bytes
    numbers = {names.PROCESS_MEMORY: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB}
    if device.type == "cuda":
        numbers[names.DEVICE_MEMORY] = torch.cuda.max_memory_allocated(device) / GIB
    return numbers


def should_log_numbers(cohorts: int) -> bool:
    """Tells whether numbers are logged after so many cohorts.

    After each of the first 1000, then 500 times for each doubling.

    >>> [cohorts for cohorts in (1, 999, 1001, 1002, 2001, 2004) if should_log_numbers(cohorts)]
    [1, 999, 1002, 2004]
    """
    return cohorts % (1 << ((cohorts - 1) // DENSE_ROWS).bit_length()) == 0


def should_log_images(cohorts: int) -> bool:
    """Tells whether pictures and histograms are logged after so many cohorts: after 1, 2, 4, 8, ...

    >>> [cohorts for cohorts in range(1, 20) if should_log_images(cohorts)]
    [1, 2, 4, 8, 16]
    """
    return cohorts & (cohorts - 1) == 0
