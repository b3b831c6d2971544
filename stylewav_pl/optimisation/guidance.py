"""What moves a cohort: the terms of the objective, made for its clips from prompts and frozen networks."""

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.embedders.identity import IdentityEmbedder
from stylewav_pl.optimisation.bank import bank_of
from stylewav_pl.optimisation.closeness import standards, unit_or_zero
from stylewav_pl.optimisation.ensemble import Ensemble
from stylewav_pl.optimisation.loss import CohortLoss, Seen, Term
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.other_guides import Look, SeenBy, WeightedGuide
from stylewav_pl.optimisation.prompt_vectors import PromptVectors
from stylewav_pl.optimisation.prompts import VOICE_ALONE, Combine, Prompt, is_voice_alone
from stylewav_pl.optimisation.rendering import Renderer
from stylewav_pl.optimisation.terms import (
    AtStart,
    Direction,
    DistanceToStart,
    Identity,
    PromptPull,
    Similarity,
)
from stylewav_pl.optimisation.views import Views
from stylewav_pl.optimisation.voice_mean import mean_target, voice_directions, voice_targets
from stylewav_pl.optimisation.whitening import Whitening
from stylewav_pl.priors import Prior, VoicePart
from stylewav_pl.priors.prior import VOICE_DIRECTIONS
from stylewav_pl.types import ClipBatch


