"""The contract of every embedder: a frozen network from a signal to a unit vector in CLIP space."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


class AudioEmbedder(nn.Module, ABC):
    """Embeds waveforms.

    Attributes:
        sample_rate: In Hz, what the waveforms must have.
        embed_dim: Width of the embedding.
    """

    sample_rate: int
    embed_dim: int

    @abstractmethod
    def embed_audio(self, waveforms: Float[Tensor, "clip time"] | Sequence[Float[Tensor, " _"]]) -> Float[Tensor, "clip embed"]:
        """Embeds mono waveforms in [-1, 1]; a clip's result does not depend on its company.

        Args:
            waveforms: ``[clip, time]`` or a sequence of ``[time]`` of any lengths (never padded across lengths).

        Returns:
            ``[clip, embed]``, unit L2 norm.
        """


class ImageTextEmbedder(nn.Module, ABC):
    """Embeds images and texts into one space (a CLIP model).

    Attributes:
        embed_dim: Width of the embedding.
        image_size: Height and width in pixels that the network itself sees.
    """

    embed_dim: int
    image_size: int

    @abstractmethod
    def embed_image(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip embed"]:
        """Embeds RGB images in [-1, 1] of any square resolution; unit L2 norm, differentiable."""

    @abstractmethod
    def embed_text(self, texts: Sequence[str]) -> Float[Tensor, "clip embed"]:
        """Embeds texts; unit L2 norm.

        Raises:
            ConfigError: A text has words the model cannot know; the message lists the known ones.
        """
