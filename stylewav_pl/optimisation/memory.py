"""How many clips are optimised side by side, where that is not given."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

CPU_COHORT = 4
"""On a CPU, where a larger batch gains little: at 1024 px four clips take about 5 GB."""

LARGEST_COHORT = 256
"""Beyond it a larger batch gains nothing, and an interruption costs more."""

MARGIN = 0.9
"""Share of the free memory that is used: later steps fragment it."""


def fitting_cohort(free: int, step_bytes: Callable[[int], int], clips: int) -> int:
    """Returns how many clips fit side by side, at most :data:`LARGEST_COHORT` and no more than there are.

    Args:
        free: Bytes that may be taken.
        step_bytes: The most bytes that a step of so many clips takes; asked for one and for two.
        clips: How many clips one process will have.

    >>> fitting_cohort(1000, lambda count: 100 + 50 * count, 40)
    16
    """
    one, two = step_bytes(1), step_bytes(2)
    each = max(1, two - one)
    room = MARGIN * free - max(0, one - each)
    return max(1, min(math.floor(room / each), LARGEST_COHORT, clips))


def measured_cohort(step: Callable[[int], Tensor], device: torch.device, clips: int) -> int:
    """Measures a step of one and of two clips on a GPU; on a CPU takes :data:`CPU_COHORT`.

    Args:
        step: Returns the loss of a step of so many clips, whose networks are on the device.
        device: Where the run will compute.
        clips: How many clips one process will have.
    """
    if device.type != "cuda":
        return max(1, min(CPU_COHORT, clips))
    peak_bytes(step, 1, device)  # what is computed once for all cohorts, such as a bank of random faces
    free = torch.cuda.mem_get_info(device)[0]
    return fitting_cohort(free, lambda count: peak_bytes(step, count, device), clips)


def peak_bytes(step: Callable[[int], Tensor], clips: int, device: torch.device) -> int:
    """Returns the most bytes of GPU memory that a step of so many clips takes, by doing one."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    torch.autograd.backward(step(clips))
    most = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()
    return most
