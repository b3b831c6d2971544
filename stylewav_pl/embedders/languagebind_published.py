"""LanguageBind's audio encoder as its authors publish it, adapters merged or beside the weights."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylewav_pl.embedders.languagebind import HEAD_WIDTH, LanguageBindAudio
from stylewav_pl.embedders.languagebind_front_end import CHANNELS, FRAMES
from stylewav_pl.embedders.stored import StoredAudioEmbedder
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.state_dict import BUILD_ERRORS, check_finite_tensors

PATCHES = "vision_model.embeddings.patch_embedding.weight"
PROJECTION = "visual_projection.weight"
MARKS = {PATCHES, PROJECTION}
CONFIGURATION = "config.json"
LARGEST_CONFIGURATION = 1 << 20  # bytes

_LAYER = re.compile(r"vision_model\.encoder\.(?:base_model\.model\.)?layers\.(\d+)\.(.+)")
_PARTS = {
    "self_attn.out_proj": "self_attn.out_proj",
    "layer_norm1": "norm1",
    "layer_norm2": "norm2",
    "mlp.fc1": "linear1",
    "mlp.fc2": "linear2",
}
_WHOLE = {
    PATCHES: "patches.weight",
    PROJECTION: "projection.weight",
    "vision_model.embeddings.class_embedding": "class_token",
    "vision_model.embeddings.position_embedding.weight": "positions",
    "vision_model.pre_layrnorm.weight": "norm_before.weight",
    "vision_model.pre_layrnorm.bias": "norm_before.bias",
    "vision_model.post_layernorm.weight": "norm_after.weight",
    "vision_model.post_layernorm.bias": "norm_after.bias",
}


def load_languagebind(tensors: Mapping[str, Tensor], path: Path) -> StoredAudioEmbedder:
    """Builds the encoder that a file holds; its text tower is left out.

    The tensors do not tell the number of heads and the scale of unmerged adapters. They are read from
    ``config.json`` beside the file; without one they are those of the published files, heads of 64 numbers
    and a scale of one.

    Args:
        tensors: The file's state dict.
        path: The file.

    Raises:
        WeightsError: They do not make such an encoder.
    """
    settings = _settings(path)
    try:
        state = _state(tensors, _scale(settings))
        config = _sizes(state, settings)
    except BUILD_ERRORS as error:
        raise WeightsError(
            f"{path} is no audio encoder of LanguageBind: {type(error).__name__} {error}. Fetch it again."[
                :500
            ]
        ) from error
    check_finite_tensors(state, path)
    return LanguageBindAudio.load(config, state, path)


def _settings(path: Path) -> Mapping[str, Any]:
    """The ``vision_config`` beside the file; empty where there is none.

    Raises:
        WeightsError: There is one that cannot be read.
    """
    file = path.with_name(CONFIGURATION)
    if not file.is_file():
        return {}
    try:
        if file.stat().st_size > LARGEST_CONFIGURATION:
            raise ValueError("it is too large")
        content = json.loads(file.read_text("utf-8"))
        settings = content.get("vision_config", {}) if isinstance(content, dict) else None
        if not isinstance(settings, dict):
            raise ValueError("it holds no vision_config")
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{file} cannot be read ({error}). Fetch it again, or move it away.") from error
    if settings.get("add_time_attn") or settings.get("hidden_act", "gelu") != "gelu":
        raise WeightsError(f"{file} tells of another variant: expected hidden_act gelu and no add_time_attn.")
    return settings


def _scale(settings: Mapping[str, Any]) -> float:
    """What adapters are multiplied by."""
    rank = settings.get("lora_r") or 0
    return float(settings["lora_alpha"]) / float(rank) if rank else 1.0


def _state(tensors: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    """The tensors under the names of our network, adapters merged."""
    state = {ours: tensors[theirs].float() for theirs, ours in _WHOLE.items()}
    layers: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if found := _LAYER.fullmatch(name):
            layers.setdefault(int(found[1]), {})[found[2]] = tensor.float()
    if sorted(layers) != list(range(len(layers))):
        raise ValueError("its layers have no consecutive numbers")
    for index, parts in layers.items():
        state |= {f"layers.{index}.{name}": tensor for name, tensor in _layer(parts, scale).items()}
    return state


def _layer(parts: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """One layer: queries, keys and values become one matrix."""
    for module in ("q_proj", "k_proj", "v_proj", "out_proj"):
        name = f"self_attn.{module}"
        down, up = (parts.pop(f"{name}.lora_{side}.default.weight", None) for side in "AB")
        if (down is None) != (up is None):
            raise ValueError(f"{name} has half of an adapter")
        if down is not None and up is not None:
            parts[f"{name}.weight"] = parts[f"{name}.weight"] + scale * (up @ down)
    state = {}
    for kind in ("weight", "bias"):
        stacked = [parts.pop(f"self_attn.{letter}_proj.{kind}") for letter in "qkv"]
        state[f"self_attn.in_proj_{kind}"] = torch.cat(stacked)
        state |= {f"{ours}.{kind}": parts.pop(f"{theirs}.{kind}") for theirs, ours in _PARTS.items()}
    if parts:
        raise ValueError(f"it holds {', '.join(sorted(parts)[:3])}, which no layer has")
    return state


def _sizes(state: Mapping[str, Tensor], settings: Mapping[str, Any]) -> dict[str, int]:
    """Arguments of :class:`TransformerShape`."""
    width, channels, patch, _ = state["patches.weight"].shape
    tokens = len(state["positions"]) - 1
    frames = FRAMES
    columns = frames // patch
    if channels != CHANNELS or tokens < 1 or columns < 1 or tokens % columns:
        raise ValueError(f"{tokens} positions of patches do not cover {frames} frames in patches of {patch}")
    return {
        "width": width,
        "layers": sum(name.endswith("in_proj_bias") for name in state),
        "heads": int(settings.get("num_attention_heads") or max(width // HEAD_WIDTH, 1)),
        "hidden": len(state["layers.0.linear1.bias"]),
        "patch": patch,
        "bands": tokens // columns * patch,
        "frames": frames,
        "embed_dim": len(state["projection.weight"]),
    }
