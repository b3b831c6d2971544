"""``generate``: one face per audio file; the experiment of ``configs/generate.yaml`` on the files named."""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from stylewav_pl.commands.help import DATA, MODEL
from stylewav_pl.commands.options import Options
from stylewav_pl.commands.quick_imports import import_open_clip
from stylewav_pl.errors import ConfigError

WILD = frozenset("*?[{")  # a pattern may match; the module that knows is slow to import
# Options of every experiment, beside those with a dot in their name.
SETTINGS = ("--config", "-c", "--max_skipped_fraction", "--patience", "--seed_everything", "--threads")
SWITCHES = ("--strict",)
STARTS = ("mean", "samples", "prior")
DEVICES = ("auto", "cpu", "cuda")


def parser() -> argparse.ArgumentParser:
    """The options of ``generate``."""
    options = Options(
        prog="stylewav-pl generate",
        usage="stylewav-pl generate FILE [FILE ...] [OPTIONS] [--SETTING VALUE ...]",
        description="Makes one face for each audio file (wav, mp3, flac, m4a, webm, amr, ...).",
        epilog="Every setting of an experiment can follow, too: --model.latent_space S --writer.image webp; "
        "stylewav-pl fit --help tells them.",
    )
    options.others = [entry.option for entry in (*MODEL, *DATA)]
    options.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="audio files, folders and patterns; of longer recordings 5 seconds are used, see --window",
    )
    options.add_argument(
        "-o",
        "--output",
        "--run",
        metavar="DIR",
        help="run directory for images, strips and tables; may hold earlier results (default: NAME-faces "
        "beside the first file)",
    )
    options.add_argument(
        "--restart", action="store_true", help="move an existing DIR to DIR.old-N and begin anew"
    )
    options.add_argument("--device", choices=DEVICES, default="auto", help="where to compute (default: auto)")
    options.add_argument(
        "--generator",
        metavar="SOURCE",
        help="registry name or weight file of the generator (default: pocket)",
    )
    options.add_argument(
        "--audio-encoder",
        metavar="SOURCE",
        help="registry name or weight file (Wav2CLIP.pt) of the audio encoder (default: "
        "pocket-speaker where its weights are installed, else pocket)",
    )
    options.add_argument(
        "--guide",
        metavar="SOURCE",
        help="registry name or weight file of the CLIP model, open_clip:MODEL/TAG or "
        "open_clip:MODEL/TAG@FILE "
        "(default: the one that the audio encoder was trained against)",
    )
    options.add_argument(
        "--window",
        metavar="PART",
        help="of longer recordings: first, center (default), loudest or mean-of-windows (all of it)",
    )
    options.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="optimisation steps (default: 4 from the prior, 20 with words or from elsewhere); 0: what the "
        "prior answers",
    )
    options.add_argument(
        "--start",
        choices=STARTS,
        help="where faces begin: the mean face, samples of each clip's own near it, or the prior's answer to "
        "the voice (default: prior with the pocket networks, beside words the best of eight; else samples)",
    )
    options.add_argument(
        "--latent",
        metavar="PATH",
        help="the latent at which every face begins, or a folder with one for each file, by name "
        "(.safetensors, .pt of e4e, projected_w.npz ...); with --model.start.moved_by pocket --steps 4 the "
        "pocket prior moves it by what the voice says, and it stays more like itself",
    )
    options.add_argument(
        "--photo",
        metavar="PATH",
        help="an aligned picture of a face at which every face begins, or a folder with one for each file, "
        "by name; moved_by as beside --latent",
    )
    options.add_argument(
        "--text",
        action="append",
        metavar="WORDS",
        help='what faces should also show ("a smiling person"); may be repeated',
    )
    options.add_argument(
        "--text-weight",
        type=float,
        metavar="X",
        help="how strongly beside the voice, which has 1 (default: 1)",
    )
    options.add_argument(
        "--negative", action="append", metavar="WORDS", help="what faces should not show; may be repeated"
    )
    options.add_argument("--seed", type=int, metavar="N", help="decides everything random (default: 0)")
    _add_results(options)
    return options


def _add_results(options: argparse.ArgumentParser) -> None:
    """Adds what is made beside a face and its strip."""
    options.add_argument(
        "--count",
        type=int,
        default=1,
        metavar="K",
        help="faces for each file, from so many starts (default: 1); above 1 they are NAME#1, NAME#2 ...",
    )
    options.add_argument(
        "--video",
        action="store_true",
        help="also a film of each face from its start to its end, in DIR/videos (mp4 with ffmpeg, else webp)",
    )
    options.add_argument(
        "--prompts",
        action=argparse.BooleanOptionalAction,
        help="say what is heard in each voice and seen in its face (default: with the pocket guide)",
    )


def run(command: str, options: list[str]) -> int:
    """Runs the experiment; results of files that are done already are kept.

    Raises:
        ConfigError: No file exists, or the device is not there.
    """
    own, passed = split(options)
    asked = parser().parse_args(own)
    if not any(_exists(name) or WILD & set(name) for name in asked.files):
        raise ConfigError(_none_is_there(asked.files))

    import_open_clip()
    from stylewav_pl.commands import engines
    from stylewav_pl.commands.after_generate import show
    from stylewav_pl.commands.generate_arguments import experiment_arguments
    from stylewav_pl.commands.places import files_of
    from stylewav_pl.session.finalize import nothing_listed

    asked.files, ignored = files_of(asked.files)
    if not asked.files:
        raise ConfigError(nothing_listed((), ignored))
    if not any(map(_exists, asked.files)):
        raise ConfigError(_none_is_there(asked.files))
    for one in ignored:
        print(one, flush=True)

    if asked.output is None:
        asked.output = _beside(asked.files[0])
        print(f"The faces go to {asked.output} (-o DIR chooses another folder).", flush=True)
    cli = engines.perform("fit", experiment_arguments(asked, passed))
    show(cli, video=asked.video, in_words=asked.prompts)
    print("A generated face is not a portrait of the speaker.", file=sys.stderr)
    return 0


def _beside(file: str) -> str:
    """The folder that is named after a file and lies beside it."""
    path = Path(os.path.expanduser(file))
    return str(path.with_name(f"{path.stem}-faces"))


def _exists(name: str) -> bool:
    return os.path.exists(os.path.expanduser(name))


def _none_is_there(names: Sequence[str]) -> str:
    return f"None of these is there: {', '.join(names)}. Expected audio files, folders or patterns."


def split(options: Sequence[str]) -> tuple[list[str], list[str]]:
    """Adds the command's own options, and those that every experiment has.

    Such as ``--model.num_steps 40``, ``--threads 2``.

    Raises:
        ConfigError: Other sources than the files are asked for.

    >>> split(["a.wav", "--model.num_steps", "40", "-o", "out", "--strict", "--writer.image=webp"])
    (['a.wav', '-o', 'out'], ['--model.num_steps', '40', '--strict', '--writer.image=webp'])
    """
    own: list[str] = []
    passed: list[str] = []
    words = iter(options)
    for word in words:
        name, equals, _ = word.partition("=")
        if name.startswith("--data.sources"):
            raise ConfigError("The files are the sources of generate. Remove --data.sources, or use fit.")
        if name in SWITCHES or name in SETTINGS or (name.startswith("--") and "." in name):
            passed += [word] if equals or name in SWITCHES else [word, *islice(words, 1)]
        else:
            own.append(word)
    return own, passed
