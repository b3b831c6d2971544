"""Tensors by name from weight files of other programs, read without running anything that the files contain.

The container is told from the content, never from the suffix: safetensors, PyTorch's ``.pt``, or a TorchScript archive.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.weights.torchscript import is_torchscript, read_torchscript

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a file; of nested dictionaries the one called ``state_dict``, without the prefix of parallel training.

    Raises:
        WeightsError: The file is damaged, asks for code to be run, is of another kind, or holds no tensors by name.
    """
    content = _read(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    named = content.items() if isinstance(content, Mapping) else ()
    tensors = {str(name).removeprefix("module."): value for name, value in named if _is_dense(value)}
    if not tensors:
        raise WeightsError(f"{path} holds no tensors by name, but {_named(content)}. Expected the state dict of a network.")
    oversized = [name for name, tensor in tensors.items() if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()]
    if oversized:
        raise WeightsError(f"{path} declares more numbers than it holds, in {_list(oversized)}. It is damaged or made to do harm: fetch it again.")
    return tensors


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Copies tensors into a network that expects exactly these.

    Args:
        network: In float32.
        tensors: Of any floating type.
        path: For messages.
        what: What the network is, for messages.

    Raises:
        WeightsError: Names or shapes differ, or a number is not finite.
    """
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit {what}: {one_line(error)}. Use the file that belongs to it.") from error
    check_finite(network, path)


def check_finite(network: nn.Module, path: Path) -> None:
    """Refuses networks that would spread NaN or infinity.

    Raises:
        WeightsError: A weight is not finite.
    """
    broken = [name for name, tensor in network.state_dict().items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise WeightsError(f"{path} holds numbers that are not finite in {_list(broken)}. Fetch it again.")


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(9)
    # What a damaged or malicious file makes these libraries raise is not bounded by their documentation.
    try:
        if start[8:] == b"{":
            return load_file(path)
        if start.startswith(_ZIP) and is_torchscript(path):
            return read_torchscript(path)
        if start.startswith((_ZIP, _PICKLE)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=start.startswith(_ZIP))
    except (SafetensorError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise WeightsError(f"{path} is damaged or incomplete ({one_line(error)}). Fetch it again.") from error
    except Exception as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))  # around it torch advises to run what is in the file
        reason = f"it asks for {asked[1]}" if asked else one_line(error, 120)
        raise WeightsError(f"{path} cannot be read as plain tensors, and nothing else in it is ever run ({reason}).") from error
    raise WeightsError(f"{path} is no weight file: expected PyTorch's .pt or safetensors, found something that begins with {start!r}.")


def _is_dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided


def _named(content: Any) -> str:
    return f"the entries {_list([str(name) for name in content])}" if isinstance(content, Mapping) else f"one {type(content).__name__}"


def _list(names: list[str], shown: int = 5) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
