"""The contract of every clip source: which clips there are, and their sound."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.funnel import Stage
from stylewav_pl.data.ignored import Ignored
from stylewav_pl.data.window import Window
from stylewav_pl.types import Clip, Skip


class ClipSource(ABC):
    """Lists clips and reads them; sources are pickled into worker processes.

    Attributes:
        draws: Whether the clips are a random sample: a run keeps to the sample that it began with.
    """

    draws: ClassVar[bool] = False

    @abstractmethod
    def list_clips(self) -> list[Clip]:
        """All clips, in an order that does not depend on the machine.

        Raises:
            ConfigError: The source itself is missing or wrong.
        """

    @property
    def funnel(self) -> list[Stage]:
        """How many clips each rule of the selection left; empty for a source that takes every clip."""
        return []

    @property
    def skips(self) -> Sequence[Skip]:
        """What the source found but could not list as a clip, with the reason.

        Clips that turn out bad when they are read are not here.
        """
        return ()

    @property
    def ignored(self) -> Sequence[Ignored]:
        """What the source found and did not look at, because it is no sound."""
        return ()

    @property
    def uses_network(self) -> bool:
        """Whether reading a clip may ask an object store: then no forked process may do it.

        Clients of stores have threads, of which a fork takes none along: it would wait for ever.
        """
        return False

    @abstractmethod
    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """The sound of one listed clip.

        Args:
            clip: One of :meth:`list_clips`.
            sample_rate: In Hz.
            window: Which part of it.

        Returns:
            Mono, float32, in [-1, 1], at most ``window.length(sample_rate)`` samples.

        Raises:
            AudioError: This clip cannot be used.
        """

    def file_of(self, clip: Clip) -> Path | None:
        """The file that a listed clip is; none where its sound is made or lies inside something else."""
        return None
