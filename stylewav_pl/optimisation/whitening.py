"""Latents in the units in which random w vary, where a normal distribution nearly holds."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.generators.base import Generator

SAMPLES, AT_ONCE, SEED = 16_384, 4096, 0
UNDONE = 5.0  # the mapping network ends with a leaky ReLU of slope 1 / 5
SMALLEST_SHARE = 1e-3  # of the largest variance: directions in which w hardly varies count as varying so much


@dataclass(frozen=True)
class Whitening:
    """``q = C^(-1/2) leaky_relu(w, 5)`` with the covariance C of random w.

    Source: Zhu et al. 2020, "Improved StyleGAN Embedding: Where are the Good Latents?", arXiv:2012.09036.

    Attributes:
        matrix: ``[width, width]``, from its input to q.
    """

    matrix: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, generator: Generator) -> "Whitening":
        """Measures the w of a generator over a fixed sample."""
        parts = [undone(w) for w in generator.sampled(SAMPLES, SEED, AT_ONCE)]
        covariance = torch.cov(torch.cat(parts).double().T.cpu())
        variances, directions = torch.linalg.eigh(covariance)
        floor = SMALLEST_SHARE * variances.max()
        matrix = directions / variances.clamp_min(floor).sqrt() @ directions.T
        return cls(matrix.to(generator.w_mean))

    def whitened(self, latents: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """Returns W or W+ latents in these units, but for a constant."""
        return undone(latents) @ self.matrix


def undone(w: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
    """Undoes a leaky ReLU of slope 0.2.

    >>> undone(torch.tensor([2.0, -0.2])).tolist()
    [2.0, -1.0]
    """
    return F.leaky_relu(w, UNDONE)
