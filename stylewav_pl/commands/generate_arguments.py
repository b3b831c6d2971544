"""From the options of ``generate`` to the arguments of the experiment that it runs."""

import argparse
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

from stylewav_pl.commands.arguments import config_names
from stylewav_pl.embedders import matching_guide
from stylewav_pl.errors import ConfigError
from stylewav_pl.face.defaults import named_start, overlays, spread_frames, suits_prior
from stylewav_pl.optimisation.prompts import voice_and_words
from stylewav_pl.optimisation.start import Start
from stylewav_pl.runs.damage import DamageError
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.members import MARK

SIDE_BY_SIDE = 8
ACCELERATORS = {"auto": "auto", "cpu": "cpu", "cuda": "gpu"}


def experiment_arguments(asked: argparse.Namespace, passed: Sequence[str]) -> list[str]:
    """Returns the arguments of ``fit`` that make what was asked for.

    Args:
        asked: Options of ``generate``.
        passed: Options of the experiment that followed them.

    Raises:
        ConfigError: Two options contradict each other.
    """
    guide = asked.guide or (asked.audio_encoder and matching_guide(asked.audio_encoder))
    others = [word for index, word in enumerate(passed) if not _of_config(passed, index)]
    return [
        *_configurations(asked, passed, guide),
        *_data(asked),
        *_machine(asked),
        *_networks(asked, guide),
        *_start(asked),
        *_prompts(asked, passed),
        *_steps(asked),
        *others,
    ]


def _configurations(asked: argparse.Namespace, passed: Sequence[str], guide: str | None) -> list[str]:
    generator = asked.generator or _passed(passed, "--model.generator")
    seen_by = guide or _passed(passed, "--model.guide")
    is_given = asked.latent is not None or asked.photo is not None
    from_prior = not is_given and suits_prior(generator, seen_by, asked.start)
    with_words = bool(asked.text or asked.negative or _passed(passed, "--model.prompts"))
    # an overlay may have sources of its own, and comes before the files
    names = ["generate.yaml", *overlays(from_prior, with_words), *config_names(passed)]
    return [f"--config={name}" for name in names]


def _data(asked: argparse.Namespace) -> list[str]:
    run = RunDirectory(Path(asked.output))
    known = {} if asked.restart else _files_of(run, asked.count)
    files = {"paths": [_named(name) for name in asked.files], "known": known}
    # Empty slots cost as much as faces; but a run keeps the cohorts that it began with.
    side_by_side = min(SIDE_BY_SIDE, len(asked.files) * max(1, asked.count))
    cohort_size = side_by_side if asked.restart else run.read_plan(side_by_side).cohort_size
    arguments = ["--run", asked.output]
    arguments += ["--data.sources", json.dumps([{"class_path": "Files", "init_args": files}])]
    arguments += ["--data.cohort_size", str(cohort_size)]
    arguments += ["--data.window", asked.window] if asked.window else []
    arguments += ["--data.count", str(asked.count)] if asked.count != 1 else []
    return arguments


def _machine(asked: argparse.Namespace) -> list[str]:
    arguments = ["--trainer.accelerator", ACCELERATORS[asked.device], "--trainer.devices", "1"]
    arguments += ["--restart"] if asked.restart else []
    arguments += ["--seed_everything", str(asked.seed)] if asked.seed is not None else []
    return arguments


def _networks(asked: argparse.Namespace, guide: str | None) -> list[str]:
    arguments: list[str] = []
    for setting, value in (("generator", asked.generator), ("guide", guide), ("audio", asked.audio_encoder)):
        arguments += [f"--model.{setting}", value] if value else []
    return arguments


def _start(asked: argparse.Namespace) -> list[str]:
    named = {"--start": asked.start, "--latent": asked.latent, "--photo": asked.photo}
    given = [option for option, value in named.items() if value is not None]
    if not given:
        return []
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} contradict each other. Keep one.")
    start = Start(latent=asked.latent, photo=asked.photo) if asked.start is None else named_start(asked.start)
    return ["--model.start", json.dumps(asdict(start))]


def _steps(asked: argparse.Namespace) -> list[str]:
    if asked.steps is None:
        return []
    frames = json.dumps(spread_frames(asked.steps))
    return ["--model.num_steps", str(asked.steps), "--model.frame_steps", frames]


def _passed(words: Sequence[str], name: str) -> str | None:
    """The value of an experiment's option, where it is given."""
    values = [word.partition("=")[2] for word in words if word.startswith(f"{name}=")]
    values += [value for word, value in pairwise(words) if word == name]
    return values[-1] if values else None


def _prompts(asked: argparse.Namespace, passed: Sequence[str]) -> list[str]:
    """The words of ``--text``, ``--text-weight`` and ``--negative``."""
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


def _files_of(run: RunDirectory, count: int) -> dict[str, str]:
    """The files of earlier starts by id: a file of the same name that lies elsewhere is another clip."""
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
