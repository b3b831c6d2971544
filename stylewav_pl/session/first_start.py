"""What the first start of a run decides and every later one keeps.

So neither a resume nor more processes change a byte.
"""

import sys
from typing import Any

from lightning.pytorch import Trainer

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.memory import measured_cohort
from stylewav_pl.processes.threads import default_threads
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.plan import Plan
from stylewav_pl.weights.registry import AUTO as AUTO_EAR
from stylewav_pl.weights.registry import SMALL_EAR, SPEAKER_ENCODER, STRONG_EAR, choose_ear

AUTO = "auto"


def threads_of(run: RunDirectory, asked: int | None) -> int:
    """Threads of each process.

    Raises:
        RunDirectoryError: Another number was asked for than the first start had.
    """
    kept: int = run.read_manifest().get("threads", asked or default_threads())
    if asked not in (None, kept):
        raise RunDirectoryError(
            f"{run.path} was made with {kept} threads per process, and --threads asks for {asked}: sums "
            "would differ in their "
            "last bits. Leave --threads out, or begin anew with --restart."
        )
    return kept


def ear_of(run: RunDirectory, asked: Any, anew: bool) -> Any:
    """Returns the audio encoder that ``pocket-auto`` means here.

    That of the first start, else the best one that is there.

    Args:
        run: The run directory, perhaps of an earlier start.
        asked: What the configuration names; everything but ``pocket-auto`` stays.
        anew: Whether an earlier start does not count.
    """
    if asked != AUTO_EAR:
        return asked
    kept = None if anew else run.first_configuration().get("model", {}).get("audio")
    if kept in (SMALL_EAR, STRONG_EAR):
        return kept
    chosen = choose_ear(asked)
    if chosen == SMALL_EAR:
        print(
            f"Voices are heard by the small encoder ({SMALL_EAR}). A better one needs the weights of a "
            f"speaker encoder: {SPEAKER_ENCODER.install}",
            file=sys.stderr,
            flush=True,
        )
    return chosen


def prior_of(model: Any) -> Any:
    """Returns the source of the prior that draws or moves a configured start; None without one."""
    start = model.get("start")
    return None if start is None else start.get("prior") or start.get("moved_by")


def encoder_of(model: Any) -> Any:
    """Returns the source of the network that a configured start encodes photos with; None without one."""
    start = model.get("start")
    inversion = None if start is None else start.get("inversion")
    return None if inversion is None else inversion.get("encoder")


def plan_so_far(run: RunDirectory, size: int | str, clips: int, model: StyleWav, trainer: Trainer) -> Plan:
    """Returns the plan of the earlier starts; before the first one an empty plan, which has a cohort size.

    Args:
        run: The run directory.
        size: As configured; ``auto``: as many clips as a GPU has memory for.
        clips: How many there are.
        model: Whose steps are measured.
        trainer: Tells the device and the processes.
    """
    if size == AUTO and "plan" not in run.read_manifest():
        device = trainer.strategy.root_device
        mine = -(-clips // trainer.world_size)
        if device.type == "cuda":
            model.to(device)
        size = measured_cohort(model.trial_loss, device, max(1, mine))
        model.to("cpu")  # the trainer moves it again; who hands out cohorts to others needs no place there
        print(f"Cohorts of {size} clips ({device.type}).", flush=True)
    return run.read_plan(1 if isinstance(size, str) else size)
