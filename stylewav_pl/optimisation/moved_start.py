"""The first step of an edit: a prior moves each start by what its voice says, and leaves the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.optimisation.latents import LatentSpace, W, WPlus
from stylewav_pl.optimisation.rendering import Renderer
from stylewav_pl.optimisation.start import Start, sample_noise
from stylewav_pl.priors import Prior


def check_moved(start: Start, space: LatentSpace) -> None:
    """Compares a start that a prior moves with the latents.

    Raises:
        ConfigError: They are no w.
    """
    if start.moved_by is not None and not isinstance(space, W | WPlus):
        raise ConfigError(
            f"A prior moves w, and model.latent_space is {type(space).__name__}. Choose W or WPlus, or set "
            "model.start.moved_by to null."
        )


@dataclass(frozen=True)
class Move:
    """What a prior makes of the starts of a cohort, see :meth:`.Prior.move`.

    Attributes:
        prior: Knows what voices say.
        starts: In W, or in W+: there every row moves as the mean of the rows would.
        seeds: Of the clip in each slot; ``None`` for padding, which stays.
        targets: ``[cohort, embed]``, what was heard in each.
        renderer: Shows the starts to the guide.
    """

    prior: Prior
    starts: Float[Tensor, " cohort *latent"]
    seeds: Sequence[int | None]
    targets: Float[Tensor, "cohort embed"]
    renderer: Renderer

    @torch.no_grad()
    def moved(self) -> Float[Tensor, " cohort *latent"]:
        """Returns the moved starts."""
        live = [slot for slot, seed in enumerate(self.seeds) if seed is not None]
        if not live:
            return self.starts
        noise = [sample_noise(seed, 1, self.prior.latent_dim) for seed in self.seeds if seed is not None]
        chosen = self.starts[live]
        w = chosen if chosen.ndim == 2 else chosen.mean(dim=1)
        seen = self.renderer.render_and_score(self.starts, self.targets)[1]
        change = self.prior.move(w, seen[live], self.targets[live], torch.cat(noise).to(chosen)) - w
        moved = self.starts.clone()
        moved[live] = chosen + (change if chosen.ndim == 2 else change[:, None])
        return moved

    def first(self, descend: Callable[[Tensor], None], latents: Tensor) -> Callable[[Tensor], None]:
        """Returns ``descend`` whose first call ends at the moved starts.

        The first step has shown the starts by then, so that all terms compare with them.
        """
        waiting = [self]

        def step(loss: Tensor) -> None:
            descend(loss)
            if waiting:
                with torch.no_grad():
                    latents.copy_(waiting.pop().moved())

        return step
