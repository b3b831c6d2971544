"""From what was asked for to networks and the system around them."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from stylewav_pl.data.window import Window
from stylewav_pl.embedders import matching_guide
from stylewav_pl.errors import ConfigError
from stylewav_pl.face.defaults import SPACES, defaults, named_start, spread_frames, suits_prior
from stylewav_pl.face.networks import Networks, Wanted, load
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.hardware import Speed
from stylewav_pl.optimisation.latents import LatentSpace
from stylewav_pl.optimisation.photo_start import prepare_given
from stylewav_pl.optimisation.prompts import Prompt, is_voice_alone
from stylewav_pl.optimisation.start import Start

NETWORKS = ("generator", "guide", "audio", "preprocess")
ELSEWHERE = {
    "num_steps": "steps",
    "audio": "audio_encoder",
    "cohort_size": "side_by_side",
    "prior": "start=Start(prior=...)",
}


@dataclass(frozen=True)
class Asked:
    """The arguments of a call; ``None``: as the command does it. See :func:`.making.generate`."""

    steps: int | None
    seed: int | None
    start: str | Start | None
    generator: str | Path | None
    guide: str | Path | None
    audio_encoder: str | Path | None
    device: str
    side_by_side: int | None
    model: Mapping[str, Any]

    @cached_property
    def place(self) -> torch.device:
        """Where to compute; see :func:`device_of`."""
        return device_of(self.device)

    def settings(self) -> dict[str, Any]:
        """Everything that :class:`StyleWav` needs, networks by source.

        Raises:
            ConfigError: A setting has another name here, or an unknown value.
        """
        for name in self.model.keys() & ELSEWHERE.keys():
            raise ConfigError(f"{name} is called {ELSEWHERE[name]} here. Correct the call.")
        sources = self._sources()
        from_prior = suits_prior(sources.get("generator"), sources.get("guide"), self.start)
        shipped = defaults(from_prior, not is_voice_alone(self.model.get("prompts")))
        settings: dict[str, Any] = {**shipped.model, "seed": shipped.seed if self.seed is None else self.seed}
        if self.steps is not None:
            settings |= {"num_steps": self.steps, "frame_steps": spread_frames(self.steps)}
        settings |= self.model
        settings |= sources
        if self.start is not None:
            settings["start"] = named_start(self.start) if isinstance(self.start, str) else self.start
        if not isinstance(settings["latent_space"], LatentSpace):
            settings["latent_space"] = _space(settings["latent_space"])
        return settings

    def _sources(self) -> dict[str, str]:
        named = {"generator": self.generator, "audio": self.audio_encoder, "guide": self.guide}
        sources = {name: str(source) for name, source in named.items() if source is not None}
        if "audio" in sources and "guide" not in sources:
            sources["guide"] = matching_guide(sources["audio"])
        return sources


def device_of(name: str) -> torch.device:
    """Returns where to compute; ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: There is no such device.
    """
    has_gpu = torch.cuda.is_available()
    found = ("cuda" if has_gpu else "cpu") if name == "auto" else name
    try:
        place = torch.device(found)
    except RuntimeError as error:
        raise ConfigError(
            f"Expected a device such as auto, cpu or cuda, found {name!r}. Correct it."
        ) from error
    if place.type == "cuda" and not has_gpu:
        raise ConfigError(
            f"Expected a GPU that PyTorch can use for device {name!r}, found none. Use device='cpu'."
        )
    return place


def prepare(asked: Asked) -> tuple[dict[str, Any], Networks]:
    """Returns the settings of the system and its networks.

    Raises:
        ConfigError: See :meth:`Asked.settings`; or the prior belongs to other networks.
        WeightsError: A network cannot be loaded.
    """
    settings = asked.settings()
    sources = {name: settings.pop(name) for name in NETWORKS}
    speed = settings.setdefault("speed", Speed()) or Speed()
    speed.check(asked.place)
    identity = settings.pop("identity", None)
    sources["identity"] = None if identity is None else str(identity)
    guides = tuple(settings.pop("guides", None) or ())
    wanted = Wanted(
        **sources, guides=guides, prior=settings["start"].prior_source, device=str(asked.place), speed=speed
    )
    return settings, load(wanted)


def build_system(settings: Mapping[str, Any], networks: Networks, size: int, place: torch.device) -> StyleWav:
    """Wires networks with a tensor of latents of this call's own."""
    generator = networks.generator
    if settings["start"].is_given:  # it may be tuned, and other threads have the one that is kept
        generator = copy.deepcopy(generator)
    given = prepare_given(
        settings["start"],
        settings["latent_space"],
        generator,
        networks.guide,
        networks.generator_sha256,
        settings["seed"],
        settings.get("noise", "const"),
    )
    system = StyleWav(
        generator,
        networks.guide,
        networks.audio,
        cohort_size=size,
        prior=networks.prior,
        given=given,
        identity=networks.identity,
        guides=networks.guides,
        **settings,
    ).to(place)
    if place.type == "cuda":  # on a CPU it would change how the caller's whole process keeps memory
        system.speed.apply(place)
    system.check_optimizer(place)
    return system


def asked_window(place: str | None, seconds: float | None) -> Window:
    """Returns which part of a recording is used.

    Raises:
        ConfigError: There is no such part.
    """
    shipped = defaults().window
    return replace(shipped, place=place or shipped.place, seconds=seconds or shipped.seconds)


def _space(name: object) -> LatentSpace:
    if name not in SPACES:
        raise ConfigError(f"Expected a latent space, or one of {', '.join(SPACES)}; found {name!r}.")
    return SPACES[str(name)]()


def with_words(
    model: Mapping[str, Any], words: Sequence[Prompt] | None, mix: Sequence[Prompt] | None
) -> dict[str, Any]:
    """Returns the settings with the prompts of a call.

    Raises:
        ConfigError: They are named twice.
    """
    if words is not None and mix is not None:
        raise ConfigError("mix, and text or negative, contradict each other. Keep one.")
    prompts = words if mix is None else mix
    return {**model, **({} if prompts is None else {"prompts": list(prompts)})}
