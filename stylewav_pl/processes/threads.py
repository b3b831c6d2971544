"""How many threads a process computes with: a number that belongs to the run."""

import os
from collections.abc import Mapping

import torch


def default_threads(environment: Mapping[str, str] = os.environ) -> int:
    """How many threads each process of a new run computes with.

    The user's number, or all cores that it may use.

    The number of processes plays no part, so that a run comes out the same to the last bit with one process
    and with several.

    Args:
        environment: ``OMP_NUM_THREADS`` counts unless torchrun set it (to 1, for want of a better number).

    >>> default_threads({"OMP_NUM_THREADS": "3"}), default_threads({"SLURM_CPUS_PER_TASK": "6"})
    (3, 6)
    """
    if "TORCHELASTIC_RUN_ID" not in environment and environment.get("OMP_NUM_THREADS", "").isdigit():
        return max(1, int(environment["OMP_NUM_THREADS"]))
    if environment.get("SLURM_CPUS_PER_TASK", "").isdigit():
        return max(1, int(environment["SLURM_CPUS_PER_TASK"]))
    return len(os.sched_getaffinity(0))


def use_threads(number: int) -> None:
    """Computes with ``number`` threads from now on, in this process and in those that it starts.

    Sums come out differently in their last bits with another number of threads, so the number belongs to the
    run.
    """
    torch.set_num_threads(number)
    os.environ["OMP_NUM_THREADS"] = str(number)
