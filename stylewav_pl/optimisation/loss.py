"""The loss of a cohort: named terms with one value per clip, in what a step has rendered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Seen:
    """What a step has rendered.

    Attributes:
        step: Its number.
        images: ``[cohort, 3, height, width]``, RGB, about [-1, 1].
        embeddings: ``[cohort, embed]``, of these images by the guide, unit norm.
        similarities: ``[cohort]``, cosine with the targets.
        latents: ``[cohort, ...]``, what was rendered.
        copies: ``[view, cohort, embed]``, what the guide sees in augmented copies; none without views.
    """

    step: int
    images: Tensor
    embeddings: Tensor
    similarities: Tensor
    latents: Tensor
    copies: Tensor | None = None

    @cached_property
    def views(self) -> Float[Tensor, "view cohort embed"]:
        """The embeddings of the images themselves and of their copies."""
        own = self.embeddings.unsqueeze(0)
        return own if self.copies is None else torch.cat([own, self.copies])


Term: TypeAlias = Callable[[Seen], Tensor]
"""From what a step has rendered to the weighted value of each clip, ``[cohort]``; none depends on another
clip."""


class CohortLoss:
    """The sum of terms for the clips of one cohort.

    Args:
        terms: By name, in the order in which they are added.
        look_again: From images and the number of a step to what the guide sees in augmented copies of them,
            ``[view, cohort, embed]``; ``None``: no copies.
    """

    def __init__(
        self, terms: Mapping[str, Term], look_again: Callable[[Tensor, int], Tensor] | None = None
    ) -> None:
        self.terms, self.look_again = terms, look_again

    def __call__(self, seen: Seen) -> Float[Tensor, " cohort"]:
        """Returns the loss of each clip, augmented copies included."""
        if self.look_again is not None:
            seen = replace(seen, copies=self.look_again(seen.images, seen.step))
        values = iter(self.values(seen).values())
        loss = next(values)
        for value in values:
            loss = loss + value
        return loss

    def values(self, seen: Seen) -> dict[str, Float[Tensor, " cohort"]]:
        """Returns each term of the loss."""
        return {name: term(seen) for name, term in self.terms.items()}
