"""The system: frozen networks wired around one trainable tensor, the latents of a cohort."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from jaxtyping import Float
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.embedders.identity import IdentityEmbedder
from stylewav_pl.generators.base import Generator
from stylewav_pl.latent_module import LatentModule
from stylewav_pl.optimisation import building
from stylewav_pl.optimisation.adaptive_layers import LayerChoice, Layers
from stylewav_pl.optimisation.cohort import Recipe, StepWatch, cohort_result, optimize_cohort
from stylewav_pl.optimisation.convergence import EarlyStop
from stylewav_pl.optimisation.given_latents import GivenStarts
from stylewav_pl.optimisation.guidance import Guidance
from stylewav_pl.optimisation.hardware import Speed
from stylewav_pl.optimisation.latents import LatentSpace, W
from stylewav_pl.optimisation.loss import Seen
from stylewav_pl.optimisation.moved_start import Move
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.optimizer_trial import OptimizerFactory
from stylewav_pl.optimisation.other_guides import OtherGuide, WeightedGuide, check_guides, freeze
from stylewav_pl.optimisation.phases import Refinement, phases_of
from stylewav_pl.optimisation.prior_start import Sources
from stylewav_pl.optimisation.prompts import Combine, Prompt
from stylewav_pl.optimisation.reach import reach_of, within
from stylewav_pl.optimisation.rendering import Renderer
from stylewav_pl.optimisation.schedules import RampUpCosineDown, Schedule
from stylewav_pl.optimisation.start import Start, initial_latents
from stylewav_pl.optimisation.targets import drop_diverged, embed_targets
from stylewav_pl.optimisation.tuning import tuned
from stylewav_pl.optimisation.views import Views
from stylewav_pl.priors import Prior
from stylewav_pl.runs.members import seed_of
from stylewav_pl.types import Clip, ClipBatch, CohortResult


class StyleWav(LatentModule):
    """Optimises one latent per clip until its image sounds like the clip.

    One batch is one cohort, optimised from start to end inside ``training_step``. The cohort's latents are
    the only trainable parameter, ``[cohort, ...]``; they and the optimiser state are reset for each cohort.

    Source: J. Ngo, "StyleWav: Guiding Image Synthesis Using Audio".
    """

    def __init__(
        self,
        generator: Generator,
        guide: ImageTextEmbedder,
        audio: AudioEmbedder,
        cohort_size: int | Literal["auto"],
        latent_space: LatentSpace | None = None,
        start: Start | None = None,
        objective: Objective | None = None,
        prompts: list[Prompt] | None = None,
        combine: Combine = "terms",
        views: Views | None = None,
        layers: LayerChoice = None,
        num_steps: int = 10,
        optimizer: OptimizerFactory | None = None,
        schedule: Schedule | None = None,
        refinement: Refinement | None = None,
        early_stop: EarlyStop | None = None,
        noise: Literal["const", "none"] = "const",
        frame_steps: Sequence[int] = (),
        speed: Speed | None = None,
        seed: int = 0,
        prior: Prior | None = None,
        given: GivenStarts | None = None,
        reach: float | None = None,
        identity: IdentityEmbedder | None = None,
        guides: Sequence[WeightedGuide] = (),
    ) -> None:
        """Wires built parts.

        Args:
            generator: Renders latents; frozen here.
            guide: Embeds the images; frozen here.
            audio: Embeds the clips; frozen here.
            cohort_size: Slots per cohort, at least 1; ``auto``: those of the trainer's data module.
            latent_space: What is optimised; W by default.
            start: Where a clip's latent begins; at the mean w by default.
            objective: What is minimised; 1 - cosine by default.
            prompts: What images should come near, or keep away from; ``None``: the clip's own voice alone.
            combine: Whether prompts are terms of their own (``terms``), each on the scale of random faces, or
                add up to one vector (``embeddings``).
            views: Augmented copies that the guide sees beside each image; none by default.
            layers: Which parts of a latent may move, in W+ or S: ranges of w vectors from coarse to fine
                (``0-7``), or styles by name (``conv3``); ``adaptive``, or how many: those that each clip's
                own loss moves most; ``None``: all.
            num_steps: Optimisation steps per cohort; 0: the start itself is the result.
            optimizer: Builds the optimiser for the latents; Adam at 0.1 by default.
            schedule: Learning-rate shape; StyleCLIP's by default.
            refinement: Coarse steps before full ones; all are full by default.
            early_stop: When a clip has converged and is left as it is; ``None``: after ``num_steps``.
            noise: The generator's noise inputs: its stored constants, or none.
            frame_steps: Steps at which an image is kept for strips, each in [0, num_steps].
            speed: Precision, memory and compilation of a step.
            seed: Seed of the run, from which each clip's own seed follows.
            prior: Draws or moves the starts, where ``start`` names one; it belongs to these networks.
            given: Holds the starts, where ``start.latent`` or ``start.photo`` is set.
            reach: How far a latent may move from its start, along each direction in which w differs, in its
                standard deviations there; ``None``: anywhere.
            identity: Tells whose face an image shows, where ``objective.identity`` is set; frozen here.
            guides: Other CLIP models that see texts and pictures, too; frozen here.

        Raises:
            ConfigError: The parts do not fit together.
        """
        building.check_counts(num_steps, cohort_size)
        building.check_spaces(guide, audio)
        refinement = refinement or Refinement()
        refinement.check(generator.resolutions)
        speed, space = speed or Speed(), latent_space or W()
        generator = generator.freeze(speed.dtype, generator.resolution // 16, speed.recompute_from)
        super().__init__(space.start(generator), cohort_size, optimizer, speed)
        self.generator, self.latent_space = generator, space
        self.guide = guide.eval().requires_grad_(False)
        self.audio = audio.eval().requires_grad_(False)
        self.identity = identity
        self.start = start or Start()
        building.check_start(self.start, num_steps, prior, given, generator, space, cohort_size, speed)
        self.prior, self.given = prior, given
        self.reach = reach_of(reach, self.latent_space, generator)
        self.recipe = Recipe(
            phases_of(num_steps, generator.resolution, refinement),
            schedule or RampUpCosineDown(),
            early_stop,
            tuple(sorted(set(frame_steps))),
        )
        self.renderer = Renderer(
            generator, guide, self.latent_space, noise, self.speed.compile, self.speed.precision
        )
        check_guides(guides, guide, prompts, combine)
        building.check_guidance(
            objective or Objective(), prompts, combine, early_stop, identity, self.latent_space
        )
        asked = (prompts, combine, identity, views, self.speed.precision, prior, guides)
        self.guidance = Guidance(objective or Objective(), self.renderer, audio, *asked)
        self.guides = freeze(guides)
        self.seed = seed
        self.layers = Layers(layers, self.latent_space, generator)

    @classmethod
    def from_sources(
        cls,
        generator: str | Generator = "pocket",
        guide: str | ImageTextEmbedder = "pocket",
        audio: str | AudioEmbedder = "pocket",
        preprocess: Literal["clip", "reference"] = "clip",
        identity: str | IdentityEmbedder | None = None,
        cohort_size: int | Literal["auto"] = 16,
        start: Start | None = None,
        latent_space: LatentSpace | None = None,
        guides: list[OtherGuide] | None = None,
        **settings: Any,
    ) -> "StyleWav":
        """Loads the networks and wires them; what the command line builds from a configuration.

        Args:
            generator: Registry name or weight file of the generator, or a built one.
            guide: The CLIP model that is optimised against: registry name, weight file,
                ``open_clip:MODEL/TAG[@FILE]``, or a built one.
            audio: Registry name or weight file of the audio encoder, or a built one.
            preprocess: How images reach the guide: ``clip`` (resize and normalise) or ``reference`` (as
                StyleCLIP did).
            identity: Tells whose face an image shows, for ``objective.identity``: the file of IR-SE50, a CLIP
                model (one that neither guides nor judges, by preference), or a built one.
            cohort_size: Slots per cohort; the command line takes it from the data module.
            start: Where a clip's latent begins; at the mean w by default.
            latent_space: What is optimised; W by default.
            guides: Other CLIP models that see the texts and pictures among the prompts, too; none by default.
            **settings: The others of :class:`StyleWav`; the command line takes ``seed`` from
                ``seed_everything``.

        Raises:
            ConfigError: The parts do not fit together.
            WeightsError: A weight file is missing, damaged or of the wrong kind.
        """
        sources = Sources(generator, guide, audio, preprocess)
        parts = building.load_parts(
            sources,
            identity,
            start,
            latent_space or W(),
            settings.get("seed", 0),
            settings.get("noise", "const"),
            guides,
        )
        return cls(  # named one by one: the command line offers the others as settings
            generator=parts.generator,
            guide=parts.guide,
            audio=parts.audio,
            cohort_size=cohort_size,
            start=start,
            latent_space=latent_space,
            prior=parts.prior,
            given=parts.given,
            identity=parts.identity,
            guides=parts.guides,
            **settings,
        )

    @property
    def latent_metadata(self) -> dict[str, str]:
        """What a reader of this module's latents needs to know."""
        return self.latent_space.metadata(self.generator)

    def training_step(self, batch: ClipBatch, batch_index: int) -> dict[str, CohortResult]:
        """Clips to targets; then latents to images to similarities to gradients to latents, step by step."""
        optimizer = cast(LightningOptimizer, self.optimizers())
        return {"result": self.optimize(batch, optimizer.optimizer, self.descend)}

    def optimize(
        self,
        batch: ClipBatch,
        optimizer: Optimizer,
        descend: Callable[[Tensor], None],
        watch: StepWatch | None = None,
    ) -> CohortResult:
        """Optimises one cohort; what a trainer does with it, and what can be done without one.

        Args:
            batch: On this module's device.
            optimizer: Of :meth:`configure_optimizers`.
            descend: Takes one step of it down a loss.
            watch: Sees each step, see :func:`~stylewav_pl.optimisation.cohort.optimize_cohort`.
        """
        batch, targets = embed_targets(batch, self.audio, like=self.latents)
        if self.given is None:
            starts = self.initial_latents(self.seeds_of(batch), targets, batch)
        else:
            batch, targets, starts = self.given.starts(batch, targets, self.mean_latent)
        delta = building.tuning_of(self.given, batch, self.speed)
        if delta:  # what belongs to the generator as it is (a bank of faces) is measured before it is changed
            self.guidance.of_cohort(batch, targets, starts, self.seeds_of(batch))
        with tuned(self.generator, delta):
            batch, targets, loss = self.guidance.of_cohort(batch, targets, starts, self.seeds_of(batch))
            held = self.layers.held_in(self.guidance, batch, targets, starts, self.seeds_of(batch))
            if self.start.moved_by and self.prior:
                move = Move(self.prior, starts, self.seeds_of(batch), targets, self.renderer)
                descend = move.first(descend, self.latents)
            descend = within(self.reach, descend, self.latents, starts)
            networks = (self.recipe, self.renderer, optimizer, descend)
            optimized = optimize_cohort(self.latents, starts, targets, loss, *networks, held, watch)
        finite = optimized.is_finite & self.latents.detach().flatten(start_dim=1).isfinite().all(dim=1)
        batch = drop_diverged(batch, finite)
        result = cohort_result(batch, targets, self.latents, optimized, self.seeds_of(batch))
        return replace(result, tuning=delta)

    def trial_loss(self, clips: int) -> Float[Tensor, ""]:
        """Returns the loss of a step of so many clips of no voice: what a step takes can be measured with it.

        Views, identity and other terms are part of it, and latents at the mean face are its leaves.
        """
        latents = self.make_latents(clips)
        targets = F.normalize(latents.new_ones(clips, self.guide.embed_dim), dim=1)
        silent = ClipBatch(0, tuple(Clip(str(slot), "") for slot in range(clips)), ())
        seeds = list(range(clips))
        _, targets, loss = self.guidance.of_cohort(silent, targets, latents.detach(), seeds)
        seen = Seen(0, *self.renderer.render_and_score(latents, targets), latents)
        return loss(seen).sum()

    def seeds_of(self, batch: ClipBatch) -> list[int | None]:
        """Returns the seed of the clip in each slot; ``None`` for padding."""
        return [None if clip is None else seed_of(self.seed, clip) for clip in batch.slots]

    def initial_latents(
        self, seeds: Sequence[int | None], targets: Float[Tensor, "cohort embed"], batch: ClipBatch
    ) -> Float[Tensor, " cohort *latent"]:
        """Returns where each slot's latent begins; ``seeds`` as of :meth:`seeds_of`."""
        return initial_latents(
            self.start,
            seeds,
            self.mean_latent,
            self.latent_space,
            self.generator,
            score=self.guidance.candidate_score(batch, targets),
            prior=self.prior if self.start.prior else None,
            targets=targets,
            see=lambda some: self.renderer.render_and_score(some, targets[: len(some)])[1],
        )

    def predict_step(
        self, batch: Float[Tensor, " clip *latent"], batch_index: int
    ) -> Float[Tensor, "clip 3 height width"]:
        """Renders latents of an earlier run."""
        return self.renderer.render(batch)
