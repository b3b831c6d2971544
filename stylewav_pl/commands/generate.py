"""``generate``: one face per audio file; the experiment of ``configs/generate.yaml`` on the files named."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from stylewav_pl.commands.arguments import config_names
from stylewav_pl.commands.options import Options
from stylewav_pl.errors import ConfigError

if TYPE_CHECKING:
    from stylewav_pl.runs.directory import RunDirectory

SIDE_BY_SIDE = 8
WILD = frozenset("*?[{")  # a pattern may match; the module that knows is slow to import
# Options of every experiment, beside those with a dot in their name.
SETTINGS = ("--config", "-c", "--max_skipped_fraction", "--patience", "--seed_everything", "--threads")
SWITCHES = ("--strict",)
STARTS = ("mean", "samples", "prior")
ACCELERATORS = {"auto": "auto", "cpu": "cpu", "cuda": "gpu"}


def parser() -> argparse.ArgumentParser:
    """The options of ``generate``."""
    options = Options(
        prog="stylewav-pl generate",
        usage="stylewav-pl generate FILE [FILE ...] [OPTIONS] [--SETTING VALUE ...]",
        description="Makes one face for each audio file (wav, mp3, flac, m4a, webm, amr, ...).",
        epilog="Every setting of an experiment can follow, too: --model.latent_space S --writer.image webp; "
        "stylewav-pl fit --help tells them.",
    )
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
    options.add_argument(
        "--device", choices=sorted(ACCELERATORS), default="auto", help="where to compute (default: auto)"
    )
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
        help="optimisation steps (default: 4 from the prior, else 20); 0: what the prior answers",
    )
    options.add_argument(
        "--start",
        choices=STARTS,
        help="where faces begin: the mean face, samples of each clip's own near it, or the prior's answer to "
        "the voice (default: prior with the pocket networks and without words, else samples)",
    )
    options.add_argument(
        "--latent",
        metavar="PATH",
        help="the latent at which every face begins, or a folder with one for each file, by name "
        "(.safetensors, .pt of e4e, projected_w.npz ...)",
    )
    options.add_argument(
        "--photo",
        metavar="PATH",
        help="an aligned picture of a face at which every face begins, or a folder with one for each file, "
        "by name",
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

    from stylewav_pl.commands import experiment
    from stylewav_pl.commands.after_generate import show
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
    cli = experiment.perform("fit", _words(asked, passed))
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


def _words(asked: argparse.Namespace, passed: Sequence[str]) -> list[str]:
    overlays = [f"--config={name}" for name in config_names(passed)]
    others = [word for index, word in enumerate(passed) if not _of_config(passed, index)]
    from stylewav_pl.embedders import matching_guide
    from stylewav_pl.face.defaults import named_start, spread_frames, suits_prior
    from stylewav_pl.face.defaults import overlays as shipped_overlays
    from stylewav_pl.optimisation.start import Start
    from stylewav_pl.runs.directory import RunDirectory

    run = RunDirectory(Path(asked.output))
    known = {} if asked.restart else _files_of(run, asked.count)
    sources = [
        {
            "class_path": "Files",
            "init_args": {"paths": [_named(name) for name in asked.files], "known": known},
        }
    ]
    guide = asked.guide or (asked.audio_encoder and matching_guide(asked.audio_encoder))
    named = {"--start": asked.start, "--latent": asked.latent, "--photo": asked.photo}
    given = [option for option, value in named.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} contradict each other. Keep one.")
    generator = asked.generator or _passed(passed, "--model.generator")
    seen_by = guide or _passed(passed, "--model.guide")
    is_given = asked.latent is not None or asked.photo is not None
    from_prior = not is_given and suits_prior(generator, seen_by, asked.start)
    # an overlay may have sources of its own, and comes before the files
    with_words = bool(asked.text or asked.negative or _passed(passed, "--model.prompts"))
    shipped = ["generate.yaml", *shipped_overlays(from_prior, with_words)]
    words = [*(f"--config={name}" for name in shipped), *overlays]
    words += ["--run", asked.output]
    words += ["--data.sources", json.dumps(sources)]
    # Empty slots cost as much as faces; but a run keeps the cohorts that it began with.
    side_by_side = min(SIDE_BY_SIDE, len(asked.files) * max(1, asked.count))
    cohort_size = side_by_side if asked.restart else run.read_plan(side_by_side).cohort_size
    words += ["--data.cohort_size", str(cohort_size)]
    words += ["--trainer.accelerator", ACCELERATORS[asked.device], "--trainer.devices", "1"]
    for setting, value in (("generator", asked.generator), ("guide", guide), ("audio", asked.audio_encoder)):
        words += [f"--model.{setting}", value] if value else []
    words += ["--data.window", asked.window] if asked.window else []
    words += ["--restart"] if asked.restart else []
    words += ["--data.count", str(asked.count)] if asked.count != 1 else []
    words += ["--seed_everything", str(asked.seed)] if asked.seed is not None else []
    if asked.start is not None:
        words += ["--model.start", json.dumps(asdict(named_start(asked.start)))]
    if asked.latent is not None:
        words += ["--model.start", json.dumps(asdict(Start(latent=asked.latent)))]
    if asked.photo is not None:
        words += ["--model.start", json.dumps(asdict(Start(photo=asked.photo)))]
    words += _prompts(asked, passed)
    if asked.steps is not None:
        frames = spread_frames(asked.steps)
        words += ["--model.num_steps", str(asked.steps), "--model.frame_steps", json.dumps(frames)]
    return [*words, *others]


def _passed(words: Sequence[str], name: str) -> str | None:
    """The value of an experiment's option, where it is given."""
    values = [word.partition("=")[2] for word in words if word.startswith(f"{name}=")]
    values += [value for word, value in pairwise(words) if word == name]
    return values[-1] if values else None


