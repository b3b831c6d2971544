"""Tiny seeded embedders without training: doubles that make the whole pipeline run in a second."""

import hashlib
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder, check_texts

BANDS = 32


def _seeded_matrix(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class LinearAudioEmbedder(AudioEmbedder):
    """A random linear map of the energy in 32 frequency bands."""

    weight: Tensor

    def __init__(self, embed_dim: int = 16, sample_rate: int = 16_000, seed: int = 0) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.sample_rate = sample_rate
        self.register_buffer("weight", _seeded_matrix(seed, BANDS, embed_dim))
        self.freeze()

    @torch.no_grad()
    def embed_audio(
        self, waveforms: Float[Tensor, "clip time"] | Sequence[Float[Tensor, " _"]]
    ) -> Float[Tensor, "clip embed"]:
        """See :meth:`AudioEmbedder.embed_audio`."""
        if len(waveforms) == 0:
            return self.weight.new_empty(0, self.embed_dim)
        return torch.stack([self._embed(waveform.to(self.weight)) for waveform in waveforms])

    def _embed(self, waveform: Float[Tensor, " time"]) -> Float[Tensor, " embed"]:
        energy = torch.fft.rfft(waveform).abs().square()
        bands = F.adaptive_avg_pool1d(energy[None], BANDS)[0]
        return F.normalize(torch.log(bands + 1e-7) @ self.weight, dim=-1)


class LinearImageTextEmbedder(ImageTextEmbedder):
    """A random linear map of the shrunken image.

    Every text is a random unit vector that only depends on the text.
    """

    weight: Tensor

    def __init__(self, embed_dim: int = 16, image_size: int = 8, seed: int = 0) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.image_size = image_size
        self.register_buffer("weight", _seeded_matrix(seed, 3 * image_size**2, embed_dim))
        self.freeze()

    def embed_image(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip embed"]:
        """See :meth:`ImageTextEmbedder.embed_image`."""
        small = F.adaptive_avg_pool2d(images.to(self.weight), self.image_size)
        return F.normalize(small.flatten(1) @ self.weight, dim=-1)

    def embed_text(self, texts: Sequence[str]) -> Float[Tensor, "clip embed"]:
        """See :meth:`ImageTextEmbedder.embed_text`; every word is known."""
        check_texts(texts)
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1 for text in texts]
        rows = [F.normalize(_seeded_matrix(seed, self.embed_dim), dim=-1) for seed in seeds]
        return torch.stack(rows).to(self.weight) if rows else self.weight.new_empty(0, self.embed_dim)
