"""What one launch of several processes is called.

So a process of another launch is not taken for one of it.
"""

import os
import secrets
from collections.abc import Mapping

LAUNCH = "STYLEWAV_LAUNCH"

# The same in all processes of a step of SLURM. A job that was put back into the queue keeps its number.
_SLURM = ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")
_ADDRESS = ("MASTER_ADDR", "MASTER_PORT")
_RESTARTS = ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT")
_NO_NAME = "none"  # what torchrun calls a job whose --rdzv-id nobody gave


def name_of_launch(starts_them_all: bool, environment: Mapping[str, str] = os.environ) -> str:
    """Returns the name that all processes of this launch, and no others, agree on; empty where nothing tells.

    Args:
        starts_them_all: Whether this process starts all the others: then it makes up a name, and hands it
            down.
        environment: ``STYLEWAV_LAUNCH`` comes first, from such a process or from a launcher that is not known
            here; then what torchrun, SLURM, or whoever set an address for the processes to meet tells.
            torchrun's count of restarts is no part of the name: after a failure on one machine it differs
            between machines.

    >>> where = {"MASTER_ADDR": "node-1", "MASTER_PORT": "29500"}
    >>> name_of_launch(False, {"TORCHELASTIC_RUN_ID": "none", **where})
    'MASTER_ADDR=node-1 MASTER_PORT=29500'
    >>> name_of_launch(False, {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "MASTER_PORT": "15007"})
    'SLURM_JOB_ID=7 SLURM_STEP_ID=0'
    """
    if given := environment.get(LAUNCH):
        return given
    if starts_them_all:
        return secrets.token_hex(8)
    # torchrun goes first: under SLURM it may run once per machine, each time in a step of its own. The
    # address goes last: Lightning sets it under SLURM, in some processes sooner than in others.
    if run := environment.get("TORCHELASTIC_RUN_ID"):
        parts = {"TORCHELASTIC_RUN_ID": run} if run != _NO_NAME else {}
        return _joined(parts | _found(_ADDRESS, environment))
    return _joined(_found(_SLURM, environment) or _found(_ADDRESS, environment))


def started_again() -> bool:
    """Returns whether a scheduler or launcher has put the same command to work once more."""
    return any(os.environ.get(name, "0") not in ("", "0") for name in _RESTARTS)


def _found(names: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in names if environment.get(name)}


def _joined(parts: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in parts.items())
