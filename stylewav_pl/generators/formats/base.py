"""What every published format of StyleGAN2 becomes: the arguments and the tensors of :class:`StyleGAN2`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.pickles import Numbers, brief

SEPARABLE_TOLERANCE = 1e-5
LONGEST_LIST = 64  # numbers; what is longer is stored as an array


@dataclass(frozen=True)
class Published:
    """A generator as a file holds it.

    Attributes:
        format: The format's name, for people.
        family: The kind of network, e.g. ``stylegan2``.
        config: Arguments of the network's constructor.
        tensors: Its parameters and buffers by the names of our files (see :mod:`stylegan2_names`); ``w_mean``
            and noise maps may be missing.
    """

    format: str
    family: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


class Format(ABC):
    """One way in which StyleGAN2 generators are published.

    Attributes:
        name: For people.
    """

    name: ClassVar[str]

    @abstractmethod
    def read(self, contents: Any) -> Published | None:
        """The generator in what ``read_contents`` gave; ``None`` if it is not of this format.

        Raises:
            WeightsError: It is of this format, but no StyleGAN2 that can be used here; the message says what
                it is.
            ValueError: Its values are of another kind than this format has (or IndexError, TypeError,
                RuntimeError, ...).
        """

    def published(self, tensors: Mapping[str, Tensor], **config: Any) -> Published:
        """The result of :meth:`read`, with all sizes read from the shapes of the tensors.

        Raises:
            WeightsError: A tensor has too few axes to tell.
            TypeError, ValueError: A setting is no number.
        """
        depth = sum(name.startswith("mapping.layers.") and name.endswith(".weight") for name in tensors)
        levels = (
            sum(name.startswith("convolutions.") and name.endswith(".affine.weight") for name in tensors) // 2
            + 1
        )
        w_dim = size(tensors, "to_rgbs.0.affine.weight", 1)
        sizes = {
            "channels": {
                str(4 << level): size(tensors, f"convolutions.{2 * level}.weight", 0)
                for level in range(levels)
            },
            "z_dim": size(tensors, "mapping.layers.0.weight", 1) if depth else w_dim,
            "w_dim": w_dim,
            "mapping_depth": depth,
            "mapping_width": size(tensors, "mapping.layers.0.weight", 0) if depth > 1 else w_dim,
        }
        for setting in ("conv_clamp", "mapping_learning_rate_multiplier"):
            config[setting] = None if config[setting] is None else float(config[setting])
        return Published(self.name, "stylegan2", {**sizes, **config}, tensors)


def size(tensors: Mapping[str, Tensor], name: str, axis: int) -> int:
    """The length of one axis.

    Raises:
        WeightsError: The tensor has no such axis.
    """
    shape = tensors[name].shape
    if len(shape) <= axis:
        raise WeightsError(f"{name} has the shape {list(shape)}, with too few axes. Fetch the file again.")
    return shape[axis]


def as_tensor(value: Any, name: str) -> Tensor:
    """A tensor, array, number or list of numbers of a file as float32, copied.

    Raises:
        WeightsError: It is something else.
    """
    if isinstance(value, Numbers) and value.array is not None and value.array.dtype.kind in "fiu":
        return value.tensor(np.float32)
    if (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_quantized
        and value.is_floating_point()
    ):
        return value.detach().to(torch.float32, copy=True).contiguous()
    if isinstance(value, int | float):
        return torch.tensor(float(value))
    if (
        isinstance(value, list | tuple)
        and len(value) <= LONGEST_LIST
        and all(isinstance(number, int | float) for number in value)
    ):
        return torch.tensor([float(number) for number in value])
    raise WeightsError(f"{name} holds no plain numbers. Fetch the file again.")


def taps_of(kernel: Tensor, name: str) -> list[float]:
    """The one-dimensional filter, with sum 1, of a kernel ``[taps]`` or ``[taps, taps]`` of any scale.

    A filter of an odd number of taps gets a zero in front: the code bases of all formats give it one pixel
    more before than behind.

    Raises:
        WeightsError: It is not the outer product of one filter with itself.
    """
    kernel = kernel.double() / kernel.double().sum()
    taps = kernel if kernel.ndim == 1 else kernel.sum(dim=-1)
    if kernel.ndim == 2 and (
        kernel.shape[0] != kernel.shape[1]
        or not torch.allclose(torch.outer(taps, taps), kernel, atol=SEPARABLE_TOLERANCE)
    ):
        raise WeightsError(f"{name} is no separable resampling filter, which this version cannot use.")
    return [0.0] * (len(taps) % 2) + [float(tap) for tap in taps]


def common(values: Mapping[str, Any], what: str) -> Any:
    """The one value that all layers share.

    Raises:
        WeightsError: They differ.
    """
    found = list(values.values())
    if any(value != found[0] for value in found):
        raise WeightsError(
            f"Its layers differ in {what} ({brief(dict(values))}), which this version cannot use."
        )
    return found[0]


def require(found: Any, usable: Any, what: str, family: str = "StyleGAN2") -> None:
    """Refuses a variant of the architecture by name.

    Raises:
        WeightsError: ``found`` is not ``usable``.
    """
    if found != usable:
        raise WeightsError(
            f"It is a {family} with {what} = {brief(found)}; this version can use {what} = {usable!r} only."
        )


class Variables:
    """Named values of a network, each of which is taken once.

    Args:
        values: By name.
        expected: What they belong to, for messages.
    """

    def __init__(self, values: Mapping[str, Any], expected: str) -> None:
        self.values, self.expected = dict(values), expected

    def count(self, start: str, end: str) -> int:
        """How many names are left that hold ``start`` and have that end."""
        return sum(isinstance(name, str) and start in name and name.endswith(end) for name in self.values)

    def take(self, name: str) -> Tensor:
        """A value as float32; no second time.

        Raises:
            WeightsError: It is not there, or no numbers.
        """
        if name not in self.values:
            raise WeightsError(f"It lacks the variable {name}. Expected {self.expected}.")
        return as_tensor(self.values.pop(name), name)

    def done(self, ignored: Callable[[str], bool] = lambda name: False) -> None:
        """Compares what is left with what may be left.

        Raises:
            WeightsError: There is more.
        """
        left = [str(name) for name in self.values if not ignored(str(name))]
        if left:
            raise WeightsError(
                f"It holds variables that {self.expected.removeprefix('a ')} does not have: "
                f"{', '.join(left[:5])}."
            )
