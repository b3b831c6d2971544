"""``pocket``: trains the miniature networks that ship with the package, from nothing, and measures them."""

import argparse
from pathlib import Path

NETWORKS = ("faces", "clip", "audio")


def parser() -> argparse.ArgumentParser:
    """The options of ``pocket``."""
    options = argparse.ArgumentParser(
        prog="stylewav-pl pocket",
        description="Trains the pocket suite (seeded, resumable; under 90 minutes in all on 2 cores), in this order: faces, clip, audio.",
    )
    actions = options.add_subparsers(dest="action", required=True, metavar="ACTION")
    train = actions.add_parser("train", help="train one network")
    train.add_argument("network", choices=NETWORKS)
    train.add_argument("-o", "--output", type=Path, default=Path("training"), metavar="DIR", help="where weights and state go (default: training)")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--threads", type=int, default=2, help="processor cores to use (default: 2)")
    train.add_argument("--steps", type=int, help="optimiser steps of clip and audio (default: those of the recipe)")
    train.add_argument("--scale", type=float, default=1.0, help="factor on all iteration counts of faces (default: 1)")
    train.add_argument("--loss", choices=("cx", "infonce", "infonce+cosine"), default="cx", help="loss of audio; cx is Wav2CLIP's own (default)")
    train.add_argument("--voices", choices=("all", "builtin"), default="all", help="voices of audio; all needs the program espeak-ng")
    train.add_argument("--no-resume", action="store_true", help="begin anew although a state file is there")
    evaluate = actions.add_parser("evaluate", help="print the figures of one network")
    evaluate.add_argument("network", choices=NETWORKS)
    evaluate.add_argument("--weights", default="pocket", metavar="SOURCE", help="registry name or file (default: the shipped ones)")
    evaluate.add_argument("-o", "--output", type=Path, default=Path("training"), metavar="DIR", help="where test voices are kept (default: training)")
    evaluate.add_argument("--voices", choices=("all", "builtin"), default="all", help="test voices of audio; all needs the program espeak-ng")
    return options


def run(command: str, options: list[str]) -> int:
    """Trains or evaluates one network; each uses those trained before it from the same directory, else the shipped ones."""
    asked = parser().parse_args(options)
    (train if asked.action == "train" else evaluate)(asked)
    return 0


def train(asked: argparse.Namespace) -> None:
    """Trains one network into ``<output>/<name>.safetensors``."""
    asked.output.mkdir(parents=True, exist_ok=True)
    common = {"seed": asked.seed, "threads": asked.threads, "resume": not asked.no_resume}
    steps = {} if asked.steps is None else {"steps": asked.steps}
    if asked.network == "faces":
        from stylewav_pl.pocket.recipes import faces

        faces.train(asked.output / "generator.safetensors", scale=asked.scale, **common)
    elif asked.network == "clip":
        from stylewav_pl.pocket.recipes import clip

        clip.train(asked.output / "clip.safetensors", generator=_trained(asked.output, "generator"), **common, **steps)
    else:
        from stylewav_pl.pocket.recipes import audio

        audio.train(
            asked.output / "audio.safetensors",
            loss=asked.loss,
            voices=asked.voices,
            clip_model=_trained(asked.output, "clip"),
            generator=_trained(asked.output, "generator"),
            **common,
            **steps,
        )


def evaluate(asked: argparse.Namespace) -> None:
    """Prints the figures of one network on material that it was not trained on."""
    if asked.network == "faces":
        from stylewav_pl.pocket.recipes import faces_evaluation

        print(faces_evaluation.table(faces_evaluation.evaluate(asked.weights)))
    elif asked.network == "clip":
        from stylewav_pl.pocket.recipes import clip_evaluation

        print(clip_evaluation.table(clip_evaluation.evaluate(asked.weights)))
    else:
        from stylewav_pl.pocket.recipes import audio_evaluation

        figures = audio_evaluation.evaluate(asked.weights, folder=asked.output / f"test-voices-{asked.voices}", voices=asked.voices, progress=True)
        print("\n".join(f"{name:<24}{value:.3f}" for name, value in figures.items()))


def _trained(output: Path, name: str) -> str:
    path = output / f"{name}.safetensors"
    source = str(path) if path.is_file() else "pocket"
    print(f"{name}: {source}")
    return source
