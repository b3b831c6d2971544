"""The mean score of each population with each prompt.

A metric that adds up over clips and over processes.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric


class PopulationScore(Metric):
    """Mean score of each population with each prompt: the sum over its clips, divided by their number.

    Both states are sums, so that processes of one group give the mean over all their clips when they compute
    (``dist_reduce_fx="sum"``), and processes without a group can be put together by :meth:`merge_state`.

    >>> metric = PopulationScore(populations=2, prompts=1)
    >>> belongs = torch.tensor([[True, False], [True, False], [False, False]])
    >>> metric.update(torch.tensor([[0.2], [0.4], [0.9]]), belongs)
    >>> metric.compute().flatten().tolist()  # nobody is in the second population
    [0.3..., nan]
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False

    sums: Tensor
    counts: Tensor

    def __init__(self, populations: int, prompts: int, **settings: Any) -> None:
        """Starts with no clips.

        Args:
            populations: How many.
            prompts: How many.
            settings: Those of every metric, e.g. ``sync_on_compute=False``.
        """
        super().__init__(**settings)
        # double: a sum of millions of scores in single precision loses its third digit
        self.add_state("sums", torch.zeros(populations, prompts, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(populations, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, scores: Float[Tensor, "clip prompt"], members: Bool[Tensor, "clip population"]) -> None:
        """Adds clips.

        Args:
            scores: Cosine in [-1, 1] of each clip's image with each prompt.
            members: Which populations each clip belongs to: none, or one for each trait.
        """
        self.sums += members.to(self.sums).T @ scores.to(self.sums)
        self.counts += members.sum(dim=0)

    def compute(self) -> Float[Tensor, "population prompt"]:
        """The means; NaN for a population without clips."""
        return self.sums / self.counts[:, None]
