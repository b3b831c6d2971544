"""What a generator needs to be kept in a weight file: arguments as JSON, and tensors by name."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from stylewav_pl.generators.base import Generator
from stylewav_pl.weights.store import save_weights

Stored = TypeVar("Stored", bound="StoredGenerator")
LARGEST_IMAGE = 4096
"""Pixels. Maps that a file lacks are made, and nothing else in a small file bounds their size."""


class StoredGenerator(Generator):
    """A generator that can be written to a file and built from one.

    Attributes:
        family: What files call the kind of network.
        title: What people call it.
        mean: Name in files of the mean w, which a file may lack; empty where a network has none.
    """

    family: ClassVar[str]
    title: ClassVar[str]
    mean: ClassVar[str] = "w_mean"

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them (see :meth:`from_config`)."""

    @classmethod
    def from_config(cls: type[Stored], config: Mapping[str, Any]) -> Stored:
        """Builds an untrained network from :attr:`config`."""
        return cls(**config)

    @classmethod
    @abstractmethod
    def check_sizes(cls, config: Mapping[str, Any], tensors: int) -> None:
        """Refuses a configuration that would cost time or memory before it is found to be wrong.

        Args:
            config: Of a file.
            tensors: How many the file holds.

        Raises:
            ValueError: It announces more than so many tensors can hold (or AttributeError, KeyError,
                TypeError).
        """

    @classmethod
    def described(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the facts that ``weights inspect`` prints of a configuration."""
        return dict(config)

    @classmethod
    def may_lack(cls, name: str) -> bool:
        """Tells whether a file may lack a tensor because :meth:`fill` makes it, the mean w aside."""
        return False

    def fill(self, names: Sequence[str]) -> str:
        """Makes what a file lacks, the same every time, and returns what to tell about it.

        Args:
            names: Of tensors for which :meth:`may_lack` holds.
        """
        return ""

    def stored_tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers by their names in files."""
        return dict(self.state_dict())

    def load_stored(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over the tensors of a file; names were compared before."""
        self.load_state_dict(dict(tensors), strict=False)

    def to_file(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes the network as one safetensors file that ``load_generator`` reads."""
        save_weights(
            path,
            kind="generator",
            architecture=self.family,
            config=self.config,
            tensors=self.stored_tensors(),
            dtype=dtype,
        )

    @staticmethod
    def check_count(layers: int, tensors: int) -> None:
        """Compares announced layers with tensors, before a damaged number costs hours.

        Raises:
            ValueError: There are fewer tensors.
        """
        if layers > tensors:
            raise ValueError(f"it announces {layers:,} layers for {tensors} tensors")

    @staticmethod
    def check_pixels(resolution: int) -> None:
        """Compares an announced image size with the largest.

        Raises:
            ValueError: It is larger.
        """
        if resolution > LARGEST_IMAGE:
            raise ValueError(f"it announces images of {resolution:,} px, and {LARGEST_IMAGE:,} is the limit")
