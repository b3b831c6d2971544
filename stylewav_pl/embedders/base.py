"""The contract of every embedder: a frozen network from a signal to a unit vector in CLIP space."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Frozen = TypeVar("Frozen", bound="FrozenModule")


class FrozenModule(nn.Module):
    """A network that is only used: in evaluation mode whatever its owner is set to, and moved as usual."""

    def train(self, mode: bool = True) -> "FrozenModule":
        """Stays in evaluation mode: a trainer that calls ``train()`` on the whole module must not wake dropout here."""
        return super().train(False)

    def freeze(self: Frozen) -> Frozen:
        """Turns off the gradients of all weights; gradients towards the input still flow."""
        self.requires_grad_(False)
        self.eval()
        return self


class AudioEmbedder(FrozenModule, ABC):
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

    def embed_windows(self, windows: Sequence[Sequence[Float[Tensor, " _"]]]) -> Float[Tensor, "clip embed"]:
        """Embeds clips that consist of several windows each: the mean of their unit vectors, at unit length again.

        Args:
            windows: For each clip at least one window ``[time]``.
        """
        embeddings = self.embed_audio([window for clip in windows for window in clip])
        means = [rows.mean(dim=0) for rows in torch.split(embeddings, [len(clip) for clip in windows])]
        return F.normalize(torch.stack(means), dim=-1)


class ImageTextEmbedder(FrozenModule, ABC):
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
