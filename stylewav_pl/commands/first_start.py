"""What the first start of a run decides and every later one keeps, so that neither a resume nor more processes change a byte."""

import platform
import sys
from typing import Any

import torch
from lightning.pytorch import Trainer

from stylewav_pl.footprint import compilation_pays
from stylewav_pl.hardware import free_memory, why_nothing_compiles
from stylewav_pl.module import StyleWav
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.plan import Plan
from stylewav_pl.strategies import default_threads
from stylewav_pl.types import ConfigError, RunDirectoryError
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
    """Returns the audio encoder that ``pocket-auto`` means here: that of the first start, else the best one that is there.

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
            f"Voices are heard by the small encoder ({SMALL_EAR}). A better one needs the weights of a speaker "
            f"encoder: {SPEAKER_ENCODER.install}",
            file=sys.stderr,
            flush=True,
        )
    return chosen


def plan_so_far(run: RunDirectory, size: int | str, clips: int, model: StyleWav, trainer: Trainer) -> Plan:
    """The plan of the earlier starts; before the first one an empty plan with the cohort size that the configuration or the memory tells."""
    if size == AUTO and "plan" not in run.read_manifest():
        device = trainer.strategy.root_device
        sharing = 1 if device.type == "cuda" else trainer.num_devices
        mine = -(-clips // trainer.world_size)
        size = model.cohort_that_fits(free_memory(device) // sharing, max(1, mine), device.type)
        print(
            f"Cohorts of {size}: as many clips as there are, or as fit into the free memory ({device.type}) "
            "side by side.",
            flush=True,
        )
    return run.read_plan(1 if isinstance(size, str) else size)


def decide_compilation(
    run: RunDirectory, clips: int, model: StyleWav, device: torch.device, threads: int
) -> None:
    """Writes down whether steps are compiled: where a run of so many clips is long enough, and this machine can."""
    if "compile" in run.read_manifest():
        return
    try:
        pays = compilation_pays(clips * model.operations(), device.type, threads)
    except ConfigError as error:
        print(f"Steps are not compiled. {error}", flush=True)
        pays = False
    if obstacle := why_nothing_compiles(device) if pays else "":
        print(f"Steps are not compiled, though it would pay: {obstacle}", flush=True)
    elif pays:
        print("Steps are compiled, which takes a minute or two.", flush=True)
    run.write_manifest({"compile": pays and not obstacle})


def compilation_of(run: RunDirectory, device: torch.device) -> bool:
    """What :func:`decide_compilation` wrote, perhaps on another machine.

    Raises:
        ConfigError: Steps are compiled, and this machine cannot.
    """
    compiles: bool = run.read_manifest()["compile"]
    if compiles and (obstacle := why_nothing_compiles(device)):
        raise ConfigError(
            f"{run.path} was begun with compiled steps, and {platform.node()} cannot compile: {obstacle} "
            "Install what is missing, continue "
            "on a machine like the first, or begin anew with --restart --model.compile false."
        )
    return compiles
