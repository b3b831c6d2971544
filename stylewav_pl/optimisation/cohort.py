"""The optimisation of one cohort, from its targets to its faces."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.optim import Optimizer

from stylewav_pl.errors import ConfigError
from stylewav_pl.optimisation.convergence import Convergence, Curve, EarlyStop
from stylewav_pl.optimisation.loss import CohortLoss, Seen
from stylewav_pl.optimisation.phases import Phase
from stylewav_pl.optimisation.rendering import Renderer, thumbnails
from stylewav_pl.optimisation.schedules import RampUpCosineDown, Schedule
from stylewav_pl.types import ClipBatch, CohortResult

StepWatch: TypeAlias = Callable[[int, Tensor, Tensor], object]
"""Takes the number of a step, images ``[cohort, 3, R, R]`` and similarities ``[cohort]``; ``True`` is the
end."""


@dataclass(frozen=True)
class Recipe:
    """How a cohort is optimised.

    Attributes:
        phases: All steps, see :func:`~stylewav_pl.optimisation.phases.phases_of`.
        schedule: Learning-rate shape.
        early_stop: When a clip has converged and is left as it is; ``None``: after all steps.
        frame_steps: Steps at which an image is kept for strips, each in [0, num_steps].

    Raises:
        ConfigError: There is no step, or a frame lies outside of all steps.
    """

    phases: Sequence[Phase]
    schedule: Schedule = field(default_factory=RampUpCosineDown)
    early_stop: EarlyStop | None = None
    frame_steps: Sequence[int] = ()

    def __post_init__(self) -> None:
        """Checks the values."""
        outside = [step for step in self.frame_steps if not 0 <= step <= self.num_steps]
        if outside:
            raise ConfigError(
                f"Expected frame_steps in [0, num_steps = {self.num_steps}], found {outside}. Correct "
                "model.frame_steps."
            )

    @property
    def num_steps(self) -> int:
        """The number of all steps."""
        return sum(len(phase.steps) for phase in self.phases)

    @property
    def learning_rate_factors(self) -> list[float]:
        """The factor of the learning rate at each step."""
        factors: list[float] = []
        for phase in self.phases:
            factors += [phase.factor(step, self.schedule) for step in phase.steps]
        return factors

    def steps(self, convergence: Convergence) -> Iterator[tuple[Phase, int]]:
        """Yields phase and number of each step; a phase ends early when every clip has converged in it."""
        for phase in self.phases:
            convergence.restart()
            for step in phase.steps:
                if convergence.over:
                    break
                yield phase, step


@dataclass(frozen=True)
class OptimizedCohort:
    """What the optimisation of a cohort gave, padding included.

    Attributes:
        images: ``[cohort, 3, R, R]``, RGB, about [-1, 1], at the final latents.
        embeddings: ``[cohort, embed]``, of these images by the guide.
        curves: ``[cohort, num_steps + 1]``, similarity to the target before each step and at the end.
        frames: By step, ``[cohort, 3, R, R]``.
        start_thumbnails: ``[cohort, 3, small, small]``, the images before the first step.
        terms: By name, ``[cohort]``, of the loss at the end.
    """

    images: Tensor
    embeddings: Tensor
    curves: Tensor
    frames: dict[int, Tensor]
    start_thumbnails: Tensor
    terms: dict[str, Tensor]

    @property
    def is_finite(self) -> Bool[Tensor, " cohort"]:
        """Whether each clip's image and similarities are finite numbers."""
        images, curves = (part.flatten(start_dim=1).isfinite() for part in (self.images, self.curves))
        return images.all(dim=1) & curves.all(dim=1)


