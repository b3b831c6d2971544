"""What is minimised: pure functions with one value per clip, and their weighted sum.

Nothing here averages over clips: the mean of a batch would make a clip's step depend on how many clips it
travels with.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.ranges import check_number


def cosine_similarity(
    embeddings: Float[Tensor, "clip embed"], targets: Float[Tensor, "clip embed"]
) -> Float[Tensor, " clip"]:
    """Cosine of unit vectors, in [-1, 1]: ``sum_i e_i t_i``.

    >>> import torch
    >>> cosine_similarity(torch.tensor([[0.6, 0.8]]), torch.tensor([[1.0, 0.0]])).item()
    0.6000000238418579
    """
    return (embeddings * targets).sum(dim=-1)


def squared_distance(
    latents: Float[Tensor, " clip *latent"], start: Float[Tensor, "*start"]
) -> Float[Tensor, " clip"]:
    """Squared L2 distance of each latent to its start: ``sum_i (w_i - s_i)^2``.

    There is one start for each clip, or one for all.

    Source: the editing loss of StyleCLIP (Patashnik et al. 2021).

    >>> import torch
    >>> squared_distance(torch.tensor([[1.0, 2.0]]), torch.tensor([0.0, 0.0])).item()
    5.0
    """
    return (latents - start).square().flatten(start_dim=1).sum(dim=1)


@dataclass(frozen=True)
class Objective:
    """``similarity * (1 - cosine) + distance_to_start * |latent - start|^2`` for each clip.

    Attributes:
        similarity: Weight of (1 - cosine similarity to the target).
        distance_to_start: Weight of the squared L2 distance to the starting latent; keeps the image near the
            generator's prior.
        logit_scale: Factor of the cosine inside the first term. 1 is the plain cosine distance; StyleWav's
            notebooks use (1 / 0.07) / 100 = 0.142857, which matters only beside other terms, because Adam
            ignores a common scale.
    """

    similarity: float = 1.0
    distance_to_start: float = 0.0
    logit_scale: float = 1.0

    def __post_init__(self) -> None:
        """Checks the weights: what overflows would be noticed only after the first cohort."""
        check_number("model.objective.similarity", self.similarity)
        check_number("model.objective.distance_to_start", self.distance_to_start, least=0)
        check_number("model.objective.logit_scale", self.logit_scale)

    def __call__(
        self,
        similarities: Float[Tensor, " clip"],
        latents: Float[Tensor, " clip *latent"],
        start: Float[Tensor, "*start"],
    ) -> Float[Tensor, " clip"]:
        """The loss of each clip.

        >>> import torch
        >>> objective = Objective(distance_to_start=0.5)
        >>> objective(torch.tensor([0.25]), torch.tensor([[1.0]]), torch.tensor([0.0])).item()
        1.25
        """
        loss = self.similarity * (1 - self.logit_scale * similarities)
        if self.distance_to_start:
            loss = loss + self.distance_to_start * squared_distance(latents, start)
        return loss
