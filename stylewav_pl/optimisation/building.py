"""The parts of a system: loaded, and compared before anything is computed with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stylewav_pl.embedders import WAV2CLIP_GUIDE, load_audio_embedder, load_image_text_embedder
from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.embedders.identity import IdentityEmbedder, load_identity
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.convergence import EarlyStop
from stylewav_pl.optimisation.given_latents import GivenStarts
from stylewav_pl.optimisation.hardware import Speed
from stylewav_pl.optimisation.latents import LatentSpace, S
from stylewav_pl.optimisation.moved_start import check_moved
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.other_guides import OtherGuide, WeightedGuide, load_guides
from stylewav_pl.optimisation.photo_start import prepare_given
from stylewav_pl.optimisation.prior_start import Sources, hash_of, prepare_prior
from stylewav_pl.optimisation.prompts import Combine, Prompt, check_prompts, is_voice_alone
from stylewav_pl.optimisation.start import Start
from stylewav_pl.optimisation.tuning import Delta, check_alone, tunable
from stylewav_pl.priors import Prior
from stylewav_pl.ranges import check_number
from stylewav_pl.types import ClipBatch


@dataclass(frozen=True)
class Parts:
    """What was loaded; see :class:`~stylewav_pl.module.StyleWav`."""

    generator: Generator
    guide: ImageTextEmbedder
    audio: AudioEmbedder
    prior: Prior | None
    given: GivenStarts | None
    identity: IdentityEmbedder | None
    guides: list[WeightedGuide]


def load_parts(
    sources: Sources,
    identity: str | IdentityEmbedder | None,
    start: Start | None,
    space: LatentSpace,
    seed: int = 0,
    noise: Literal["const", "none"] = "const",
    guides: Sequence[OtherGuide] | None = None,
) -> Parts:
    """Loads the networks of a system, and what its start needs.

    Args:
        sources: The networks, by source or built.
        identity: The identity network, likewise.
        start: Where clips begin.
        space: What is optimised.
        seed: Of the run.
        noise: The generator's noise inputs.
        guides: See texts and pictures beside the guide.

    Raises:
        ConfigError: The parts do not fit together.
        WeightsError: A weight file is missing, damaged or of the wrong kind.
    """
    generator, guide, audio = sources.generator, sources.guide, sources.audio
    others = load_guides(guides, guide)
    ear = load_audio_embedder(audio) if isinstance(audio, str) else audio
    prior = None
    if start is not None and start.prior_source is not None:
        prior = prepare_prior(start.prior_source, sources, ear)
    renders = load_generator(generator) if isinstance(generator, str) else generator
    if isinstance(guide, str):
        guide = load_image_text_embedder(guide, preprocess=sources.preprocess)
    sha256 = hash_of(generator, "generator")
    given = prepare_given(start, space, renders, guide, sha256, seed, noise)
    if isinstance(identity, str):
        identity = load_identity(identity)
    return Parts(renders, guide, ear, prior, given, identity, others)


def check_counts(num_steps: int, cohort_size: int | Literal["auto"]) -> None:
    """Compares numbers with their ranges.

    Raises:
        ConfigError: One is out of it.
    """
    check_number("model.num_steps", num_steps, least=0)
    check_number("data.cohort_size", None if cohort_size == "auto" else cohort_size, least=1)


def check_start(
    start: Start,
    num_steps: int,
    prior: Prior | None,
    given: GivenStarts | None,
    generator: Generator,
    space: LatentSpace,
    cohort_size: int | Literal["auto"],
    speed: Speed,
) -> None:
    """Compares a start with what it needs.

    Raises:
        ConfigError: It cannot be made, or would be the same face for every voice.
    """
    if (start.prior_source is None, not start.is_given) != (prior is None, given is None):
        raise ConfigError(
            "Expected a built prior exactly where start.prior or start.moved_by is set, and given starts "
            "exactly where start.latent or start.photo is. Use StyleWav.from_sources, which loads them."
        )
    check_moved(start, space)
    start.check_layers(space, generator)
    if given is not None and given.is_tuned:
        tunable(generator)
        check_alone(cohort_size, speed)
    if prior is not None and prior.latent_dim != generator.w_dim:
        raise ConfigError(
            f"The prior gives w of width {prior.latent_dim}, the generator takes {generator.w_dim}. Train "
            "one for this generator."
        )
    if num_steps == 0 and not start.depends_on_voice:
        raise ConfigError(
            "Expected a start that depends on the voice (model.start.prior, or model.start.candidates above "
            "1) where model.num_steps is 0 and the start is the result; found the same for every voice. "
            "Correct one of the two."
        )


def tuning_of(given: GivenStarts | None, batch: ClipBatch, speed: Speed) -> Delta:
    """Returns the change of the generator for the clip of a cohort; empty: none.

    Raises:
        ConfigError: It has one, and company, or a compiled step.
        WeightsError: It is another generator's.
    """
    for clip in batch.clips if given is not None else ():
        assert given is not None
        if delta := given.tuning(clip.id):
            check_alone(len(batch.slots), speed)
            return delta
    return {}


def check_tuned(
    given: GivenStarts | None, ids: Sequence[str], cohort_size: int | Literal["auto"], speed: Speed
) -> None:
    """Refuses clips with generators of their own where they would share one, before anything is computed.

    Raises:
        ConfigError: One of them has one, and company, or a compiled step.
    """
    if given is not None and (cohort_size != 1 or speed.compile) and given.any_tuned(ids):
        check_alone(cohort_size, speed)


def check_spaces(guide: ImageTextEmbedder, audio: AudioEmbedder) -> None:
    """Compares the spaces of the two embedders.

    Raises:
        ConfigError: Their cosine would mean nothing.
    """
    if guide.embed_dim != audio.embed_dim or not guide.space.may_be(audio.space):
        raise ConfigError(
            f"The audio encoder gives vectors of width {audio.embed_dim} (CLIP space: {audio.space}), the "
            f"guide of width {guide.embed_dim} ({guide.space}): they do not share a space, so their cosine "
            "means nothing. Choose the CLIP model that the audio encoder was trained against: for the "
            f"published Wav2CLIP {WAV2CLIP_GUIDE}, for the pocket encoder the pocket CLIP model."
        )


def check_guidance(
    objective: Objective,
    prompts: Sequence[Prompt] | None,
    combine: Combine,
    early_stop: EarlyStop | None,
    identity: IdentityEmbedder | None = None,
    space: LatentSpace | None = None,
) -> None:
    """Compares what images are moved by with the rest.

    Raises:
        ConfigError: Two settings contradict each other.
    """
    check_prompts(prompts, combine)
    if (objective.identity > 0) != (identity is not None):
        raise ConfigError(
            "Expected an identity network (model.identity) exactly where model.objective.identity has a "
            f"weight, found {'one' if identity else 'none'} and the weight {objective.identity:g}. Set both, "
            "or neither."
        )
    if objective.measure == "whitened" and isinstance(space, S):
        raise ConfigError(
            "model.objective.measure is whitened, which is known of w, and model.latent_space is S. Take W "
            "or WPlus, or set the measure to plain."
        )
    if objective.direction:
        without = [one.name for one in prompts or () if one.has_words and one.neutral is None]
        if without:
            raise ConfigError(
                f"model.objective.direction compares a text with a neutral one, and the prompt {without[0]} "
                "has none. Add neutral: a person, or set the direction to 0."
            )
    if is_voice_alone(prompts):
        return
    if not (objective.similarity or objective.direction):
        raise ConfigError(
            "model.prompts are set, but the weights similarity and direction of model.objective are 0: "
            "nothing pulls. Give one of them a weight, or remove the prompts."
        )
    if objective.logit_scale != 1:
        raise ConfigError(
            f"model.objective.logit_scale is {objective.logit_scale:g}, but model.prompts have a scale of "
            "their own. Remove one of the two."
        )
    if early_stop is not None:
        raise ConfigError(
            "model.early_stop watches how near a face is to its voice, and model.prompts pull elsewhere, "
            "too: a clip would end too early. Remove one of the two."
        )
