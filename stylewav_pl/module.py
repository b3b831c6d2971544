"""The system: frozen networks wired around one trainable tensor, the latents of a cohort."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from jaxtyping import Bool, Float
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from stylewav_pl.convergence import Convergence, Curve, EarlyStop
from stylewav_pl.data.window import windows_of
from stylewav_pl.embedders import WAV2CLIP_GUIDE, load_audio_embedder, load_image_text_embedder
from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.footprint import cohort_that_fits, flops
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.base import Generator
from stylewav_pl.hardware import DTYPES, Precision, check_precision, compiled, keep_freed_memory
from stylewav_pl.latents import LatentSpace, W
from stylewav_pl.objectives import Objective, cosine_similarity
from stylewav_pl.optimizer_trial import OptimizerFactory, try_optimizer
from stylewav_pl.phases import Phase, phases_of
from stylewav_pl.ranges import check_number
from stylewav_pl.runs.plan import clip_seed
from stylewav_pl.schedules import RampUpCosineDown, Schedule
from stylewav_pl.types import ClipBatch, CohortResult, ConfigError, Skip, SkipReason

MOST_CANDIDATES = 10_000
NOT_EMBEDDABLE = "the audio encoder gave numbers that are not finite"
DIVERGED = (
    "The optimisation left the finite numbers. Lower the learning rate of model.optimizer or the weights of "
    "model.objective, or compute in float32 (model.precision)."
)


class StyleWav(LightningModule):
    """Optimises one latent per clip until its image sounds like the clip.

    One batch is one cohort, optimised from start to end inside ``training_step``. The cohort's latents are
    the only trainable parameter, ``[cohort, ...]``; they and the optimiser state are reset for each cohort.
    The loss is a sum over clips, so that no clip's gradient depends on another's.

    Source: J. Ngo, "StyleWav: Guiding Image Synthesis Using Audio"; latent optimisation of StyleCLIP
        (Patashnik et al. 2021).
    """

    def __init__(
        self,
        generator: Generator,
        guide: ImageTextEmbedder,
        audio: AudioEmbedder,
        cohort_size: int | Literal["auto"],
        latent_space: LatentSpace | None = None,
        objective: Objective | None = None,
        schedule: Schedule | None = None,
        optimizer: OptimizerFactory | None = None,
        num_steps: int = 10,
        noise: Literal["const", "none"] = "const",
        start_truncation: float = 0.0,
        start_candidates: int = 1,
        frame_steps: Sequence[int] = (),
        synthesis_resolution: int | None = None,
        full_steps: int = 8,
        early_stop: EarlyStop | None = None,
        precision: Precision = "float32",
        recompute_from: int | None = None,
        compile: bool | Literal["auto", "cuda-graphs"] = "auto",
        seed: int = 0,
    ) -> None:
        """Wires built parts.

        Args:
            generator: Renders latents; frozen here.
            guide: Embeds the images; frozen here.
            audio: Embeds the clips; frozen here.
            cohort_size: Slots per cohort, at least 1; ``auto``: one, until :meth:`resize` tells.
            latent_space: What is optimised; W by default.
            objective: What is minimised; 1 - cosine by default.
            schedule: Learning-rate shape; StyleCLIP's by default.
            optimizer: Builds the optimiser for the latents; Adam at 0.1 by default.
            num_steps: Optimisation steps per cohort, at least 1.
            noise: The generator's noise inputs: its stored constants, or none.
            start_truncation: 0: every clip starts at the mean w, as in the paper; above 0, at most 1: at a
                sample of its own, drawn from the clip's seed and pulled towards the mean by this factor, so
                that what the voice does not say varies.
            start_candidates: How many such samples each clip draws; it starts at the one most similar to its
                target (the search before the optimisation of FuseDream, Liu et al. 2021, arXiv:2112.01573).
                Each costs about a third of a step.
            frame_steps: Steps at which an image is kept for strips, each in [0, num_steps].
            synthesis_resolution: Height in pixels at which all steps but the last are rendered, faster and
                nearly as well, because the guide sees few pixels; ``None``: every step at full resolution.
                The final image and similarity are always at full resolution.
            full_steps: With ``synthesis_resolution``: how many of the last steps are at full resolution, see
                :mod:`stylewav_pl.phases`.
            early_stop: When a clip has converged and is left as it is; ``None``: after ``num_steps``.
            precision: Of the generator's four finest resolutions: ``float32``; ``bfloat16`` for GPUs and for
                CPUs that have such numbers;
                ``tfloat32`` and ``float16`` for GPUs.
            recompute_from: From this height in pixels on feature maps are computed again instead of kept,
                which takes about a quarter more time and lets more clips into memory; ``None``: never.
            compile: Compiles a step (``torch.compile``), which takes a minute or two of each process;
                ``cuda-graphs`` also records it, for small generators on a GPU; ``auto``: not until
                :meth:`compile_steps` tells; the command line does where a run is four hours' work.
            seed: Seed of the run, from which each clip's own seed follows.

        Raises:
            ConfigError: The parts do not fit together.
        """
        super().__init__()
        self.automatic_optimization = False
        self.strict_loading = False  # checkpoints hold the latents alone
        slots = 1 if cohort_size == "auto" else cohort_size
        _check_settings(num_steps, slots, frame_steps)
        _check_start(start_truncation, start_candidates)
        _check_resolution(generator, synthesis_resolution, full_steps, recompute_from)
        _check_fit(guide, audio)
        self.generator = generator.freeze(DTYPES[precision], generator.resolution // 16, recompute_from)
        self.guide = guide.eval().requires_grad_(False)
        self.audio = audio.eval().requires_grad_(False)
        self.latent_space = latent_space or W()
        self.objective = objective or Objective()
        self.schedule = schedule or RampUpCosineDown()
        self.optimizer_factory = optimizer or (lambda parameters: Adam(parameters, lr=0.1))
        self.num_steps = num_steps
        self.noise = noise
        self.start_truncation = start_truncation
        self.start_candidates = start_candidates
        self.frame_steps = tuple(sorted(set(frame_steps)))
        self.phases = phases_of(num_steps, generator.resolution, synthesis_resolution, full_steps)
        self.early_stop = early_stop
        self.precision = precision
        self.seed = seed
        self.compile_steps(False if compile == "auto" else compile)
        self.register_buffer("start", self.latent_space.start(generator), persistent=False)
        self.register_buffer("held", self.latent_space.held(generator), persistent=False)
        self.resize(slots)

    start: Tensor
    held: Tensor | None

    @property
    def latent_metadata(self) -> dict[str, str]:
        """What a reader of this module's latents needs to know."""
        return self.latent_space.metadata(self.generator)

    @classmethod
    def from_sources(
        cls,
        generator: str | Generator = "pocket",
        guide: str | ImageTextEmbedder = "pocket",
        audio: str | AudioEmbedder = "pocket",
        preprocess: Literal["clip", "reference"] = "clip",
        cohort_size: int | Literal["auto"] = 16,
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
            cohort_size: Slots per cohort; the command line takes it from the data module.
            **settings: The others of :class:`StyleWav`; the command line takes ``seed`` from
                ``seed_everything``.

        Raises:
            ConfigError: The parts do not fit together.
            WeightsError: A weight file is missing, damaged or of the wrong kind.
        """
        return cls(
            generator=load_generator(generator) if isinstance(generator, str) else generator,
            guide=load_image_text_embedder(guide, preprocess=preprocess) if isinstance(guide, str) else guide,
            audio=load_audio_embedder(audio) if isinstance(audio, str) else audio,
            cohort_size=cohort_size,
            **settings,
        )

    def cohort_that_fits(self, free: int, clips: int, device: str) -> int:
        """How many clips to optimise side by side in ``free`` bytes of a ``device``; a process has ``clips`` of them."""
        return cohort_that_fits(self._step_at(self.generator.resolution), self.start, free, clips, device)

    def operations(self) -> int:
        """Floating-point operations of all steps of one clip."""
        return sum(
            len(phase.steps) * flops(self._step_at(phase.resolution), self.start) for phase in self.phases
        )

    def _step_at(self, resolution: int) -> Callable[[Tensor], Tensor]:
        def step(latents: Tensor) -> Tensor:
            return self.look(latents, latents.new_zeros(len(latents), self.guide.embed_dim), resolution)[2]

        return step

    def compile_steps(self, how: bool | Literal["cuda-graphs"]) -> None:
        """Sets whether and how steps are compiled; before the first one."""
        self.quick_look = compiled(self.look, how) if how else self.look

    def resize(self, cohort_size: int) -> None:
        """Sets how many slots a cohort has; before the optimiser is made."""
        self.latents = nn.Parameter(self.start.repeat(cohort_size, *(1 for _ in self.start.shape)))

    def on_fit_start(self) -> None:
        """Prepares the device.

        Raises:
            ConfigError: It cannot work in the precision that was asked for.
        """
        check_precision(self.precision, self.device)
        self.check_optimizer(self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        else:
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = (
                self.precision != "float32"
            )

    def check_optimizer(self, device: torch.device) -> None:
        """Refuses an optimiser that cannot move this module's latents on ``device``.

        Raises:
            ConfigError: It cannot be built, or cannot take a step.
        """
        try_optimizer(self.optimizer_factory, self.start[None].to(device))

    def configure_optimizers(self) -> Optimizer:
        """One optimiser for the one parameter."""
        optimizer = self.optimizer_factory([self.latents])
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        return optimizer

    def training_step(self, batch: ClipBatch, batch_index: int) -> dict[str, CohortResult]:
        """Clips to targets; then latents to images to similarities to gradients to latents, ``num_steps`` times."""
        batch, targets = self.embed_targets(batch)
        starts = self.starts_of(batch, targets)
        optimizer = self.restarted_optimizer(starts)
        convergence = Convergence(self.early_stop, idle=(targets == 0).all(dim=1))
        curve = Curve(self.num_steps)
        frames: dict[int, Tensor] = {}
        first: Tensor | None = None
        for phase, step in self.steps(convergence):
            if phase.polishes and step == phase.steps.start:
                # what was learned of another resolution's gradients misleads
                optimizer.optimizer.state.clear()
            images, _, similarities = self.quick_look(self.latents, targets, phase.resolution)
            first = thumbnails(images.detach()).clone() if first is None else first
            frames |= {step: self.at_full_size(images)} if step in self.frame_steps else {}
            curve.record(step, similarities)
            convergence.observe(curve.latest)
            loss = self.objective(similarities, self.latents, starts).sum()
            self.take_step(optimizer, loss, phase.factor(step, self.schedule), convergence.converged)
        with torch.no_grad():
            images, embeddings, similarities = self.look(self.latents, targets)
            curve.record(self.num_steps, similarities)
        # under early_stop a cohort whose clips were all skipped has no step
        first = thumbnails(images) if first is None else first
        frames |= {step: images for step in self.frame_steps if step not in frames}
        return {
            "result": self.collect(
                self.without_diverged(batch, images, curve.values),
                targets,
                images,
                curve.values,
                dict(sorted(frames.items())),
                embeddings,
                first,
            )
        }

    def steps(self, convergence: Convergence) -> Iterator[tuple[Phase, int]]:
        """Phase and number of each step; a phase ends early when every clip has converged in it."""
        for phase in self.phases:
            convergence.restart()
            for step in phase.steps:
                if convergence.over:
                    break
                yield phase, step

    def look(
        self,
        latents: Float[Tensor, "cohort *latent"],
        targets: Float[Tensor, "cohort embed"],
        resolution: int | None = None,
    ) -> tuple[
        Float[Tensor, "cohort 3 height width"], Float[Tensor, "cohort embed"], Float[Tensor, " cohort"]
    ]:
        """Images, their embeddings, and the similarities to the targets: everything of a step that costs."""
        images = self.render(latents, resolution)
        embeddings = self.guide.embed_image(images)
        return images, embeddings, cosine_similarity(embeddings, targets)

    @torch.no_grad()
    def at_full_size(self, images: Float[Tensor, "cohort 3 _ _"]) -> Float[Tensor, "cohort 3 height width"]:
        """The images of the present latents, rendered again if they are coarse."""
        return (
            images.detach().clone()
            if images.shape[-1] == self.generator.resolution
            else self.render(self.latents)
        )

    def predict_step(
        self, batch: Float[Tensor, "clip *latent"], batch_index: int
    ) -> Float[Tensor, "clip 3 height width"]:
        """Renders latents of an earlier run."""
        return self.render(batch)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # torch's overloads differ between releases
        """The latents alone: nothing frozen is ever in a checkpoint."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        return {name: value for name, value in state.items() if name.rpartition(".")[2] == "latents"}

    @torch.no_grad()
    def embed_targets(self, batch: ClipBatch) -> tuple[ClipBatch, Float[Tensor, "cohort embed"]]:
        """The target of each slot: unit norm, or zero in a padded slot, which then has no gradient.

        Returns:
            The batch without the clips whose embedding is not finite, and the targets.
        """
        targets = self.latents.new_zeros(len(batch.slots), self.guide.embed_dim)
        if batch.waveforms:
            with torch.autocast(self.device.type, enabled=False):  # once per clip: precision costs nothing
                targets[list(batch.live)] = self._embed(batch).to(targets)
        lost = [slot for slot in batch.live if not targets[slot].isfinite().all()]
        targets[lost] = 0.0
        return _without(batch, lost, SkipReason.NOT_EMBEDDABLE, NOT_EMBEDDABLE), targets

    def without_diverged(
        self,
        batch: ClipBatch,
        images: Float[Tensor, "cohort 3 height width"],
        curves: Float[Tensor, "cohort step"],
    ) -> ClipBatch:
        """The batch without the clips whose latent, image or similarity is not finite: nothing of theirs can be written."""
        parts = (self.latents.detach(), images, curves)
        finite = torch.stack([part.flatten(start_dim=1).isfinite().all(dim=1) for part in parts]).all(dim=0)
        lost = [slot for slot in batch.live if not finite[slot]]
        return _without(batch, lost, SkipReason.NOT_FINITE, DIVERGED)

    def _embed(self, batch: ClipBatch) -> Float[Tensor, "clip embed"]:
        if batch.averaged is None:
            return self.audio.embed_audio(batch.waveforms)
        return self.audio.embed_windows(
            [windows_of(waveform, batch.averaged) for waveform in batch.waveforms]
        )

    def render(
        self, latents: Float[Tensor, "clip *latent"], resolution: int | None = None
    ) -> Float[Tensor, "clip 3 height width"]:
        """Images of latents of this module's latent space, RGB, about [-1, 1]; at full resolution unless told otherwise."""
        return self.generator.synthesize(
            self.latent_space.expand(latents, self.generator), noise=self.noise, resolution=resolution
        )

    @torch.no_grad()
    def starts_of(
        self, batch: ClipBatch, targets: Float[Tensor, "cohort embed"]
    ) -> Float[Tensor, "cohort *latent"]:
        """Where each slot's latent begins: at the mean, or at the best of the clip's own samples; one cohort is rendered at a time."""
        starts = self.start.repeat(len(batch.slots), *(1 for _ in self.start.shape))
        if not self.start_truncation or not batch.clips:
            return starts
        live = list(batch.live)
        own = torch.stack(
            [
                _own_noise(clip_seed(self.seed, clip.id), self.start_candidates, self.generator.z_dim)
                for clip in batch.clips
            ]
        )
        highest = targets.new_full((len(targets),), -torch.inf)
        for z in own.to(starts).unbind(dim=1):
            candidates = self.start.repeat(len(batch.slots), *(1 for _ in self.start.shape))
            candidates[live] = self.latent_space.from_w(
                self.generator.map(z, truncation=self.start_truncation), self.generator
            )
            if self.start_candidates == 1:
                return candidates
            similarities = self.look(candidates, targets)[2]
            better = similarities > highest
            starts[better], highest[better] = candidates[better], similarities[better]
        return starts

    def restarted_optimizer(self, starts: Float[Tensor, "cohort *latent"]) -> LightningOptimizer:
        """Puts every latent to its start and forgets the optimiser's moments; a cohort inherits nothing."""
        optimizer = cast(LightningOptimizer, self.optimizers())
        optimizer.optimizer.state.clear()
        with torch.no_grad():
            self.latents.copy_(starts)
        return optimizer

    def take_step(
        self,
        optimizer: LightningOptimizer,
        loss: Float[Tensor, ""],
        factor: float,
        still: Bool[Tensor, " cohort"],
    ) -> None:
        """One gradient step at ``factor`` times the learning rate.

        Latents that are ``still`` stay where they are, and entries that the latent space holds, too: weight
        decay moves what has no gradient.
        """
        stays = self.early_stop is not None or self.held is not None
        before = self.latents.detach().clone() if stays else None
        for group in optimizer.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        if before is not None:
            with torch.no_grad():
                self.latents[still] = before[still]
                if self.held is not None:
                    self.latents[:, self.held] = before[:, self.held]

    def collect(
        self,
        batch: ClipBatch,
        targets: Float[Tensor, "cohort embed"],
        images: Float[Tensor, "cohort 3 height width"],
        curves: Float[Tensor, "cohort step"],
        frames: dict[int, Float[Tensor, "cohort 3 height width"]],
        embeddings: Float[Tensor, "cohort embed"],
        starts: Float[Tensor, "cohort 3 small small"],
    ) -> CohortResult:
        """The cohort's result without its padding."""
        live = list(batch.live)
        kept = (
            torch.stack(list(frames.values()), dim=1)
            if frames
            else images.new_zeros(len(images), 0, *images.shape[1:])
        )
        return CohortResult(
            cohort=batch.cohort,
            clips=batch.clips,
            skips=batch.skips,
            images=images[live],
            latents=self.latents.detach()[live].clone(),
            curves=curves[live],
            targets=targets[live],
            frames=kept[live],
            frame_steps=tuple(frames),
            seeds=tuple(clip_seed(self.seed, clip.id) for clip in batch.clips),
            embeddings=embeddings[live],
            starts=starts[live],
        )


def thumbnails(
    images: Float[Tensor, "clip 3 height width"], pixels: int = 128
) -> Float[Tensor, "clip 3 small small"]:
    """The images at ``pixels`` squared, smaller ones as they are: a cohort of large start images would fill the device's memory.

    >>> thumbnails(torch.zeros(2, 3, 1024, 1024)).shape, thumbnails(torch.zeros(2, 3, 64, 64)).shape
    (torch.Size([2, 3, 128, 128]), torch.Size([2, 3, 64, 64]))
    """
    return F.adaptive_avg_pool2d(images, pixels) if images.shape[-1] > pixels else images


def _own_noise(seed: int, count: int, width: int) -> Float[Tensor, "candidate z"]:
    """Gaussian noise that depends on the seed alone; the first rows are the same for every ``count``."""
    rng = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(width, generator=rng) for _ in range(count)])


