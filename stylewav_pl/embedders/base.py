"""The contract of every embedder: a frozen network from a signal to a unit vector in CLIP space."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Frozen = TypeVar("Frozen", bound="FrozenModule")


@dataclass(frozen=True)
class Space:
    """The CLIP model whose space vectors lie in: a cosine means something only within one space.

    Attributes:
        model: Its architecture, e.g. ``ViT-B-32``; empty where the weight file does not tell.
        weights: Which training of it, e.g. ``openai``; empty where the weight file does not tell.
        towers: What tells trainings apart whose names are not known, see :func:`tower_mark`; empty where it
            was not asked for.
    """

    model: str = ""
    weights: str = ""
    towers: str = ""

    def may_be(self, other: "Space") -> bool:
        """Whether nothing that is known tells the two apart.

        >>> Space("ViT-B-32", "openai").may_be(Space("ViT-B-32")), Space("ViT-B-32").may_be(Space("RN101"))
        (True, False)
        """
        return all(
            not mine or not theirs or mine == theirs
            for mine, theirs in zip(astuple(self), astuple(other), strict=True)
        )

    def __str__(self) -> str:
        return f"{self.model or 'unknown'}/{self.weights or 'unknown'}"


OPENAI_VIT_B_32 = Space("ViT-B-32", "openai")
POCKET = Space("pocket")


FIRST_VISUAL = "visual.conv1.weight"


def tower_mark(tensors: Mapping[str, Tensor]) -> str:
    """Returns a checksum of the first weights of a CLIP model's image tower; empty if it has none."""
    weight = tensors.get(FIRST_VISUAL)
    if weight is None:
        return ""
    return f"{zlib.crc32(weight.detach().float().cpu().contiguous().numpy().tobytes()):08x}"


class FrozenModule(nn.Module):
    """A network that is only used: in evaluation mode whatever its owner is set to, and moved as usual."""

    def train(self, mode: bool = True) -> "FrozenModule":
        """Stays in evaluation mode.

        A trainer that calls ``train()`` on the whole module must not wake dropout here.
        """
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
        space: Whose space it was trained to reach.
    """

    sample_rate: int
    embed_dim: int
    space: Space = Space()

    @abstractmethod
    def embed_audio(
        self, waveforms: Float[Tensor, "clip time"] | Sequence[Float[Tensor, " _"]]
    ) -> Float[Tensor, "clip embed"]:
        """Embeds mono waveforms in [-1, 1]; a clip's result does not depend on its company.

        Args:
            waveforms: ``[clip, time]`` or a sequence of ``[time]`` of any lengths (never padded across
                lengths).

        Returns:
            ``[clip, embed]``, unit L2 norm.
        """

    def embed_windows(self, windows: Sequence[Sequence[Float[Tensor, " _"]]]) -> Float[Tensor, "clip embed"]:
        """Embeds clips that consist of several windows each.

        A clip's embedding is the mean of their unit vectors, at unit length again.

        Args:
            windows: For each clip at least one window ``[time]``.
        """
        embeddings = self.embed_audio([window for clip in windows for window in clip])
        return mean_of_windows(embeddings, [len(clip) for clip in windows])


def mean_of_windows(
    embeddings: Float[Tensor, "window embed"], counts: Sequence[int]
) -> Float[Tensor, "clip embed"]:
    """Averages the unit vectors of each clip's windows, at unit length again.

    Args:
        embeddings: Of all windows, clip after clip.
        counts: How many windows each clip has.
    """
    if len(counts) == 0:
        return embeddings
    means = [rows.mean(dim=0) for rows in torch.split(embeddings, list(counts))]
    return F.normalize(torch.stack(means), dim=-1)


class ImageTextEmbedder(FrozenModule, ABC):
    """Embeds images and texts into one space (a CLIP model).

    Attributes:
        embed_dim: Width of the embedding.
        image_size: Height and width in pixels that the network itself sees.
        space: Its own.
    """

    embed_dim: int
    image_size: int
    space: Space = Space()

    @abstractmethod
    def embed_image(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip embed"]:
        """Embeds RGB images in [-1, 1] of any square resolution; unit L2 norm, differentiable."""

    @abstractmethod
    def embed_text(self, texts: Sequence[str]) -> Float[Tensor, "clip embed"]:
        """Embeds texts; unit L2 norm.

        Raises:
            ConfigError: A text has words the model cannot know; the message lists the known ones.
            TypeError: ``texts`` is one text instead of several.
        """


def check_texts(texts: Sequence[str]) -> None:
    """Refuses one text in place of several: its letters would each count as one.

    Raises:
        TypeError: ``texts`` is one text.
    """
    if isinstance(texts, str):
        raise TypeError(f"Expected a list of texts, found one text; write [{texts!r}].")
