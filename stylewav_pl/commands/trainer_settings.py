"""Lightning's trainer for one pass over cohorts of independent clips.

What it must be told, and what it must not.
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jsonargparse import Namespace

from stylewav_pl.errors import ConfigError, one_line
from stylewav_pl.processes.strategy import IndependentStrategy

# What one pass over cohorts of independent clips means in Lightning's terms; anything else is refused.
FORCED: dict[str, Any] = {
    "max_epochs": 1,
    "log_every_n_steps": 1,
    "use_distributed_sampler": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "strategy": IndependentStrategy.strategy_name,
    "num_sanity_val_steps": 0,
}
CHANGEABLE = frozenset({"enable_checkpointing", "enable_model_summary"})  # harmless when somebody wants them
QUICK = "For a quick look take --data.max_clips N, or add --config overlays/quick.yaml."


class Refused(NamedTuple):
    """A setting of the trainer that would leave clips without a face, or has nothing to work on here."""

    allowed: tuple[Any, ...]
    why: str


REFUSED = {
    "limit_train_batches": Refused((None, 1.0), f"every clip gets a face. {QUICK}"),
    "overfit_batches": Refused((0, 0.0), f"every clip gets a face. {QUICK}"),
    "fast_dev_run": Refused((False, 0), f"every clip gets a face. {QUICK}"),
    "max_steps": Refused((-1,), "every clip gets its steps. Set model.num_steps."),
    "max_time": Refused((None,), "every clip gets a face. Stop with a signal (timeout 8h stylewav-pl fit "
                        "...); the same command continues."),
    "barebones": Refused((False,), "a run keeps records and a log. Nothing here slows a step down."),
    "accumulate_grad_batches": Refused((1,), "cohorts share no gradient. Set data.cohort_size."),
    "gradient_clip_val": Refused((None, 0, 0.0), "clips share no gradient. Lower the optimiser's "
                                 "learning rate."),
    "precision": Refused((None, 32, "32", "32-true"), "latents, targets and losses are float32. Set "
                         "model.speed.precision."),
}  # fmt: skip


def check_trainer(settings: Mapping[str, Any] | Namespace) -> None:
    """Refuses settings that contradict what a run is.

    Args:
        settings: The section ``trainer``, parsed.

    Raises:
        ConfigError: One of them cannot work here.
    """
    for name, value in FORCED.items():
        if name not in CHANGEABLE and settings[name] != value:
            raise ConfigError(
                f"trainer.{name} must be {value!r} here (each clip is optimised once, by independent "
                f"processes), found {settings[name]!r}. Remove trainer.{name} from the configuration."
            )
    for name, refused in REFUSED.items():
        # as text: 1 means one batch where 1.0 means all of them
        if repr(settings[name]) not in map(repr, refused.allowed):
            raise ConfigError(
                f"trainer.{name} cannot be {settings[name]!r} here: {refused.why} Remove trainer.{name}."
            )


def one_process(settings: Mapping[str, Any] | Namespace) -> dict[str, Any]:
    """Returns the settings of the process that hands out cohorts and makes none, with or without a GPU.

    Args:
        settings: The section ``trainer``.

    Raises:
        ConfigError: They ask for several processes.
    """
    for name in ("devices", "num_nodes"):
        if settings[name] not in ("auto", 1, "1"):
            raise ConfigError(
                f"trainer.{name} cannot be {settings[name]} with --engine ray, whose workers have one "
                f"device each. Remove trainer.{name}, and say how many there may be with --workers."
            )
    accelerator = settings["accelerator"] if torch.cuda.is_available() else "cpu"
    return {"devices": 1, "num_nodes": 1, "accelerator": accelerator}


def to_user_error(error: Exception) -> ConfigError:
    """The error of a trainer that could not be built.

    Args:
        error: Whatever Lightning or a plugin raised.
    """
    reason = one_line(error).rstrip(".")
    if isinstance(error, KeyError) and str(error.args[0]).isupper() and error.args[0] not in os.environ:
        reason = (
            f"the environment variable {error.args[0]} is not set, so this process was not started by the "
            "launcher that trainer.plugins names"
        )
    return ConfigError(
        f"The trainer cannot work as configured: {reason}. Correct trainer.* (or --device); `cpu` is always "
        "there."
    )