def _without(batch: ClipBatch, lost: Sequence[int], reason: SkipReason, detail: str) -> ClipBatch:
    """The batch with the clips of the ``lost`` slots turned into skips."""
    clips = [clip for slot in lost if (clip := batch.slots[slot]) is not None]
    skips = [Skip(clip.id, clip.path, reason, detail) for clip in clips]
    waveforms = tuple(
        waveform for slot, waveform in zip(batch.live, batch.waveforms, strict=True) if slot not in lost
    )
    slots = tuple(None if slot in lost else clip for slot, clip in enumerate(batch.slots))
    return replace(batch, slots=slots, waveforms=waveforms, skips=(*batch.skips, *skips))


def _check_settings(num_steps: int, cohort_size: int, frame_steps: Sequence[int]) -> None:
    check_number("model.num_steps", num_steps, least=1)
    check_number("data.cohort_size", cohort_size, least=1)
    outside = [step for step in frame_steps if not 0 <= step <= num_steps]
    if outside:
        raise ConfigError(
            f"Expected frame_steps in [0, num_steps = {num_steps}], found {outside}. Correct "
            "model.frame_steps."
        )


def _check_resolution(
    generator: Generator, resolution: int | None, full_steps: int, recompute_from: int | None
) -> None:
    if resolution is not None and resolution not in generator.resolutions:
        known = ", ".join(map(str, generator.resolutions))
        raise ConfigError(
            f"Expected a resolution of this generator ({known}), found {resolution}. Correct "
            "model.synthesis_resolution."
        )
    check_number("model.full_steps", full_steps, least=0)
    check_number("model.recompute_from", recompute_from, least=1)


def _check_start(start_truncation: float, start_candidates: int) -> None:
    check_number("model.start_truncation", start_truncation, least=0, most=1)
    check_number("model.start_candidates", start_candidates, least=1, most=MOST_CANDIDATES)
    if start_candidates > 1 and not start_truncation:
        raise ConfigError(
            "Expected model.start_candidates of 1 where every clip starts at the mean (start_truncation: 0), "
            f"found {start_candidates}. Correct one of the two."
        )


def _check_fit(guide: ImageTextEmbedder, audio: AudioEmbedder) -> None:
    if guide.embed_dim != audio.embed_dim or not guide.space.may_be(audio.space):
        raise ConfigError(
            f"The audio encoder gives vectors of width {audio.embed_dim} (CLIP space: {audio.space}), the "
            f"guide of width {guide.embed_dim} "
            f"({guide.space}): they do not share a space, so their cosine means nothing. Choose the CLIP "
            "model that the audio encoder was "
            f"trained against: for the published Wav2CLIP {WAV2CLIP_GUIDE}, for the pocket encoder the "
            "pocket CLIP model."
        )