class Guidance:
    """Makes the loss of each cohort.

    Args:
        objective: Weights of the terms.
        renderer: Generator and guide.
        audio: Hears the recordings of prompts.
        prompts: What images should come near; ``None``: the clip's own voice.
        combine: Whether prompts are terms of their own, or add up to one vector.
        identity: Tells whose face an image shows; for the term of that name.
        views: Augmented copies that the guide sees, too.
        precision: In which the networks compute.
        prior: Knows where the encoder's voices lie among images; without one that is found when it is needed.
        guides: See texts and pictures, too.

    Raises:
        ConfigError: A prompt cannot be embedded.
    """

    def __init__(
        self,
        objective: Objective,
        renderer: Renderer,
        audio: AudioEmbedder,
        prompts: Sequence[Prompt] | None = None,
        combine: Combine = "terms",
        identity: IdentityEmbedder | None = None,
        views: Views | None = None,
        precision: str = "float32",
        prior: Prior | None = None,
        guides: Sequence[WeightedGuide] = (),
    ) -> None:
        self.objective, self.renderer, self.audio = objective, renderer, audio
        self.identity, self.views = identity, views or Views()
        self.prompts = tuple(prompts or VOICE_ALONE)
        self.is_plain, self.combine, self.precision = is_voice_alone(prompts), combine, precision
        self.vectors = PromptVectors(self.prompts, renderer.guide, audio)
        self.prior = prior
        self.ensemble = Ensemble(guides, self.prompts, objective, renderer, audio, precision)

    def of_cohort(
        self,
        batch: ClipBatch,
        targets: Float[Tensor, "cohort embed"],
        starts: Float[Tensor, " cohort *latent"],
        seeds: Sequence[int | None],
    ) -> tuple[ClipBatch, Float[Tensor, "cohort embed"], CohortLoss]:
        """Returns the loss of a cohort.

        Args:
            batch: Its clips.
            targets: What was heard in each; zero in a padded slot.
            starts: Where each begins.
            seeds: Of the clip in each slot; ``None`` for padding.

        Returns:
            The batch without the clips whose words are not known, their targets set to zero, and the loss.
        """
        batch, targets = self.vectors.without_unknown_words(batch, targets)
        batch, targets = self.ensemble.without_unknown_words(batch, targets)
        objective, terms = self.objective, dict[str, Term]()
        eyes = self.ensemble.eyes(lambda guide: self._look_again(guide, seeds))
        if objective.similarity or not self.has_other_terms:
            terms |= self._similarity(batch, self.followed(targets, starts), eyes)
        if objective.direction:
            terms |= self._direction(batch, targets, eyes)
        if objective.distance_to_start:
            terms["distance_to_start"] = DistanceToStart(objective.distance_to_start, starts, self.whitening)
        if objective.identity:
            terms["identity"] = Identity(objective.identity, self._whose, AtStart(self._whose))
        return batch, targets, CohortLoss(terms, self._look_again(self.renderer.guide, seeds))

    def candidate_score(
        self, batch: ClipBatch, targets: Float[Tensor, "cohort embed"]
    ) -> Callable[[Tensor], Tensor]:
        """Returns what tells candidates for a start apart.

        That is their similarity to the voice; with prompts the sum of their pulls, so that a clip begins at a
        face that has already something of what its words ask for.
        """
        if self.is_plain:
            return lambda latents: self.renderer.render_and_score(latents, targets)[2]
        batch, targets = self.vectors.without_unknown_words(batch, targets)
        batch, targets = self.ensemble.without_unknown_words(batch, targets)
        pulls = self._similarity(batch, targets, self.ensemble.eyes(lambda guide: None)).values()

        def score(latents: Float[Tensor, " cohort *latent"]) -> Float[Tensor, " cohort"]:
            seen = Seen(0, *self.renderer.render_and_score(latents, targets), latents)
            return -torch.stack([pull(seen) for pull in pulls]).sum(dim=0)

        return score

    @torch.no_grad()
    def followed(
        self, targets: Float[Tensor, "cohort embed"], starts: Float[Tensor, " cohort *latent"]
    ) -> Float[Tensor, "cohort embed"]:
        """Returns what images come near to instead of all that was heard, see ``Objective.follow``."""
        if self.objective.follow == "all":
            return targets
        vectors = self.renderer.render_and_score(starts, targets)[1]
        return self.part.goals(vectors, targets) * (targets != 0).any(dim=1, keepdim=True)

    @cached_property
    def part(self) -> VoicePart:
        """What voices decide."""
        if self.prior is not None:
            return self.prior.part
        directions = voice_directions(self.voices, VOICE_DIRECTIONS)
        return VoicePart(mean_target(self.voices), self.bank.mean(dim=0), directions)

    @property
    def has_other_terms(self) -> bool:
        """Whether anything but the similarity counts."""
        objective = self.objective
        return bool(objective.direction or objective.distance_to_start or objective.identity)

    @cached_property
    def bank(self) -> Float[Tensor, "sample embed"]:
        """What the guide sees in random faces."""
        return bank_of(self.renderer, self.precision)

    @cached_property
    def voices(self) -> Float[Tensor, "voice embed"]:
        """What is heard in a fixed bank of voices."""
        return voice_targets(self.audio)

    @cached_property
    def whitening(self) -> Whitening | None:
        """The units of the distance to the start."""
        return Whitening.of(self.renderer.generator) if self.objective.measure == "whitened" else None

    def _whose(self, seen: Seen) -> Float[Tensor, "cohort embed"]:
        assert self.identity is not None
        return self.identity.embed_identity(seen.images)

    def _look_again(self, guide: ImageTextEmbedder, seeds: Sequence[int | None]) -> Look | None:
        """What shows a guide augmented copies; none without views."""
        views = self.views
        if not views.count:
            return None

        def look(images: Tensor, step: int) -> Tensor:
            if images.shape[-1] > guide.image_size:  # the guide sees no more than this
                size = (guide.image_size, guide.image_size)
                images = F.interpolate(images, size, mode="bilinear", antialias=True)
            copies = views.copies(images, [seed or 0 for seed in seeds], step)
            seen = guide.embed_image(copies.flatten(end_dim=1))
            return seen.reshape(*copies.shape[:2], -1)

        return look

    def _similarity(
        self, batch: ClipBatch, targets: Float[Tensor, "cohort embed"], eyes: Sequence[SeenBy]
    ) -> dict[str, Term]:
        objective = self.objective
        if self.is_plain:
            return {
                "similarity": Similarity(
                    objective.similarity,
                    objective.logit_scale,
                    targets,
                    objective.distance,
                    is_scored=objective.follow == "all",
                )
            }
        asked = [(prompt, *self.vectors.of(prompt, batch, targets)) for prompt in self.prompts]
        if self.combine == "embeddings":
            sums = [prompt.weight * vectors for prompt, vectors, _ in asked]
            together = unit_or_zero(torch.stack(sums).sum(dim=0))
            return {
                "prompts": Similarity(
                    objective.similarity, 1.0, together, objective.distance, is_scored=False
                )
            }
        bank = self.bank.to(targets)
        scales = [standards(bank, vectors, objective.distance) for _, vectors, _ in asked]
        units = self._units([has for *_, has in asked], [spreads for _, spreads in scales])
        terms: dict[str, Term] = {}
        for (prompt, vectors, has), (means, spreads) in zip(asked, scales, strict=True):
            weights = objective.similarity * self._weight(prompt) * has.to(targets)
            terms[prompt.name] = PromptPull(
                vectors, weights, means, spreads, units, prompt.stop, objective.distance
            )
        return terms | self.ensemble.pulls(batch, targets, units, eyes)

    def _weight(self, prompt: Prompt) -> float:
        """What the guide has of a prompt's weight."""
        return prompt.weight * self.ensemble.share(prompt)

    def _units(
        self, has: Sequence[Bool[Tensor, " cohort"]], spreads: Sequence[Float[Tensor, " cohort"]]
    ) -> Float[Tensor, " cohort"]:
        """The spread of each clip's reference: its own voice, else the first prompt that it has.

        In these units the reference pulls as it would alone, so that other terms keep their weights.
        """
        units = torch.ones_like(spreads[0])
        first_counts_last = sorted(range(len(has)), key=lambda at: (self.prompts[at].is_own_voice, -at))
        for at in first_counts_last:
            units = torch.where(has[at], spreads[at], units)
        return units

    def _direction(
        self, batch: ClipBatch, targets: Float[Tensor, "cohort embed"], eyes: Sequence[SeenBy]
    ) -> dict[str, Term]:
        start = AtStart(lambda seen: seen.embeddings)
        terms: dict[str, Term] = {}
        for prompt in self.prompts:
            vectors, has = self.vectors.of(prompt, batch, targets)
            directions = unit_or_zero(vectors - self._origin(prompt).to(targets)) * has[:, None]
            weights = self.objective.direction * self._weight(prompt) * has.to(targets)
            terms[f"direction, {prompt.name}"] = Direction(directions, weights, start)
        return terms | self.ensemble.directions(batch, targets, eyes)

    def _origin(self, prompt: Prompt) -> Float[Tensor, " embed"]:
        """Where the direction of a prompt begins."""
        if prompt.audio is not None:
            return mean_target(self.voices)
        if prompt.image is not None:
            return self.bank.mean(dim=0)
        return self.vectors.neutral[prompt.name]
