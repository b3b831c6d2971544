"""AudioCLIP's files as their authors publish them: the ear beside a whole CLIP model, or alone."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from stylewav_pl.embedders.audioclip import STAGES, AudioClip
from stylewav_pl.embedders.audioclip_front_end import BANDS, WINDOW
from stylewav_pl.embedders.base import tower_mark
from stylewav_pl.embedders.stored import StoredAudioEmbedder
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.state_dict import BUILD_ERRORS, check_finite_tensors

PREFIX = "audio."
_BLOCK = re.compile(r"resnet\.layer(\d)\.(\d+)\.conv2\.weight")


def load_audioclip(tensors: Mapping[str, Tensor], path: Path) -> StoredAudioEmbedder:
    """Builds the ear that a file holds.

    Args:
        tensors: The file's state dict, ``audio.*``; the image tower, where there is one, tells the space.
        path: The file, for messages.

    Raises:
        WeightsError: The tensors do not make such an encoder.
    """
    state = {
        _renamed(name.removeprefix(PREFIX)): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if name.startswith(PREFIX) and name != f"{PREFIX}fbsp.bias"  # which is empty
    }
    check_finite_tensors(state, path)
    try:
        config = _sizes(state)
    except BUILD_ERRORS as error:
        raise WeightsError(
            f"{path} is no audio encoder of AudioCLIP: {type(error).__name__} {error}. Fetch it again."[:500]
        ) from error
    return AudioClip.load({**config, "towers": tower_mark(tensors)}, state, path)


def _renamed(name: str) -> str:
    """Our name for a tensor."""
    if name.startswith("att"):
        number, _, rest = name.removeprefix("att").partition(".")
        return f"attention.{int(number) - 1}.{rest}" if number in "12345" and number else name
    if name == "window" or name.startswith("fbsp."):
        return name
    return f"resnet.{name}"


def _sizes(state: Mapping[str, Tensor]) -> dict[str, int | list[int]]:
    """Arguments of :class:`ResNeXtShape`."""
    blocks = [0] * STAGES
    for name in state:
        if found := _BLOCK.fullmatch(name):
            blocks[int(found[1]) - 1] += 1
    width, per_group = state["resnet.layer1.0.conv2.weight"].shape[:2]
    if len(state["window"]) != WINDOW:
        raise ValueError(f"a window of {len(state['window'])} samples, expected {WINDOW}")
    bins = len(state["fbsp.m"])
    if bins < BANDS or width % per_group:
        raise ValueError(f"{bins} frequencies, and groups of {per_group} in {width}")
    return {
        "blocks": blocks,
        "groups": width // per_group,
        "width_per_group": per_group,
        "embed_dim": len(state["resnet.fc.bias"]),
        "bins": bins,
    }
