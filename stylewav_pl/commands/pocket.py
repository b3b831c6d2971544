"""``pocket``: trains the miniature networks that ship with the package, from nothing, and measures them."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stylewav_pl.commands.collector import collect_as_usual
from stylewav_pl.commands.pocket_options import parser
from stylewav_pl.errors import ConfigError

FILES = {
    "faces": "generator",
    "adversarial": "generator-adversarial",
    "clip": "clip",
    "judge": "judge",
    "audio": "audio",
    "speaker": "speaker",
    "prior": "prior",
    "vqgan": "vqgan",
    "stylegan": "stylegan",
    "identity": "identity",
}
SETTINGS = {
    "faces": ("seed", "scale"),
    "adversarial": ("seed", "steps"),
    "clip": ("seed", "steps"),
    "judge": ("seed", "steps"),
    "audio": ("seed", "steps", "loss", "voices", "recordings", "start"),
    "speaker": ("seed", "steps", "voices", "recordings"),
    "prior": ("seed", "steps", "samples", "generator", "guide", "preprocess"),
    "vqgan": ("seed", "steps"),
    "stylegan": ("seed", "scale"),
    "identity": ("seed", "steps"),
}
NAMES = {"judge": "pocket-judge", "identity": "pocket-identity"}
TEACHERS = {"clip_model": "clip", "generator": "generator"}


def run(command: str, options: list[str]) -> int:
    """Trains or evaluates one network.

    Each uses those trained before it from the same directory, else the shipped ones.
    """
    asked = parser().parse_args(options)
    collect_as_usual()  # what is loaded later is little beside a training
    (train if asked.action == "train" else evaluate)(asked)
    return 0


def train(asked: argparse.Namespace) -> None:
    """Trains one network into ``<output>/<name>.safetensors``."""
    check_device(asked.device)
    make_folder(asked.output)
    weights = asked.output / f"{FILES[asked.network]}.safetensors"
    keep_settings(
        weights,
        {name: _plain(getattr(asked, name)) for name in SETTINGS[asked.network]},
        resume=not asked.no_resume,
    )
    common = {
        "seed": asked.seed,
        "device": asked.device,
        "threads": asked.threads,
        "resume": not asked.no_resume,
    }
    steps = {} if asked.steps is None else {"steps": asked.steps}
    if asked.network in ("faces", "stylegan"):
        from stylewav_pl.training import faces

        drawer: faces.Architecture = "stylegan2" if asked.network == "faces" else "stylegan"
        faces.train(weights, architecture=drawer, scale=asked.scale, precision=asked.precision, **common)
    elif asked.network == "adversarial":
        from stylewav_pl.training import adversarial

        iterations = {} if asked.steps is None else {"iterations": asked.steps}
        generator = _trained(asked.output, "generator")
        adversarial.train(weights, generator=generator, precision=asked.precision, **common, **iterations)
    elif asked.network in ("clip", "judge"):
        from stylewav_pl.training import clip

        recipe = {"clip": clip.GUIDE, "judge": clip.JUDGE}[asked.network]
        generator = _trained(asked.output, "generator")
        clip.train(weights, recipe=recipe, generator=generator, precision=asked.precision, **common, **steps)
    elif asked.network == "prior":
        _train_prior(asked, weights, {**common, **steps})
    elif asked.network == "vqgan":
        from stylewav_pl.training import vqgan

        vqgan.train(weights, guide=_trained(asked.output, "clip"), **common, **steps)
    elif asked.network == "identity":
        from stylewav_pl.training import identity

        identity.train(weights, generator=_trained(asked.output, "generator"), **common, **steps)
    else:
        models = {name: _trained(asked.output, file) for name, file in TEACHERS.items()}
        _train_ear(asked, weights, {**common, **steps, **models, "voices": asked.voices})


def _train_ear(asked: argparse.Namespace, weights: Path, settings: Mapping[str, Any]) -> None:
    """Trains one of the audio encoders.

    Raises:
        ConfigError: The strong one lacks recordings.
    """
    if asked.network == "speaker":
        from stylewav_pl.training import speaker

        if asked.recordings is None:
            raise ConfigError(
                "The head of pocket-speaker learns from recorded people. Name a folder with table.csv "
                "(path,speaker,sex,age), such as one made of speechocean762: --recordings DIR."
            )
        speaker.train(weights, recordings=asked.recordings, **settings)
    elif asked.recordings is not None:
        from stylewav_pl.training import audio_tuning

        audio_tuning.tune(
            weights,
            recordings=asked.recordings,
            start=asked.start,
            listener=_trained(asked.output, "speaker", "pocket-speaker"),
            bfloat16=asked.bfloat16,
            head_only=asked.head_only,
            **settings,
        )
    else:
        from stylewav_pl.training import audio

        audio.train(weights, loss=asked.loss, **settings)


def _train_prior(asked: argparse.Namespace, weights: Path, settings: Mapping[str, Any]) -> None:
    """Trains a prior for the networks that are named, or those in the folder, or the shipped ones."""
    from stylewav_pl.training import prior

    trained = [asked.output / f"{FILES[ear]}.safetensors" for ear in ("audio", "speaker")]
    samples = {} if asked.samples is None else {"samples": asked.samples}
    prior.train(
        weights,
        generator=asked.generator or _trained(asked.output, "generator"),
        clip_model=asked.guide or _trained(asked.output, "clip"),
        preprocess=asked.preprocess,
        ears=asked.audio_encoder or [*(ear for ear in trained if ear.is_file()), *prior.EARS],
        **settings,
        **samples,
    )


def _plain(setting: Any) -> Any:
    """A setting as JSON has it."""
    return str(setting) if isinstance(setting, Path) else setting


def check_device(device: str) -> None:
    """Refuses a GPU that is not there.

    Raises:
        ConfigError: It is not.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("Expected a GPU that PyTorch can use, found none. Train with --device cpu.")


