"""Audio encoders of others that can be written in this project's own format."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from stylewav_pl.embedders.base import AudioEmbedder
from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.weights.state_dict import BUILD_ERRORS, build_checked
from stylewav_pl.weights.store import save_weights

Network = TypeVar("Network", bound=nn.Module)


class StoredAudioEmbedder(AudioEmbedder):
    """An audio encoder with a form of its own in files.

    Attributes:
        architecture: What files call it.
        network: With its weights.
    """

    architecture: ClassVar[str]
    network: nn.Module

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What a file's configuration says of it."""

    @classmethod
    @abstractmethod
    def from_file(cls, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "StoredAudioEmbedder":
        """Builds it from :attr:`config` and the state of its network.

        Raises:
            ValueError: They do not make one (or another of ``BUILD_ERRORS``).
        """

    @staticmethod
    def build(make: Callable[[], Network], tensors: Mapping[str, Tensor], layers: int) -> Network:
        """See :func:`~stylewav_pl.weights.state_dict.build_checked`."""
        return build_checked(make, tensors, layers)

    @classmethod
    def load(
        cls, config: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path
    ) -> "StoredAudioEmbedder":
        """Builds it from what a file holds.

        Raises:
            WeightsError: Configuration and tensors do not make a network.
        """
        try:
            return cls.from_file(config, tensors)
        except BUILD_ERRORS as error:
            raise WeightsError(
                f"{path} does not fit the architecture {cls.architecture}: {one_line(error)}. Fetch it again."
            ) from error

    def to_file(self, path: Path) -> None:
        """Writes it as safetensors that ``load_audio_embedder`` reads."""
        tensors = self.network.state_dict()
        save_weights(path, kind="audio", architecture=self.architecture, config=self.config, tensors=tensors)
