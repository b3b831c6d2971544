"""The options of ``pocket``."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from stylewav_pl.commands.options import Options

Number = TypeVar("Number", int, float)
NETWORKS = ("faces", "clip", "judge", "audio", "identity")
GENERATORS = ("vqgan", "stylegan")
TRAINED = ("faces", "adversarial", "clip", "judge", "audio", "speaker", "prior", *GENERATORS, "identity")
PARTS = ("held-out", "validation", "training", "all")


def parser() -> argparse.ArgumentParser:
    """Describes the options of ``pocket``."""
    options = Options(
        prog="stylewav-pl pocket",
        description="Trains the pocket suite (seeded, resumable; under 90 minutes in all on 2 cores), in "
        "this order: faces, clip, judge, audio, speaker, prior; adversarial makes a crisper generator out of "
        "that of faces, vqgan and stylegan are generators of other kinds, vqgan with patch features of clip; "
        "identity tells whose a face is.",
    )
    actions = options.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_train(actions.add_parser("train", help="train one network"))
    add_evaluate(actions.add_parser("evaluate", help="print the figures of one network"))
    return options


def add_train(train: argparse.ArgumentParser) -> None:
    """Adds what is said of a training."""
    train.add_argument("network", choices=TRAINED)
    add_output(train, "where weights and state go (default: training)")
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
        help="optimiser steps of all but faces and stylegan (default: those of the recipe)",
    )
    train.add_argument(
        "--scale",
        type=positive(float),
        default=1.0,
        metavar="X",
        help="factor on all iteration counts of faces and stylegan (default: 1)",
    )
    train.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of all but audio and vqgan; bfloat16 is two to three times faster on hardware that has it, "
        "very slow on other (default: float32)",
    )
    train.add_argument(
        "--loss",
        choices=("cx", "infonce", "infonce+cosine"),
        default="cx",
        help="loss of audio; cx is Wav2CLIP's own (default)",
    )
    add_voices(
        train,
        "voices of audio; all needs the program espeak-ng",
        "recorded people, a folder with table.csv (path,speaker,sex,age) such as speechocean762: speaker "
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
    add_prior(train)
    train.add_argument("--bfloat16", action="store_true", help="audio with --recordings: compute in bfloat16")
    train.add_argument("--no-resume", action="store_true", help="begin anew although a state file is there")


def add_prior(train: argparse.ArgumentParser) -> None:
    """Adds what is said of a prior alone: the networks that it is for."""
    train.add_argument(
        "--samples", type=positive(int), metavar="N", help="images that prior learns from (default: 16000)"
    )
    train.add_argument(
        "--generator",
        metavar="SOURCE",
        help="whose latents prior gives (default: the one in DIR, else pocket)",
    )
    train.add_argument(
        "--guide", metavar="SOURCE", help="whose vectors prior takes (default: the one in DIR, else pocket)"
    )
    train.add_argument(
        "--audio-encoder",
        metavar="SOURCE",
        action="append",
        help="whose mean prior keeps, may be repeated (default: those in DIR and the shipped ones)",
    )
    train.add_argument(
        "--preprocess",
        choices=("clip", "reference"),
        default="clip",
        help="how images reach the guide of prior (default: clip)",
    )


def add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    """Adds what is said of an evaluation."""
    evaluate.add_argument("network", choices=NETWORKS)
    evaluate.add_argument(
        "--weights",
        metavar="SOURCE",
        help="registry name or file (default: the shipped ones)",
    )
    add_output(evaluate, "where a trained generator is, and test voices are kept (default: training)")
    add_voices(
        evaluate,
        "test voices of audio; all needs the program espeak-ng",
        "measure audio on recorded people instead, a folder with table.csv (path,speaker,sex,age)",
    )
    evaluate.add_argument(
        "--run",
        type=Path,
        metavar="RUN",
        help="let judge compare the faces of a finished run with random samples instead",
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


def add_output(action: argparse.ArgumentParser, help: str) -> None:
    """Adds the folder that an action works in."""
    action.add_argument("-o", "--output", type=Path, default=Path("training"), metavar="DIR", help=help)


def add_voices(action: argparse.ArgumentParser, voices: str, recordings: str) -> None:
    """Adds where voices come from: synthesis, or recorded people."""
    action.add_argument("--voices", choices=("all", "builtin"), default="all", help=voices)
    action.add_argument("--recordings", type=Path, metavar="DIR", help=recordings)


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