def optimize_cohort(
    latents: nn.Parameter,
    starts: Float[Tensor, " cohort *latent"],
    targets: Float[Tensor, "cohort embed"],
    cohort_loss: CohortLoss,
    recipe: Recipe,
    renderer: Renderer,
    optimizer: Optimizer,
    descend: Callable[[Tensor], None],
    held: Bool[Tensor, "*entries"] | None = None,
    watch: StepWatch | None = None,
) -> OptimizedCohort:
    """Moves latents until their images come near to the targets.

    Images, similarities, gradients, step by step.

    The loss is a sum over clips, so that no clip's gradient depends on another's.

    Args:
        latents: ``[cohort, ...]``, what ``optimizer`` moves; put to the starts first.
        starts: Where they begin.
        targets: Unit norm; zero in a padded slot, which then has no gradient.
        cohort_loss: What is minimised.
        recipe: How.
        renderer: The frozen networks.
        optimizer: A cohort inherits nothing of what it has learned before.
        descend: Takes one gradient step of ``optimizer`` down a loss.
        held: Entries that stay as they start, ``[...]`` of every latent or ``[cohort, ...]``; ``None``: none.
        watch: Sees the images before each step and at the end; where it returns ``True`` they are the result.

    Source: StyleCLIP's latent optimisation (Patashnik et al. 2021).
    """
    reset_optimizer(optimizer)
    with torch.no_grad():
        latents.copy_(starts)
    convergence = Convergence(recipe.early_stop, idle=(targets == 0).all(dim=1))
    curve = Curve(recipe.num_steps)
    frames: dict[int, Tensor] = {}
    stopped = False
    start_thumbnails: Tensor | None = None
    for phase, step in recipe.steps(convergence):
        if phase.is_refinement and step == phase.steps.start:
            reset_optimizer(optimizer)  # what was learned of another resolution's gradients misleads
        images, embeddings, similarities = renderer.compiled_render_and_score(
            latents, targets, phase.resolution
        )
        if start_thumbnails is None:
            start_thumbnails = thumbnails(images.detach()).clone()
        if step in recipe.frame_steps:
            frames[step] = renderer.at_full_size(images, latents)
        curve.record(step, similarities)
        if watch is not None and watch(step, images.detach(), curve.latest) is True:
            stopped = True
            break
        convergence.observe(curve.latest)
        loss = cohort_loss(Seen(step, images, embeddings, similarities, latents)).sum()
        set_learning_rate(optimizer, phase.factor(step, recipe.schedule))
        with keep_still(latents, convergence.stopped, held):
            descend(loss)
        renderer.constrain(latents)
    with torch.no_grad():
        images, embeddings, similarities = renderer.render_and_score(latents, targets)
        terms = cohort_loss.values(Seen(recipe.num_steps, images, embeddings, similarities, latents))
    curve.record(recipe.num_steps, similarities)
    if watch is not None and not stopped:
        watch(recipe.num_steps, images, similarities)
    if start_thumbnails is None:  # under early_stop a cohort whose clips were all skipped has no step
        start_thumbnails = thumbnails(images)
    for step in recipe.frame_steps:
        frames.setdefault(step, images)
    frames = dict(sorted(frames.items()))
    return OptimizedCohort(images, embeddings, curve.values, frames, start_thumbnails, terms)


def cohort_result(
    batch: ClipBatch,
    targets: Float[Tensor, "cohort embed"],
    latents: Float[Tensor, " cohort *latent"],
    optimized: OptimizedCohort,
    seeds: Sequence[int | None],
) -> CohortResult:
    """Returns the cohort's result without its padding.

    Args:
        batch: Its clips.
        targets: What was heard.
        latents: At the end.
        optimized: Everything else.
        seeds: Of each slot.
    """
    live, images = list(batch.live), optimized.images
    terms = optimized.terms if len(optimized.terms) > 1 else {}
    frames = images.new_zeros(len(images), 0, *images.shape[1:])
    if optimized.frames:
        frames = torch.stack(list(optimized.frames.values()), dim=1)
    return CohortResult(
        cohort=batch.cohort,
        clips=batch.clips,
        skips=batch.skips,
        images=images[live],
        latents=latents.detach()[live].clone(),
        curves=optimized.curves[live],
        targets=targets[live],
        frames=frames[live],
        frame_steps=tuple(optimized.frames),
        seeds=tuple(seed for seed in seeds if seed is not None),
        embeddings=optimized.embeddings[live],
        starts=optimized.start_thumbnails[live],
        terms={name: values[live] for name, values in terms.items()},
    )


def reset_optimizer(optimizer: Optimizer) -> None:
    """Forgets the moments."""
    optimizer.state.clear()


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Sets every learning rate to ``factor`` times its first value."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group.setdefault("initial_lr", group["lr"])


@contextmanager
def keep_still(
    latents: nn.Parameter, clips: Bool[Tensor, " cohort"] | None, entries: Bool[Tensor, "*entries"] | None
) -> Iterator[None]:
    """Puts latents of some clips, and some entries of all or of each, back to where they were.

    Momentum moves what has no gradient any more, and weight decay what never had one.
    """
    if clips is None and entries is None:
        yield
        return
    before = latents.detach().clone()
    yield
    with torch.no_grad():
        if clips is not None:
            latents[clips] = before[clips]
        if entries is not None:
            latents.copy_(torch.where(entries, before, latents))
