"""How fast cohorts are handed out to workers of Ray, and what the process that waits for them takes."""

import resource
import sys
import time
from functools import partial
from typing import Any

import ray

from stylewav_pl.processes.dispenser import WAIT, Dispenser


def measure(cohorts: int, workers: int) -> dict[str, Any]:
    """All figures of this benchmark."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no other process can import this file
    ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
    dispenser = ray.remote(Dispenser).options(num_cpus=0).remote(range(cohorts))
    clients = ray.remote(take_all)
    ray.get([clients.remote(dispenser, -1 - number, 1) for number in range(workers)])  # processes are there
    left = cohorts - workers
    began = time.perf_counter()
    taken = ray.get([clients.remote(dispenser, number, cohorts) for number in range(workers)])
    seconds = time.perf_counter() - began
    assert sum(taken) == left
    ray.shutdown()
    return {
        "cohorts": cohorts,
        "workers that ask without a pause": workers,
        "cohorts handed out per second": left / seconds,
        "workers fed at one cohort per 10 s": int(10 * left / seconds),
        "peak memory of the process that waits [MB]": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / 1e3,
    }


def take_all(dispenser: Any, worker: int, most: int) -> int:
    """Takes cohorts as a worker does, and makes nothing of them; returns how many."""
    cohorts = iter(partial(lambda: ray.get(dispenser.take.remote(worker))), WAIT)
    return sum(
        ray.get(dispenser.wins.remote(worker, cohort))
        for _, cohort in zip(range(most), cohorts, strict=False)
    )