def _prompts(asked: argparse.Namespace, passed: Sequence[str]) -> list[str]:
    """The words of ``--text``, ``--text-weight`` and ``--negative``."""
    from stylewav_pl.optimisation.prompts import voice_and_words

    if asked.text_weight is not None and not asked.text:
        raise ConfigError("--text-weight is that of --text, which is missing. Add it, or remove the weight.")
    weight = 1.0 if asked.text_weight is None else asked.text_weight
    prompts = voice_and_words(asked.text or (), weight, asked.negative or ())
    if prompts is None:
        return []
    if any(word.partition("=")[0].startswith("--model.prompts") for word in passed):
        raise ConfigError("--text, --negative and --model.prompts contradict each other. Keep one.")
    return ["--model.prompts", json.dumps([asdict(prompt) for prompt in prompts])]


def _of_config(words: Sequence[str], index: int) -> bool:
    flags = ("--config", "-c")
    return words[index].partition("=")[0] in flags or (index > 0 and words[index - 1] in flags)


def _files_of(run: "RunDirectory", count: int) -> dict[str, str]:
    """The files of earlier starts by id: a file of the same name that lies elsewhere is another clip."""
    from stylewav_pl.runs.damage import DamageError
    from stylewav_pl.runs.members import MARK

    journals, done = run.finished(), dict[str, str]()
    for cohort in journals:
        with suppress(DamageError):  # the start that follows makes it again, or says why it cannot
            record = journals[cohort]
            done |= {clip.id: clip.path for clip in record.clips}
            done |= {skip.id: skip.path for skip in record.skips}
    if count > 1:
        done = {id.rpartition(MARK)[0]: path for id, path in done.items()}
    return {id: path for id, path in done.items() if _is_utf8(id + path)}


def _named(name: str) -> str:
    """The file as a configuration can name it."""
    path = Path(os.path.expanduser(name))
    return str(path) if _is_utf8(name) else path.absolute().as_uri()


def _is_utf8(text: str) -> bool:
    return text == text.encode("utf-8", "replace").decode("utf-8")
