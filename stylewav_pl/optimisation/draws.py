"""Draws of a prior for the clips of a cohort: again where a face does not answer as its voice does."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.priors import Prior

Own = Callable[[Tensor], Tensor]  # noise [row, z] to samples [row, w]
Look = Callable[[Tensor], Tensor]  # w [row, w] to what the guide sees in their images [row, embed]


@dataclass(frozen=True)
class Draws:
    """What a prior makes of noise.

    Attributes:
        prior: Draws, or moves samples.
        targets: Of each clip.
        own: Makes the samples that the prior moves, from the first entries of the noise; ``None``: it draws
            by itself.
        own_width: How many entries these are.
        look: Shows images to the guide.
        at_once: How many next draws of clips that still wait are looked at together; 0: one of each.
    """

    prior: Prior
    targets: Float[Tensor, "clip embed"]
    own: Own | None
    own_width: int
    look: Look
    at_once: int

    def taken(self, noise: Float[Tensor, "clip draw width"]) -> Float[Tensor, "clip w"]:
        """Returns each clip's first draw that answers as its voice does, or else the one that nearly does.

        Which one that is does not depend on the other clips.

        Args:
            noise: Of the draws of each clip, in the order in which they are looked at.
        """
        taken, seen = self._made(noise[:, 0], self.targets)
        leads = self.prior.leads(seen, self.targets)
        waiting = (leads < 0).nonzero()[:, 0]
        first, draws = 1, noise.shape[1]
        while first < draws and len(waiting):
            count = min(max(1, self.at_once // len(waiting)), draws - first)
            targets = self.targets[waiting].repeat_interleave(count, dim=0)
            found, seen = self._made(noise[waiting, first : first + count].flatten(end_dim=1), targets)
            # the first of the largest: of those that agree all have 0
            highest, which = self.prior.leads(seen, targets).view(len(waiting), count).max(dim=1)
            better = highest > leads[waiting]
            clips = waiting[better]
            taken[clips] = found.view(len(waiting), count, -1)[better, which[better]]
            leads[clips] = highest[better]
            waiting, first = waiting[highest < 0], first + count
        return taken

    def _made(
        self, noise: Float[Tensor, "row width"], targets: Float[Tensor, "row embed"]
    ) -> tuple[Float[Tensor, "row w"], Float[Tensor, "row embed"]]:
        """Returns w, and what the guide sees in their images."""
        of_prior = noise[:, self.own_width :]
        if self.own is None:
            w = self.prior.sample(targets, of_prior)
            return w, self.look(w)
        own = self.own(noise[:, : self.own_width])
        moved = self.prior.move(own, self.look(own), targets, of_prior)
        return self.prior.complete(moved, self.look, targets)
