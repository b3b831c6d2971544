"""LanguageBind's audio encoder: a vision transformer over mel spectrograms, trained towards a frozen CLIP.

Source: Zhu et al., "LanguageBind: Extending Video-Language Pretraining to N-modality by Language-based
Semantic Alignment" (2023, arXiv:2310.01852). The CLIP it was trained against is DataComp's ViT-L/14, so its
vectors can be compared with those of ``open_clip:ViT-L-14/datacomp_xl_s13b_b90k``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stylewav_pl.embedders.base import Space
from stylewav_pl.embedders.languagebind_front_end import CHANNELS, SAMPLE_RATE, mel_spectrogram, network_input
from stylewav_pl.embedders.stored import StoredAudioEmbedder

DATACOMP_VIT_L_14 = Space("ViT-L-14", "datacomp_xl_s13b_b90k")
HEAD_WIDTH = 64  # of the published networks, whose tensors do not tell


@dataclass(frozen=True)
class TransformerShape:
    """Sizes of the network.

    Attributes:
        width: Of its tokens.
        layers: How many.
        heads: Of each layer's attention.
        hidden: Width of its perceptrons.
        patch: Height and width of the patches that become tokens.
        bands: Of the spectrogram.
        frames: Of the spectrogram.
        embed_dim: Width of the embedding.
    """

    width: int
    layers: int
    heads: int
    hidden: int
    patch: int
    bands: int
    frames: int
    embed_dim: int

    def __post_init__(self) -> None:
        """Refuses sizes that make no network.

        Raises:
            ValueError: They do not fit together.
        """
        if min(asdict(self).values()) < 1 or self.width % self.heads:
            raise ValueError(f"a transformer with {asdict(self)}")


class SpectrogramTransformer(nn.Module):
    """CLIP's vision transformer, for a spectrogram as its image."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        self.shape = shape
        tokens = (shape.bands // shape.patch) * (shape.frames // shape.patch) + 1
        self.patches = nn.Conv2d(CHANNELS, shape.width, shape.patch, stride=shape.patch, bias=False)
        self.class_token = nn.Parameter(torch.zeros(shape.width))
        self.positions = nn.Parameter(torch.zeros(tokens, shape.width))
        self.norm_before = nn.LayerNorm(shape.width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                shape.width, shape.heads, shape.hidden, 0.0, F.gelu, batch_first=True, norm_first=True
            )
            for _ in range(shape.layers)
        )
        self.norm_after = nn.LayerNorm(shape.width)
        self.projection = nn.Linear(shape.width, shape.embed_dim, bias=False)

    def forward(self, images: Float[Tensor, "clip 3 band frame"]) -> Float[Tensor, "clip embed"]:
        """Not normalised."""
        tokens = (
            self.patches(images).flatten(2).transpose(1, 2)
        )  # [clip, patch, width], bands outside, frames inside
        first = self.class_token.expand(len(images), 1, -1)
        tokens = self.norm_before(torch.cat([first, tokens], dim=1) + self.positions)
        for layer in self.layers:
            tokens = layer(tokens)
        projected: Tensor = self.projection(self.norm_after(tokens[:, 0]))
        return projected


class LanguageBindAudio(StoredAudioEmbedder):
    """The frozen encoder: 16 kHz waveforms to unit vectors in the space of DataComp's ViT-L/14.

    Args:
        network: With its weights.
    """

    architecture = "languagebind-audio"
    network: SpectrogramTransformer

    def __init__(self, network: SpectrogramTransformer) -> None:
        super().__init__()
        self.network = network
        self.sample_rate, self.embed_dim = SAMPLE_RATE, network.shape.embed_dim
        self.space = DATACOMP_VIT_L_14
        self.freeze()

    @property
    def config(self) -> dict[str, Any]:
        """See :class:`StoredAudioEmbedder`."""
        return asdict(self.network.shape)

    @classmethod
    def from_file(cls, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "LanguageBindAudio":
        """See :meth:`StoredAudioEmbedder.from_file`."""
        shape = TransformerShape(**config)
        return cls(cls.build(lambda: SpectrogramTransformer(shape), tensors, shape.layers))

    @torch.no_grad()
    def embed_audio(
        self, waveforms: Float[Tensor, "clip time"] | Sequence[Float[Tensor, " _"]]
    ) -> Float[Tensor, "clip embed"]:
        """See :meth:`AudioEmbedder.embed_audio`; one clip at a time.

        Raises:
            AudioError: A waveform is shorter than 25 ms.
        """
        weight, shape = self.network.class_token, self.network.shape
        embeddings: Tensor = weight.new_empty(len(waveforms), self.embed_dim)
        for row, waveform in enumerate(waveforms):
            mel = mel_spectrogram(waveform.float().cpu(), shape.bands)
            image = network_input(mel, shape.frames).to(weight)
            embeddings[row] = F.normalize(self.network(image[None]), dim=-1)[0]
        return embeddings
