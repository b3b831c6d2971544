"""Tensors by name from weight files of other programs, read without running anything that the files contain.

The container is told from the content, never from the suffix: safetensors, PyTorch's ``.pt``, or a
TorchScript archive.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.weights.contents import is_safetensors, read_contents, readable_errors
from stylewav_pl.weights.marks import ZIP_START
from stylewav_pl.weights.torchscript import is_torchscript, read_torchscript

Network = TypeVar("Network", bound=nn.Module)
BUILD_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What building a network from a damaged configuration may raise."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a file.

    Of nested dictionaries the one called ``state_dict``, without the prefix of parallel training.

    Raises:
        WeightsError: The file is damaged, asks for code to be run, is of another kind, or holds no tensors by
            name.
    """
    content = _read(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    named = content.items() if isinstance(content, Mapping) else ()
    tensors = {str(name).removeprefix("module."): value for name, value in named if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(
            f"{path} holds no tensors by name, but {_named(content)}. Expected the state dict of a network."
        )
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
        raise WeightsError(
            f"{path} does not fit {what}: {one_line(error)}. Use the file that belongs to it."
        ) from error
    check_finite(network, path)


def build_checked(build: Callable[[], Network], tensors: Mapping[str, Tensor], layers: int) -> Network:
    """Builds a network with the tensors of a file.

    Sizes are compared before memory is set aside for what the file only announces.

    Args:
        build: Makes the untrained network.
        tensors: Exactly its state.
        layers: How many the file announces.

    Raises:
        ValueError: There are fewer tensors than layers, or ``build`` cannot work (or ArithmeticError,
            AttributeError, LookupError, RuntimeError, TypeError).
    """
    if layers > len(tensors):
        raise ValueError(f"{layers:,} layers are announced for {len(tensors)} tensors")
    with torch.device("meta"):
        build().load_state_dict(dict(tensors), assign=True)
    network = build()
    network.load_state_dict(dict(tensors))
    return network


def check_finite(network: nn.Module, path: Path) -> None:
    """Refuses networks that would spread NaN or infinity.

    Raises:
        WeightsError: A weight is not finite.
    """
    check_finite_tensors(network.state_dict(), path)


def check_finite_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuses tensors of a file that would spread NaN or infinity.

    Raises:
        WeightsError: One is not finite.
    """
    broken = [
        name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    if broken:
        raise WeightsError(f"{path} holds numbers that are not finite in {_list(broken)}. Fetch it again.")


def _read(path: Path) -> Any:
    if is_safetensors(path):
        try:
            return load_file(path)
        except SafetensorError as error:
            raise WeightsError(
                f"{path} is damaged or incomplete ({one_line(error)}). Fetch it again."
            ) from error
    with path.open("rb") as file:
        zipped = file.read(len(ZIP_START)) == ZIP_START
    with readable_errors(path):
        if zipped and is_torchscript(path):
            return {name: numbers.tensor() for name, numbers in read_torchscript(path).items()}
    return read_contents(path)


def _named(content: Any) -> str:
    return (
        f"the entries {_list([str(name) for name in content])}"
        if isinstance(content, Mapping)
        else f"one {type(content).__name__}"
    )


def _list(names: list[str], shown: int = 5) -> str:
    return ", ".join(one_line(name, 100) for name in names[:shown]) + (
        f" and {len(names) - shown} more" if len(names) > shown else ""
    )
