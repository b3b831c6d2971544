"""How far a latent may move from its start along each direction in which samples differ.

An optimiser like Adam moves every entry of w at one pace, also along the many directions in which the
generator's own w hardly differ; there the image leaves what the generator has learned, the further the more
steps are taken. Within these bounds, in standard deviations of w, more steps come nearer to the target and
stay among faces.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.latents import LatentSpace, S
from stylewav_pl.ranges import check_number

SAMPLES = 4096
SEED = 20_261_126
AT_ONCE = 512


class Reach(nn.Module):
    """A box around each start, along the principal directions of w.

    Args:
        deviations: Half of its width along each, in standard deviations of w.
        space: W or W+, of which each row has a box of its own.
        generator: Maps noise to w.

    Raises:
        ConfigError: The space is another.
    """

    directions: Tensor
    widths: Tensor

    def __init__(self, deviations: float, space: LatentSpace, generator: Generator) -> None:
        super().__init__()
        if isinstance(space, S):
            raise ConfigError(
                "model.reach bounds how far w moves, and model.latent_space is S. Choose W or WPlus, or set "
                "the reach to null."
            )
        values, directions = principal_directions(generator)
        self.register_buffer("directions", directions, persistent=False)
        self.register_buffer("widths", deviations * values, persistent=False)

    @torch.no_grad()
    def keep(self, latents: Tensor, starts: Float[Tensor, " cohort *latent"]) -> None:
        """Moves latents that have left their boxes to the nearest place inside.

        Args:
            latents: ``[cohort, ...]``, changed in place.
            starts: The middles of the boxes.
        """
        along = (latents - starts) @ self.directions
        inside = along.clamp(min=-self.widths, max=self.widths)
        latents.add_((inside - along) @ self.directions.T)


def reach_of(deviations: float | None, space: LatentSpace, generator: Generator) -> Reach | None:
    """Returns the bounds of a setting; ``None`` where there are none.

    Raises:
        ConfigError: The number is out of its range, or the space has no such bounds.
    """
    check_number("model.reach", deviations, above=0)
    return None if deviations is None else Reach(deviations, space, generator)


def within(
    reach: Reach | None,
    descend: Callable[[Tensor], None],
    latents: Tensor,
    starts: Float[Tensor, " cohort *latent"],
) -> Callable[[Tensor], None]:
    """Returns ``descend`` with :meth:`Reach.keep` after each step; itself where nothing is bounded."""
    if reach is None:
        return descend

    def step(loss: Tensor) -> None:
        descend(loss)
        reach.keep(latents, starts)

    return step


@torch.no_grad()
def principal_directions(
    generator: Generator,
) -> tuple[Float[Tensor, " width"], Float[Tensor, "width width"]]:
    """Returns the standard deviations of w along its principal directions, and these as columns.

    From samples of a fixed seed, so that they belong to the generator alone.
    """
    rng = torch.Generator().manual_seed(SEED)
    z = torch.randn(SAMPLES, generator.z_dim, generator=rng).to(generator.w_mean)
    w = torch.cat([generator.map(part) for part in torch.split(z, AT_ONCE)]).double().cpu()
    found = torch.linalg.eigh(torch.cov(w.T))
    values = found.eigenvalues.clamp(min=0).sqrt()
    return values.to(generator.w_mean), found.eigenvectors.to(generator.w_mean)
