"""``pocket``: trains the miniature networks that ship with the package, from nothing, and measures them."""

import argparse
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from stylewav_pl.commands.options import Options
from stylewav_pl.errors import ConfigError

Number = TypeVar("Number", int, float)
NETWORKS = ("faces", "clip", "judge", "audio")
TRAINED = ("faces", "adversarial", "clip", "judge", "audio", "speaker")
FILES = {
    "faces": "generator",
    "adversarial": "generator-adversarial",
    "clip": "clip",
    "judge": "judge",
    "audio": "audio",
    "speaker": "speaker",
}
SETTINGS = {
    "faces": ("seed", "scale"),
    "adversarial": ("seed", "steps"),
    "clip": ("seed", "steps"),
    "judge": ("seed", "steps"),
    "audio": ("seed", "steps", "loss", "voices", "recordings", "start"),
    "speaker": ("seed", "steps", "voices", "recordings"),
}
TEACHERS = {"clip_model": "clip", "generator": "generator"}
PARTS = ("held-out", "validation", "training", "all")


def parser() -> argparse.ArgumentParser:
    """The options of ``pocket``."""
    options = Options(
        prog="stylewav-pl pocket",
        description="Trains the pocket suite (seeded, resumable; under 90 minutes in all on 2 cores), in "
        "this order: faces, clip, judge, audio, speaker; adversarial makes a crisper generator out of that of faces.",
    )
    actions = options.add_subparsers(dest="action", required=True, metavar="ACTION")
    train = actions.add_parser("train", help="train one network")
    train.add_argument("network", choices=TRAINED)
    train.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("training"),
        metavar="DIR",
        help="where weights and state go (default: training)",
    )
    train.add_argument("--seed", type=int, default=0)
    train.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where to train (default: cpu, where figures repeat)",
    )
    train.add_argument(
        "--threads", type=positive(int), default=2, metavar="N", help="processor cores to use (default: 2)"
    )
    train.add_argument(
        "--steps",
        type=positive(int),
        metavar="N",
        help="optimiser steps of adversarial, clip, judge and audio (default: those of the recipe)",
    )
    train.add_argument(
        "--scale",
        type=positive(float),
        default=1.0,
        metavar="X",
        help="factor on all iteration counts of faces (default: 1)",
    )
    train.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of all but audio; bfloat16 is two to three times faster on hardware that has it, very slow on "
        "other (default: float32)",
    )
    train.add_argument(
        "--loss",
        choices=("cx", "infonce", "infonce+cosine"),
        default="cx",
        help="loss of audio; cx is Wav2CLIP's own (default)",
    )
    train.add_argument(
        "--voices",
        choices=("all", "builtin"),
        default="all",
        help="voices of audio; all needs the program espeak-ng",
    )
    train.add_argument(
        "--recordings",
        type=Path,
        metavar="DIR",
        help="recorded people, a folder with table.csv (path,speaker,sex,age) such as speechocean762: speaker "
        "needs it; audio goes on with it from --start, towards mean faces",
    )
    train.add_argument(
        "--start",
        default="pocket",
        metavar="SOURCE",
        help="weights that audio goes on from (default: pocket)",
    )
    train.add_argument(
        "--head-only",
        action="store_true",
        help="audio with --recordings: only the projection learns, as another CLIP model needs",
    )
    train.add_argument("--bfloat16", action="store_true", help="audio with --recordings: compute in bfloat16")
    train.add_argument("--no-resume", action="store_true", help="begin anew although a state file is there")
    evaluate = actions.add_parser("evaluate", help="print the figures of one network")
    evaluate.add_argument("network", choices=NETWORKS)
    evaluate.add_argument(
        "--weights",
        metavar="SOURCE",
        help="registry name or file (default: the shipped ones)",
    )
    evaluate.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("training"),
        metavar="DIR",
        help="where a trained generator is, and test voices are kept (default: training)",
    )
    evaluate.add_argument(
        "--voices",
        choices=("all", "builtin"),
        default="all",
        help="test voices of audio; all needs the program espeak-ng",
    )
    evaluate.add_argument(
        "--run",
        type=Path,
        metavar="RUN",
        help="let judge compare the faces of a finished run with random samples instead",
    )
    evaluate.add_argument(
        "--recordings",
        type=Path,
        metavar="DIR",
        help="measure audio on recorded people instead, a folder with table.csv (path,speaker,sex,age)",
    )
    evaluate.add_argument(
        "--part",
        choices=PARTS,
        default="held-out",
        help="which people of the recordings; only held-out ones were never trained on (default)",
    )
    evaluate.add_argument(
        "--no-pitch", action="store_true", help="leave out the baseline, which takes most of the time"
    )
    return options


def positive(kind: Callable[[str], Number]) -> Callable[[str], Number]:
    """A reader of numbers above zero for an option.

    >>> positive(int)("3")
    3
    """

    def read(word: str) -> Number:
        number = kind(word)
        if not 0 < number < math.inf:
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {word}")
        return number

    read.__name__ = kind.__name__  # argparse names it when the word is no number at all
    return read


def run(command: str, options: list[str]) -> int:
    """Trains or evaluates one network; each uses those trained before it from the same directory, else the shipped ones."""
    asked = parser().parse_args(options)
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
    if asked.network == "faces":
        from stylewav_pl.training import faces

        faces.train(weights, scale=asked.scale, precision=asked.precision, **common)
    elif asked.network == "adversarial":
        from stylewav_pl.training import adversarial

        iterations = {} if asked.steps is None else {"iterations": asked.steps}
        generator = _trained(asked.output, "generator")
        adversarial.train(weights, generator=generator, precision=asked.precision, **common, **iterations)
    elif asked.network == "judge" and asked.run is not None:
        from stylewav_pl.training import base_rates

        print(base_rates.table(base_rates.measure_run(asked.run, weights)))
    elif asked.network in ("clip", "judge"):
        from stylewav_pl.training import clip

        recipe = {"clip": clip.GUIDE, "judge": clip.JUDGE}[asked.network]
        generator = _trained(asked.output, "generator")
        clip.train(weights, recipe=recipe, generator=generator, precision=asked.precision, **common, **steps)
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
            weights, recordings=asked.recordings, start=asked.start, bfloat16=asked.bfloat16, head_only=asked.head_only, **settings
        )
    else:
        from stylewav_pl.training import audio

        audio.train(weights, loss=asked.loss, **settings)


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
    weights = asked.weights or {"judge": "pocket-judge"}.get(asked.network, "pocket")
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


def _trained(output: Path, name: str) -> str:
    path = output / f"{name}.safetensors"
    source = str(path) if path.is_file() else "pocket"
    print(f"{name}: {source}")
    return source
