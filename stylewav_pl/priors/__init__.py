"""From a name or a file to a frozen prior."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.priors.network import FlowNetwork
from stylewav_pl.priors.prior import Belongings, Prior
from stylewav_pl.priors.voice_part import VoicePart
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.state_dict import BUILD_ERRORS, build_checked, check_finite_tensors
from stylewav_pl.weights.store import read_weights, save_weights

__all__ = ["Belongings", "FlowNetwork", "Prior", "VoicePart", "load_prior", "save_prior"]

KIND, ARCHITECTURE = "prior", "rectified-flow"


def load_prior(source: str | Path) -> Prior:
    """Loads a prior, frozen.

    Args:
        source: A registry name (``pocket``) or a file that ``stylewav-pl pocket train prior`` wrote.

    Raises:
        WeightsError: There is no such name or file, or the file is damaged or of another kind.
    """
    path = resolve(source, KIND)
    file = read_weights(path, KIND)
    if file.architecture != ARCHITECTURE:
        raise WeightsError(
            f"{path} holds the architecture {file.architecture!r}, but {ARCHITECTURE!r} is needed here."
        )
    if missing := sorted({"held", "questions"} - file.config.keys()):
        raise WeightsError(
            f"{path} is a prior of an earlier version: it does not say {' and '.join(missing)}. Train it "
            "again with `stylewav-pl pocket train prior`."
        )
    check_finite_tensors(file.tensors, path)
    try:
        return _built(dict(file.config), file.tensors).eval()
    except BUILD_ERRORS as error:
        raise WeightsError(
            f"{path} is damaged: its configuration and tensors do not make one prior ({one_line(error)}). "
            "Train it again with `stylewav-pl pocket train prior`."
        ) from error


def _built(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> Prior:
    belongings = Belongings.from_config(config)
    blocks = int(config["network"]["blocks"])
    layers = max(blocks, len(belongings.ears) - len(tensors["ear_means"]))
    held, questions = int(config["held"]), tuple(map(int, config["questions"]))
    if min(questions, default=1) < 1:
        raise ValueError(f"a question has {min(questions)} answers")
    layers = max(layers, held - len(tensors["held"]), sum(questions) - len(tensors["words"]))
    network = config["network"]
    return build_checked(lambda: Prior(FlowNetwork(**network), belongings, held, questions), tensors, layers)


def save_prior(path: Path, prior: Prior) -> None:
    """Writes a prior (float16)."""
    import torch

    save_weights(
        path,
        kind=KIND,
        architecture=ARCHITECTURE,
        config={
            "network": dict(prior.network.config),
            "held": len(prior.held),
            "questions": list(prior.questions),
            **prior.belongings.config,
        },
        tensors=prior.state_dict(),
        dtype=torch.float16,
    )
