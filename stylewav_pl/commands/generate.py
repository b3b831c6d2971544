"""``generate``: one face per audio file; the experiment of ``configs/generate.yaml`` on the files named."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stylewav_pl.errors import ConfigError

if TYPE_CHECKING:
    from stylewav_pl.runs.directory import RunDirectory

SIDE_BY_SIDE = 8
ACCELERATORS = {"auto": "auto", "cpu": "cpu", "cuda": "gpu"}


def parser() -> argparse.ArgumentParser:
    """The options of ``generate``."""
    options = argparse.ArgumentParser(
        prog="stylewav-pl generate",
        description="Makes one face for each audio file (wav, mp3, flac, m4a, webm, amr, ...).",
    )
    options.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="audio files; of longer recordings 5 seconds are used, see --window",
    )
    options.add_argument(
        "-o",
        "--output",
        "--run",
        required=True,
        metavar="DIR",
        help="run directory for images, strips and tables; may hold earlier results",
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
        help="registry name or weight file (Wav2CLIP.pt) of the audio encoder (default: pocket)",
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
    options.add_argument("--steps", type=int, metavar="N", help="optimisation steps (default: 20)")
    return options


def run(command: str, options: list[str]) -> int:
    """Runs the experiment; results of files that are done already are kept.

    Raises:
        ConfigError: No file exists, or the device is not there.
    """
    asked = parser().parse_args(options)
    if not any(Path(name).expanduser().is_file() for name in asked.files):
        folder = next((name for name in asked.files if Path(name).expanduser().is_dir()), None)
        hint = f" (all files of a folder: {Path(folder) / '*'})" if folder else ""
        raise ConfigError(
            f"None of these is a file: {', '.join(asked.files)}. Expected the paths of audio files{hint}."
        )

    from stylewav_pl.commands import experiment

    done = experiment.run("fit", _words(asked))
    print("A generated face is not a portrait of the speaker.", file=sys.stderr)
    return done


def _words(asked: argparse.Namespace) -> list[str]:
    from stylewav_pl.embedders import matching_guide
    from stylewav_pl.runs.directory import RunDirectory

    run = RunDirectory(Path(asked.output))
    known = {} if asked.restart else _files_of(run)
    sources = [
        {
            "class_path": "Files",
            "init_args": {"paths": [_named(name) for name in asked.files], "known": known},
        }
    ]
    guide = asked.guide or (asked.audio_encoder and matching_guide(asked.audio_encoder))
    words = ["--config", "generate.yaml", "--run", asked.output, "--data.sources", json.dumps(sources)]
    # Empty slots cost as much as faces; but a run keeps the cohorts that it began with.
    side_by_side = min(SIDE_BY_SIDE, len(asked.files))
    cohort_size = side_by_side if asked.restart else run.read_plan(side_by_side).cohort_size
    words += ["--data.cohort_size", str(cohort_size)]
    words += ["--trainer.accelerator", ACCELERATORS[asked.device], "--trainer.devices", "1"]
    for setting, value in (("generator", asked.generator), ("guide", guide), ("audio", asked.audio_encoder)):
        words += [f"--model.{setting}", value] if value else []
    words += ["--data.window", asked.window] if asked.window else []
    words += ["--restart"] if asked.restart else []
    if asked.steps is not None:
        frames = sorted({round(asked.steps * share / 5) for share in range(6)})
        words += ["--model.num_steps", str(asked.steps), "--model.frame_steps", json.dumps(frames)]
    return words


def _files_of(run: "RunDirectory") -> dict[str, str]:
    """The files of earlier starts by id: a file of the same name that lies elsewhere is another clip."""
    records = list(run.finished().values())
    done = {clip.id: clip.path for record in records for clip in record.clips}
    done |= {skip.id: skip.path for record in records for skip in record.skips}
    return {id: path for id, path in done.items() if _is_utf8(id + path)}


def _named(name: str) -> str:
    """The file as a configuration can name it."""
    path = Path(name).expanduser()
    return str(path) if _is_utf8(name) else path.absolute().as_uri()


def _is_utf8(text: str) -> bool:
    return text == text.encode("utf-8", "replace").decode("utf-8")
