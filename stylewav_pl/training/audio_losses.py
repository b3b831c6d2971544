"""What an audio encoder is asked for when it is distilled from an image encoder.

Each loss can be plugged into ``AudioDistillation``.

All get three things per clip: the audio features before the projection, the projected audio embedding (the
one used at inference) and the image embedding to reach. What is used at inference must itself be compared
with the image: a loss whose own projections stand between the two leaves the embedding unaligned.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

TEMPERATURE = 0.07


class DistillationLoss(nn.Module, ABC):
    """Scores a batch of (audio, image) pairs.

    May have parameters of its own, which are trained along and thrown away.
    """

    @abstractmethod
    def forward(
        self,
        features: Float[Tensor, "clip feature"],
        audio: Float[Tensor, "clip embed"],
        image: Float[Tensor, "clip embed"],
    ) -> Float[Tensor, ""]:
        """The loss of the batch, to be minimised.

        Args:
            features: Audio encoder's output before its projection.
            audio: Projected audio, not normalised.
            image: Frozen image embeddings, row ``i`` belongs to row ``i`` of the audio.
        """


def contrastive(
    first: Float[Tensor, "clip width"],
    second: Float[Tensor, "clip width"],
    temperature: float | Float[Tensor, ""] = TEMPERATURE,
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE (Radford et al. 2021, arXiv:2103.00020, figure 3).

    Each row should pick its partner, in both directions.

    >>> round(float(contrastive(torch.eye(2), torch.eye(2), temperature=1.0)), 4)  # log(1 + 1/e)
    0.3133
    """
    logits = F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).T / temperature
    partners = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(logits, partners) + F.cross_entropy(logits.T, partners)) / 2


class InfoNCE(DistillationLoss):
    """Symmetric InfoNCE of projected audio and image, plus ``cosine_weight * (1 - cosine)``.

    InfoNCE alone only orders the pairs and leaves a gap between the two modalities; the cosine term closes
    it.
    """

    def __init__(self, cosine_weight: float = 0.0, contrastive_weight: float = 1.0) -> None:
        super().__init__()
        self.cosine_weight = cosine_weight
        self.contrastive_weight = contrastive_weight
        self.log_scale = nn.Parameter(torch.tensor(1 / TEMPERATURE).log())

    def forward(
        self,
        features: Float[Tensor, "clip feature"],
        audio: Float[Tensor, "clip embed"],
        image: Float[Tensor, "clip embed"],
    ) -> Float[Tensor, ""]:
        """See :class:`DistillationLoss`."""
        distance = 1 - F.cosine_similarity(audio, image).mean()
        temperature = torch.exp(-self.log_scale.clamp(max=4.6))
        return (
            self.contrastive_weight * contrastive(audio, image, temperature) + self.cosine_weight * distance
        )


class CrossProjectionLoss(DistillationLoss):
    """The CXLoss of Wav2CLIP (Wu et al. 2022, arXiv:2110.11499).

    ``contrastive(a, f(image)) + contrastive(g(a), image)``.

    ``a`` are the audio features and ``g`` is the encoder's own projection, so that ``g(a)`` is what inference
    uses; ``f`` lives here.
    """

    def __init__(self, feature_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.project_image = nn.Sequential(
            nn.Linear(embed_dim, embed_dim), nn.ReLU(), nn.Linear(embed_dim, feature_dim)
        )
        self.log_scale = nn.Parameter(torch.tensor(1 / TEMPERATURE).log())

    def forward(
        self,
        features: Float[Tensor, "clip feature"],
        audio: Float[Tensor, "clip embed"],
        image: Float[Tensor, "clip embed"],
    ) -> Float[Tensor, ""]:
        """See :class:`DistillationLoss`."""
        temperature = torch.exp(-self.log_scale.clamp(max=4.6))
        return contrastive(features, self.project_image(image), temperature) + contrastive(
            audio, image, temperature
        )
