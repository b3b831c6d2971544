"""Pairs of a voice and a face that share sex and decile of age.

What the pocket audio encoder is distilled on.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.generators import Generator
from stylewav_pl.pocket.faces import Z_DIM, attributes_of, render
from stylewav_pl.training.voice_bank import SAMPLE_RATE, VoiceBank, scale_of

DECILES = 10
CLEAR_SEX = 0.5  # faces with a smaller |sex| look androgynous: no voice is told to look like them
AudioImageBatch = tuple[Float[Tensor, "clip time"], Float[Tensor, "clip embed"]]


@dataclass(frozen=True)
class FaceBank:
    """Image embeddings of faces whose sex is clear, with the cell (sex, decile of age) of each.

    Attributes:
        embeddings: Unit vectors.
        cell: ``decile + 10 * male``.
    """

    embeddings: Float[Tensor, "face embed"]
    cell: Int64[np.ndarray, " face"]


def cells_of(
    male: Bool[np.ndarray, " row"] | Int64[np.ndarray, " row"], age: Float[np.ndarray, " row"]
) -> Int64[np.ndarray, " row"]:
    """Cell of each row for ages on the faces' scale from 0 to 1."""
    return np.asarray(
        np.minimum((age * DECILES).astype(np.int64), DECILES - 1) + DECILES * male.astype(np.int64)
    )


@torch.no_grad()
def make_face_bank(
    clip_model: ImageTextEmbedder, generator: Generator | None, count: int, seed: int
) -> FaceBank:
    """Embeds ``count`` faces, half drawn and half generated; of those the ones of clear sex are kept.

    Args:
        clip_model: The frozen teacher.
        generator: Makes half of the faces; all are drawn when ``None``.
        count: How many faces.
        seed: Decides which.
    """
    rng = torch.Generator().manual_seed(seed)
    embeddings, cells = [], []
    for start in range(0, count, 100):
        z = torch.randn(min(100, count - start), Z_DIM, generator=rng)
        attributes = attributes_of(z)
        images = (
            render(z) if generator is None or start // 100 % 2 else generator.synthesize(generator.map(z))
        )
        embeddings.append(clip_model.embed_image(images))
        cell = cells_of((attributes.sex > 0).numpy(), attributes.age.double().numpy())
        cells.append(np.where(attributes.sex.abs().numpy() > CLEAR_SEX, cell, -1))
    cell = np.concatenate(cells)
    return FaceBank(torch.cat(embeddings)[torch.from_numpy(cell >= 0)], cell[cell >= 0])


class VoiceFacePairs:
    """Pairs of a voice and a fitting face.

    For VGGSound another source draws the same batches: waveforms and the image embeddings of the frames
    beside them.
    """

    def __init__(self, voices: VoiceBank, faces: FaceBank, *, batch_size: int, seconds: float) -> None:
        self.voices, self.faces = voices, faces
        self.batch_size, self.length = batch_size, round(seconds * SAMPLE_RATE)
        self.members = [np.flatnonzero(faces.cell == cell) for cell in range(2 * DECILES)]
        self.cell = cells_of(voices.male, scale_of(voices.years))

    def batch(self, random: np.random.Generator) -> AudioImageBatch:
        """Draws voices in [-1, 1], a stretch of each, and the image embedding that each should reach."""
        rows = random.choice(len(self.voices), self.batch_size, replace=len(self.voices) < self.batch_size)
        starts = random.integers(self.voices.waveforms.shape[1] - self.length + 1, size=self.batch_size)
        waves = np.stack(
            [
                self.voices.waveforms[row, start : start + self.length]
                for row, start in zip(rows, starts, strict=True)
            ]
        )
        faces = [self.members[cell][random.integers(len(self.members[cell]))] for cell in self.cell[rows]]
        return torch.from_numpy(waves.astype(np.float32) / 32768), self.faces.embeddings[
            torch.tensor(np.array(faces))
        ]
