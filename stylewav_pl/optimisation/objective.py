"""What is minimised: the weights of its terms, and pure functions with one value per clip.

Nothing here averages over clips: the mean of a batch would make a clip's step depend on how many clips it
travels with.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.optimisation.closeness import DISTANCES, Distance
from stylewav_pl.ranges import check_number

MEASURES = ("plain", "whitened")
FOLLOWED = ("all", "voice")


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
    """The weights of the terms; those of weight 0 are left out.

    Attributes:
        similarity: Weight of 1 - similarity to the target, or of what ``model.prompts`` say instead.
        direction: Weight of 1 - cosine between what has changed in the image since the start and what a
            prompt asks to change: a voice's difference from the mean voice, a text's from its ``neutral``
            text, a picture's from the mean of random faces.
        distance_to_start: Weight of the squared L2 distance to the starting latent; keeps the image near
            where it began.
        identity: Weight of 1 - cosine of the faces' identity now and at the start, by the network
            ``model.identity``.
        distance: How near an image and a prompt are: ``cosine``, or ``spherical``, half of the squared
            great-circle distance, which pulls harder from afar.
        measure: Of ``distance_to_start``: ``plain``, or ``whitened``: in units of how random w vary, before
            the last leaky ReLU of the mapping network (Zhu et al. 2020, "Improved StyleGAN Embedding",
            arXiv:2012.09036).
        follow: What of a voice the image should come near to: ``all`` of its target, or ``voice``: the part
            along the directions in which voices differ (sex, age), where the rest of the target is what the
            image shows at the start, so that glasses or hair colour, which no voice tells, are neither lost
            nor won.
        logit_scale: Factor of the cosine inside the first term. 1 is the plain cosine distance; StyleWav's
            notebooks use (1 / 0.07) / 100 = 0.142857, which matters only beside other terms, because Adam
            ignores a common scale.

    Raises:
        ConfigError: A weight is out of its range, or a choice is none.
    """

    similarity: float = 1.0
    direction: float = 0.0
    distance_to_start: float = 0.0
    identity: float = 0.0
    distance: Distance = "cosine"
    measure: Literal["plain", "whitened"] = "plain"
    follow: Literal["all", "voice"] = "all"
    logit_scale: float = 1.0

    def __post_init__(self) -> None:
        """Checks the weights: what overflows would be noticed only after the first cohort."""
        check_number("model.objective.similarity", self.similarity)
        check_number("model.objective.direction", self.direction, least=0)
        check_number("model.objective.distance_to_start", self.distance_to_start, least=0)
        check_number("model.objective.identity", self.identity, least=0)
        check_number("model.objective.logit_scale", self.logit_scale)
        for name, value, known in (
            ("distance", self.distance, DISTANCES),
            ("measure", self.measure, MEASURES),
            ("follow", self.follow, FOLLOWED),
        ):
            if value not in known:
                raise ConfigError(
                    f"Expected model.objective.{name} to be {' or '.join(known)}, found {value!r}. Correct "
                    "it."
                )
        if self.measure == "whitened" and not self.distance_to_start:
            raise ConfigError(
                "model.objective.measure is whitened, but distance_to_start is 0: nothing is measured. Give "
                "it a weight, or set measure to plain."
            )
