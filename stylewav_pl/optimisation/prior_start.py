"""A prior for the networks of a run.

Loaded, compared with them, and told how the audio encoder's vectors lie.
"""

from dataclasses import dataclass
from pathlib import Path

from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.embedders.preprocess import Preprocess
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.voice_mean import mean_target, voice_directions, voice_targets
from stylewav_pl.priors import Prior, load_prior
from stylewav_pl.priors.prior import VOICE_DIRECTIONS
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.registry import resolve

UNTRAINED = "linear"  # the doubles, which have no file
TRAIN = "stylewav-pl pocket train prior --generator SOURCE --guide SOURCE"


@dataclass(frozen=True)
class Sources:
    """What the networks of a run were loaded from, or the built networks themselves.

    Attributes:
        generator: Renders.
        guide: Sees the images.
        audio: Hears the clips.
        preprocess: How images reach the guide.
    """

    generator: str | Generator
    guide: str | ImageTextEmbedder
    audio: str | AudioEmbedder
    preprocess: Preprocess = "clip"


def prepare_prior(source: str | Path, sources: Sources, audio: AudioEmbedder) -> Prior:
    """Loads a prior for these networks.

    Args:
        source: A registry name or a file.
        sources: The networks; those that were built in place have no hash, and only their sizes are compared.
        audio: The audio encoder.

    Raises:
        ConfigError: It belongs to other networks.
        WeightsError: It cannot be loaded.
    """
    prior = load_prior(source)
    about = prior.belongings
    expected = {
        "generator": (about.generator, hash_of(sources.generator, "generator")),
        "guide": (about.guide, hash_of(sources.guide, "image_text")),
        "preprocess": (about.preprocess, sources.preprocess),
    }
    for name, (made_for, found) in expected.items():
        if found not in (None, made_for):
            raise ConfigError(
                f"The prior {source} was made for another {name}: expected {made_for[:12]}, found "
                f"{found[:12]}. Train one for these networks ({TRAIN}), or do without: "
                "model.start.prior null (generate: --start samples)."
            )
    if prior.embed_dim != audio.embed_dim:
        raise ConfigError(
            f"The prior {source} takes vectors of width {prior.embed_dim}, the audio encoder gives "
            f"{audio.embed_dim}. Train one for these networks: {TRAIN}."
        )
    ear = hash_of(sources.audio, "audio")
    if ear in about.ears:
        row = about.ears.index(str(ear))
        prior.hear(prior.ear_means[row], prior.ear_directions[row])
    else:
        heard = voice_targets(audio)
        prior.hear(mean_target(heard), voice_directions(heard, VOICE_DIRECTIONS))
    return prior


def hash_of(source: object, kind: str, setting: str | None = None) -> str | None:
    """SHA-256 of a network's file; None where it was built in place.

    Args:
        source: A name, a file or a network.
        kind: See :func:`~stylewav_pl.weights.registry.resolve`.
        setting: See :func:`~stylewav_pl.weights.registry.resolve`.
    """
    if not isinstance(source, str) or source == UNTRAINED:
        return None
    return sha256_of(resolve(source, kind, setting))
