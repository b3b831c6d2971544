"""The project's own weight format: safetensors with the architecture in its metadata.

Metadata keys: ``format`` (``stylewav-pl``), ``version``, ``kind`` (``generator``, ``image_text``, ``audio``,
``prior``, ``identity``), ``architecture`` (e.g. ``stylegan2``) and ``config`` (JSON of the constructor's
arguments).
Nothing in the file is code.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.files import write_whole
from stylewav_pl.weights.digest import sha256_of as sha256_of

FORMAT = "stylewav-pl"
VERSION = "1"


@dataclass(frozen=True)
class WeightFile:
    """A weight file that was read: what it is, how to build its network, and the tensors (float32)."""

    path: Path
    kind: str
    architecture: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def save_weights(
    path: Path,
    *,
    kind: str,
    architecture: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Writes tensors and the facts needed to rebuild their network.

    Floating tensors are stored as ``dtype``.
    """
    stored = {
        name: tensor.detach().cpu().to(dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in tensors.items()
    }
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "architecture": architecture,
        "config": json.dumps(dict(config), sort_keys=True),
    }
    write_whole(path, lambda file: file.write(save(stored, metadata)))


def describe(path: Path) -> dict[str, str]:
    """The metadata of a file of this project's format.

    Raises:
        WeightsError: The file is missing, damaged or of another format.
    """
    if not path.is_file():
        raise WeightsError(
            f"No weight file at {path}. Expected a registry name (`stylewav-pl weights list`) or the path "
            "of an existing file."
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is not a readable weight file ({error}). Expected a .safetensors file written by "
            "stylewav-pl."
        ) from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"{path} is of another program: expected format {FORMAT!r} in its metadata, found "
            f"{metadata.get('format')!r}."
        )
    return metadata


def is_own_format(path: Path) -> bool:
    """Tells whether a file was written by :func:`save_weights`; damaged files count as foreign."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except SafetensorError:
        return False


def read_weights(path: Path, kind: str) -> WeightFile:
    """Reads a file written by :func:`save_weights`.

    Args:
        path: The file; its suffix does not matter.
        kind: What the caller needs: ``generator``, ``image_text``, ``audio``, ``prior`` or ``identity``.

    Raises:
        WeightsError: The file is missing, damaged, of another format or of another kind.
    """
    metadata = describe(path)
    if metadata.get("kind") != kind:
        raise WeightsError(
            f"{path} holds weights of kind {metadata.get('kind')!r}, but {kind!r} is needed here."
        )
    with safe_open(path, framework="pt") as file:
        names = file.keys()  # no mapping: it cannot be iterated over itself
        tensors = {name: _as_float32(file.get_tensor(name)) for name in names}
    try:
        config = json.loads(metadata["config"])
        if not isinstance(config, dict):
            raise ValueError(f"config is a {type(config).__name__}")
        return WeightFile(path, kind, metadata["architecture"], config, tensors)
    except (KeyError, ValueError, RecursionError) as error:
        raise WeightsError(
            f"{path} is damaged: its metadata lack architecture or config as JSON ({one_line(error)}). "
            "Fetch it again."
        ) from error


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
