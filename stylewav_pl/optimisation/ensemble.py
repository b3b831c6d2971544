"""What other guides add to the loss of a cohort: a term for each of them and each text or picture."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.optimisation.bank import bank_of
from stylewav_pl.optimisation.closeness import standards, unit_or_zero
from stylewav_pl.optimisation.loss import Term
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.other_guides import Look, SeenBy, WeightedGuide, others_of, shared_out
from stylewav_pl.optimisation.prompt_vectors import PromptVectors
from stylewav_pl.optimisation.prompts import Prompt
from stylewav_pl.optimisation.rendering import Renderer
from stylewav_pl.optimisation.terms import AtStart, Direction, PromptPull
from stylewav_pl.types import ClipBatch


class Ensemble:
    """The guides beside the guide.

    Args:
        guides: Built; perhaps none.
        prompts: All of a run; voices are left to the guide.
        objective: Weights of the terms.
        renderer: Generator and guide of the run.
        audio: Of the run.
        precision: In which the networks compute.

    Raises:
        ConfigError: A guide cannot embed a prompt.
    """

    def __init__(
        self,
        guides: Sequence[WeightedGuide],
        prompts: Sequence[Prompt],
        objective: Objective,
        renderer: Renderer,
        audio: AudioEmbedder,
        precision: str,
    ) -> None:
        self.guides, self.prompts = tuple(guides), others_of(prompts)
        self.objective, self.renderer, self.precision = objective, renderer, precision
        self.own_share, self.shares = shared_out([guide.weight for guide in guides])
        self.vectors = [PromptVectors(self.prompts, guide.network, audio) for guide in guides]

    def share(self, prompt: Prompt) -> float:
        """Returns which part of a prompt's weight is left to the guide of the run."""
        return self.own_share if prompt in self.prompts else 1.0

    @cached_property
    def banks(self) -> list[Float[Tensor, "sample embed"]]:
        """What each of them sees in random faces."""
        mine = self.renderer
        return [
            bank_of(Renderer(mine.generator, guide.network, mine.space, mine.noise), self.precision)
            for guide in self.guides
        ]

    def without_unknown_words(
        self, batch: ClipBatch, targets: Float[Tensor, "cohort embed"]
    ) -> tuple[ClipBatch, Float[Tensor, "cohort embed"]]:
        """Returns the batch without the clips whose words one of them does not know."""
        for vectors in self.vectors:
            batch, targets = vectors.without_unknown_words(batch, targets)
        return batch, targets

    def eyes(self, look: Callable[[ImageTextEmbedder], Look | None]) -> list[SeenBy]:
        """Returns what shows a cohort to each of them, once in a step.

        Args:
            look: From a guide to what it sees in augmented copies.
        """
        return [SeenBy(guide.network, look(guide.network)) for guide in self.guides]

    def pulls(
        self,
        batch: ClipBatch,
        targets: Float[Tensor, "cohort embed"],
        units: Float[Tensor, " cohort"],
        eyes: Sequence[SeenBy],
    ) -> dict[str, Term]:
        """Returns the terms of prompts for the clips of a cohort.

        Args:
            batch: Its clips.
            targets: What was heard in each.
            units: The spread of each clip's reference prompt, see
                :class:`~stylewav_pl.optimisation.terms.PromptPull`.
            eyes: Of the cohort.
        """
        terms: dict[str, Term] = {}
        distance = self.objective.distance
        for at, prompt, vectors, weights in self._asked(batch, targets, self.objective.similarity):
            means, spreads = standards(self.banks[at].to(vectors), vectors, distance)
            pull = PromptPull(vectors, weights, means, spreads, units, prompt.stop, distance)
            terms[self._name(at, prompt)] = eyes[at].term(pull)
        return terms

    def directions(
        self, batch: ClipBatch, targets: Float[Tensor, "cohort embed"], eyes: Sequence[SeenBy]
    ) -> dict[str, Term]:
        """Returns the terms of directions, likewise."""
        terms: dict[str, Term] = {}
        starts = [AtStart(lambda seen: seen.embeddings) for _ in eyes]
        for at, prompt, vectors, weights in self._asked(batch, targets, self.objective.direction):
            has = (weights != 0)[:, None]
            directions = unit_or_zero(vectors - self._origin(at, prompt).to(vectors)) * has
            name = f"direction, {self._name(at, prompt)}"
            terms[name] = eyes[at].term(Direction(directions, weights, starts[at]))
        return terms

    def _asked(
        self, batch: ClipBatch, targets: Tensor, weight: float
    ) -> Iterator[tuple[int, Prompt, Tensor, Tensor]]:
        """Each guide's number and each prompt, its vectors and weights in the slots of a cohort."""
        for at, guide in enumerate(self.guides):
            like = targets.new_zeros(len(targets), guide.network.embed_dim)
            for prompt in self.prompts:
                vectors, has = self.vectors[at].of(prompt, batch, like)
                yield at, prompt, vectors, weight * self.shares[at] * prompt.weight * has.to(like)

    def _name(self, at: int, prompt: Prompt) -> str:
        return f"{prompt.name}, by {self.guides[at].name}"

    def _origin(self, at: int, prompt: Prompt) -> Float[Tensor, " embed"]:
        """Where the direction of a prompt begins."""
        if prompt.image is not None:
            return self.banks[at].mean(dim=0)
        return self.vectors[at].neutral[prompt.name]
