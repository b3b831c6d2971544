"""Where the latents of a cohort begin."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.draws import Draws
from stylewav_pl.optimisation.inversion import Inversion
from stylewav_pl.optimisation.latents import LatentSpace, S, WPlus
from stylewav_pl.optimisation.tuning import Tuning
from stylewav_pl.priors import Prior
from stylewav_pl.ranges import check_number
from stylewav_pl.types import as_path

MOST_CANDIDATES = 10_000
Score = Callable[[Tensor], Tensor]  # latents [cohort, ...] to similarities [cohort]
See = Callable[[Tensor], Tensor]  # latents [cohort, ...] to vectors of their images [cohort, embed]


@dataclass(frozen=True)
class Start:
    """Where a clip's latent begins.

    Attributes:
        truncation: 0: every clip starts at the mean w, as in the paper; above 0, at most 1: at a sample of
            its own, drawn from the clip's seed and pulled towards the mean by this factor, so that what the
            voice does not say varies.
        candidates: How many such samples each clip draws; it starts at the one most similar to its target,
            or, with prompts, at the one that they pull least (the search before the optimisation of
            FuseDream, Liu et al. 2021, arXiv:2112.01573). Each costs
            about a third of a step.
        prior: Source of a prior (``pocket``, or a file): a clip starts at what it draws for the clip's target
            from the clip's seed, which is nearly right at once; with ``truncation`` at the clip's own sample,
            moved by what the voice says alone, so that the rest is as in random samples; ``null``: none.
        draws: With a prior and a single candidate: how often a clip draws at most, until the guide reads the
            same answers from the face as from the voice, boy or girl, and child, adult or old person. It
            starts at the first draw that agrees, or else at its first.
        moved_by: Source of a prior that moves each start, whichever it is, in the first step, by what the
            voice says alone: the beginning of an edit, whose terms compare with the start itself; ``null``:
            none.
        latent: File of a latent at which every clip starts, or folder with one for each clip, by its id (such
            as ``latents`` of a run), see :mod:`.latent_files`; ``null``: none.
        photo: Picture of a face at whose latent every clip starts, or folder with one for each clip, by its
            id; ``null``: none.
        inversion: How a photo's latent is found; ``null``: by the defaults.
        truncation_cutoff: How many layers, from coarse to fine, ``truncation`` is for, as in NVIDIA's
            generators (StyleGAN's authors take 8); the finer ones are those of an unpulled sample. It needs a
            vector for each layer: W+ or S. ``null``: all.
        tuning: How the generator is then tuned to the photo, so that it shows it as it is; each clip has a
            generator of its own, hence ``data.cohort_size: 1``. ``null``: not at all.

    Raises:
        ConfigError: A value is out of its range, or two contradict each other.
    """

    truncation: float = 0.0
    candidates: int = 1
    prior: str | None = None
    draws: int = 8
    moved_by: str | None = None
    latent: str | None = None
    photo: str | None = None
    inversion: Inversion | None = None
    truncation_cutoff: int | None = None
    tuning: Tuning | None = None

    def __post_init__(self) -> None:
        """Checks the values."""
        check_number("model.start.truncation", self.truncation, least=0, most=1)
        check_number("model.start.candidates", self.candidates, least=1, most=MOST_CANDIDATES)
        check_number("model.start.draws", self.draws, least=1, most=MOST_CANDIDATES)
        check_number("model.start.truncation_cutoff", self.truncation_cutoff, least=0)
        drawn = self.prior is not None or self.truncation > 0
        if self.is_given and (drawn or (self.latent is not None and self.photo is not None)):
            raise ConfigError(
                "A clip starts at a given latent (model.start.latent), at a photo (model.start.photo), at a "
                "prior's draw (model.start.prior) or at samples (model.start.truncation above 0), found more "
                "than one of these. Keep one."
            )
        if self.prior is not None and self.moved_by is not None:
            raise ConfigError(
                "A clip starts where a prior says (model.start.prior), or a prior moves where it starts "
                "(model.start.moved_by), found both. Keep one."
            )
        if self.inversion is not None and self.photo is None:
            raise ConfigError(
                "model.start.inversion says how a photo is inverted, but model.start.photo names none. Add "
                "it, or remove the inversion."
            )
        if self.tuning is not None and self.photo is None:
            raise ConfigError(
                "model.start.tuning says how the generator is tuned to a photo, but model.start.photo names "
                "none. Add it, or remove the tuning."
            )
        if self.truncation_cutoff is not None and (self.prior is not None or not 0 < self.truncation < 1):
            moved = "" if self.prior is None else " and a prior, which moves one w for all layers"
            raise ConfigError(
                "model.start.truncation_cutoff says for how many layers of a clip's own sample the "
                f"truncation is, found the truncation {self.truncation:g}{moved}. Set a truncation between 0 "
                "and 1 without a prior, or remove the cutoff."
            )
        if self.candidates > 1 and self.is_mean:
            raise ConfigError(
                "Expected model.start.candidates of 1 where every clip starts at the mean (truncation: 0) or "
                f"at a given latent or photo, found {self.candidates}. Correct one of the two."
            )

    @property
    def is_given(self) -> bool:
        """Whether clips start at latents from files or at photos."""
        return self.latent is not None or self.photo is not None

    @property
    def prior_source(self) -> str | None:
        """Source of the prior that draws or moves; None without one."""
        return self.moved_by if self.prior is None else self.prior

    @property
    def is_mean(self) -> bool:
        """Whether nothing is drawn: every clip starts at the mean w, or at a given latent or photo."""
        return not self.truncation and self.prior is None

    def check_count(self, count: int) -> None:
        """Compares the start with the number of faces for each voice.

        Raises:
            ConfigError: They would all be the same face.
        """
        place = self.latent or self.photo
        is_one = self.is_mean and not self.moved_by and (place is None or not as_path(place).is_dir())
        if count > 1 and is_one:
            raise ConfigError(
                "Expected a start that is drawn (model.start.prior, or model.start.truncation above 0) or "
                "moved (model.start.moved_by), or a folder of latents or photos, where each voice gets "
                f"{count} faces (data.count): from one start they would be the same face. Correct one of the "
                "two."
            )

    def check_layers(self, space: LatentSpace, generator: Generator) -> None:
        """Compares the cutoff with the layers that there are.

        Raises:
            ConfigError: There are fewer, or the latent space has one vector for all of them.
        """
        if self.truncation_cutoff is None:
            return
        if not isinstance(space, WPlus | S):
            raise ConfigError(
                "model.start.truncation_cutoff pulls some layers and not others, and model.latent_space "
                f"{type(space).__name__} has one vector for all of them. Set it to WPlus or S, or remove the "
                "cutoff."
            )
        check_number("model.start.truncation_cutoff", self.truncation_cutoff, least=0, most=generator.num_ws)

    @property
    def depends_on_voice(self) -> bool:
        """Whether a start alone, without a step, says anything about the voice."""
        return self.prior is not None or self.candidates > 1


@torch.no_grad()
def initial_latents(
    start: Start,
    seeds: Sequence[int | None],
    mean: Float[Tensor, "*latent"],
    space: LatentSpace,
    generator: Generator,
    score: Score,
    prior: Prior | None = None,
    targets: Float[Tensor, "cohort embed"] | None = None,
    see: See | None = None,
) -> Float[Tensor, " cohort *latent"]:
    """Returns where each slot's latent begins: at the mean, or at the best of the clip's own samples.

    Args:
        start: What to do.
        seeds: The seed of the clip in each slot; ``None`` for padding, which stays at the mean.
        mean: The latent of the mean w.
        space: The latents' space.
        generator: Maps noise to w.
        score: Tells candidates apart; asked once for each candidate of the whole cohort.
        prior: Draws w for targets instead; where the start has one.
        targets: With a prior: of each slot.
        see: With a prior: what the guide sees in the images of latents.
    """
    means = mean.repeat(len(seeds), *(1 for _ in mean.shape))  # [cohort, *latent]
    live = [slot for slot, seed in enumerate(seeds) if seed is not None]
    if start.is_mean or not live:
        return means
    own_width = generator.z_dim if start.truncation else 0
    width = own_width + (0 if prior is None else prior.latent_dim)
    cutoff = start.truncation_cutoff

    def own(z: Tensor) -> Tensor:
        return generator.map(z, truncation=start.truncation, cutoff=cutoff)

    def make(noise: Float[Tensor, "clip draw width"]) -> Tensor:
        if prior is None or targets is None or see is None:
            return own(noise[:, 0])
        look = _look_at(means, space, generator, see)
        draws = Draws(prior, targets[live], own if start.truncation else None, own_width, look, len(seeds))
        return draws.taken(noise).to(mean)

    best, highest = means.clone(), mean.new_full((len(seeds),), -torch.inf)
    draws = start.draws if prior is not None and start.candidates == 1 else 1
    for noise in _noise(seeds, start.candidates, draws, width):
        w = make(noise.to(mean))
        candidates = means.clone()
        candidates[live] = (space.from_w if w.ndim == 2 else space.from_w_plus)(w, generator)
        if start.candidates == 1:
            return candidates
        similarities = score(candidates)
        better = similarities > highest
        best[better], highest[better] = candidates[better], similarities[better]
    return best


def _look_at(
    latents: Tensor, space: LatentSpace, generator: Generator, see: See
) -> Callable[[Tensor], Tensor]:
    """What the guide sees in the images of some w, in the first slots of a cohort with these latents."""

    def look(w: Tensor) -> Tensor:
        cohort = latents.clone()
        cohort[: len(w)] = space.from_w(w.to(latents), generator)
        return see(cohort)[: len(w)]

    return look


def _noise(
    seeds: Sequence[int | None], candidates: int, draws: int, width: int
) -> Iterator[Float[Tensor, "clip draw width"]]:
    """The noise of each candidate, of all clips together; only a single candidate has several draws."""
    drawn = [sample_noise(seed, candidates * draws, width) for seed in seeds if seed is not None]
    yield from torch.split(torch.stack(drawn), draws, dim=1)


def sample_noise(seed: int, count: int, width: int) -> Float[Tensor, "candidate z"]:
    """Draws Gaussian noise that depends on the seed alone.

    The first rows are the same for every ``count``.
    """
    rng = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(width, generator=rng) for _ in range(count)])
