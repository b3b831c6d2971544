"""The networks of a call: loaded once and kept for the next one."""

import threading
from dataclasses import dataclass
from functools import lru_cache

import torch

from stylewav_pl.embedders import (
    AudioEmbedder,
    ImageTextEmbedder,
    load_audio_embedder,
    load_image_text_embedder,
)
from stylewav_pl.embedders.identity import IdentityEmbedder, load_identity
from stylewav_pl.embedders.preprocess import Preprocess
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.hardware import Speed
from stylewav_pl.optimisation.other_guides import OtherGuide, WeightedGuide, load_guides
from stylewav_pl.optimisation.prior_start import Sources, prepare_prior
from stylewav_pl.priors import Prior
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.registry import choose_ear, resolve

KEPT = 2  # of each kind; a generator of 1024 px takes 0.1 GB, a large CLIP model more than 1 GB
_lock = threading.RLock()


@dataclass(frozen=True)
class Wanted:
    """Which networks, and where.

    Attributes:
        generator: Registry name or weight file.
        guide: Registry name, weight file or ``open_clip:MODEL/TAG[@FILE]``.
        audio: Registry name or weight file.
        preprocess: How images reach the guide.
        prior: Registry name or weight file; none where no start needs it.
        identity: Source of an identity network; none where no term needs it.
        guides: Others that see texts and pictures, too.
        device: Where they shall be.
        speed: How the generator computes.
    """

    generator: str
    guide: str
    audio: str
    preprocess: Preprocess
    prior: str | None
    identity: str | None
    guides: tuple[OtherGuide, ...]
    device: str
    speed: Speed


@dataclass(frozen=True)
class Networks:
    """Built ones.

    Attributes:
        generator: Renders.
        guide: Sees.
        audio: Hears.
        prior: Draws starts.
        identity: Tells whose face it is.
        guides: See texts and pictures, too.
        generator_sha256: Of the generator's file; empty for the untrained double.
    """

    generator: Generator
    guide: ImageTextEmbedder
    audio: AudioEmbedder
    prior: Prior | None
    identity: IdentityEmbedder | None
    guides: list[WeightedGuide]
    generator_sha256: str


def load(wanted: Wanted) -> Networks:
    """Loads networks, or takes those of an earlier call if their files are the same.

    Raises:
        ConfigError: The prior belongs to others.
        WeightsError: A file is missing, damaged or of the wrong kind.
    """
    with _lock:  # two threads that start together load once
        state = tuple(
            _state(source, kind)
            for source, kind in (
                (wanted.generator, "generator"),
                (wanted.guide, "image_text"),
                (wanted.audio, "audio"),
                (wanted.prior, "prior"),
                (wanted.identity, "identity"),
                *((guide.source, "image_text") for guide in wanted.guides),
            )
        )
        return _load(wanted, state)


def forget() -> None:
    """Lets go of all networks, and so of their memory."""
    with _lock:
        _load.cache_clear()


def _state(source: str | None, kind: str) -> str:
    """What the source means now; empty where it is no file."""
    if source is None or source == "linear":
        return ""
    return sha256_of(resolve(choose_ear(source) if kind == "audio" else source, kind))


@lru_cache(maxsize=KEPT)
def _load(wanted: Wanted, state: tuple[str, ...]) -> Networks:
    device = torch.device(wanted.device)
    audio = load_audio_embedder(wanted.audio)
    prior = None
    if wanted.prior is not None:
        sources = Sources(wanted.generator, wanted.guide, wanted.audio, wanted.preprocess)
        prior = prepare_prior(wanted.prior, sources, audio).to(device)
    guide = load_image_text_embedder(wanted.guide, preprocess=wanted.preprocess)
    generator = load_generator(wanted.generator)
    identity = None if wanted.identity is None else load_identity(wanted.identity).to(device)
    guides = load_guides(wanted.guides, wanted.guide)
    for one in guides:
        one.network.to(device)
    networks = (generator.to(device), guide.to(device), audio.to(device))
    return Networks(*networks, prior, identity, guides, state[0])
