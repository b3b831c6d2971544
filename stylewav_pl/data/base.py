"""The contract of every clip source: which clips there are, and their sound."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.window import Window
from stylewav_pl.types import Clip


class ClipSource(ABC):
    """Lists clips and reads them; sources are pickled into worker processes."""

    @abstractmethod
    def list_clips(self) -> list[Clip]:
        """All clips, in an order that does not depend on the machine.

        Raises:
            ConfigError: The source itself is missing or wrong.
        """

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