def make_folder(folder: Path) -> None:
    """Makes the folder for weights and state.

    Raises:
        ConfigError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be made a folder ({error.strerror}). Choose another one with -o."
        ) from error


def keep_settings(weights: Path, settings: Mapping[str, Any], resume: bool) -> None:
    """Writes the settings of a training beside its state, so that it is only continued with the same ones.

    Raises:
        ConfigError: An unfinished training had other settings.
    """
    state, notes = (weights.with_name(f"{weights.name}.{suffix}") for suffix in ("state", "settings.json"))
    if resume and state.is_file() and notes.is_file():
        begun = json.loads(notes.read_text("utf-8"))
        changed = [
            f"--{name} {begun.get(name)} -> {value}"
            for name, value in settings.items()
            if begun.get(name) != value
        ]
        if changed:
            raise ConfigError(
                f"{state} was begun with other settings: {', '.join(changed)}. Continue with those, or "
                "begin anew with --no-resume."
            )
    notes.write_text(json.dumps(dict(settings)), "utf-8")


def evaluate(asked: argparse.Namespace) -> None:
    """Prints the figures of one network on material that it was not trained on."""
    weights = asked.weights or NAMES.get(asked.network, "pocket")
    if asked.network == "faces":
        from stylewav_pl.training import faces_evaluation

        print(faces_evaluation.table(faces_evaluation.evaluate(weights)))
    elif asked.network == "judge" and asked.run is not None:
        from stylewav_pl.training import base_rates

        print(base_rates.table(base_rates.measure_run(asked.run, weights)))
    elif asked.network in ("clip", "judge"):
        from stylewav_pl.training import clip_evaluation, nuisance

        generator = _trained(asked.output, "generator")
        print(clip_evaluation.table(clip_evaluation.evaluate(weights, generator=generator)))
        if asked.network == "judge":
            print(nuisance.table(nuisance.random_samples(generator, weights)))
    elif asked.network == "identity":
        from stylewav_pl.training import identity_evaluation

        generator = _trained(asked.output, "generator")
        networks = {
            source: identity_evaluation.evaluate(source, generator=generator)
            for source in (weights, "pocket-judge")
        }
        print(identity_evaluation.table(networks))
    elif asked.recordings is not None:
        from stylewav_pl.training import recordings_evaluation

        told = recordings_evaluation.evaluate(
            weights, asked.recordings, part=asked.part, pitch=not asked.no_pitch, progress=True
        )
        print(recordings_evaluation.report(told))
    else:
        from stylewav_pl.training import audio_evaluation

        figures = audio_evaluation.evaluate(
            weights,
            folder=asked.output / f"test-voices-{asked.voices}",
            voices=asked.voices,
            progress=True,
        )
        print("\n".join(f"{name:<24}{value:.3f}" for name, value in figures.items()))


def _trained(output: Path, name: str, shipped: str = "pocket") -> str:
    path = output / f"{name}.safetensors"
    source = str(path) if path.is_file() else shipped
    print(f"{name}: {source}")
    return source
