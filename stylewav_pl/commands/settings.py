"""What a parsed configuration may still get wrong.

Nothing where something is needed, and numbers that are none.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from jsonargparse import ArgumentParser, Namespace

from stylewav_pl.commands.configuration import SECTIONS
from stylewav_pl.commands.expected import UNKNOWN, described, settings_of
from stylewav_pl.commands.trainer_settings import check_trainer
from stylewav_pl.errors import ConfigError
from stylewav_pl.ranges import check_number

HIGHEST_SEED = 2**32 - 1  # of NumPy
MOST_THREADS = 4096
MOST_PATIENCE = 1e9


def check_settings(settings: Namespace, parser: ArgumentParser) -> None:
    """Refuses what the types of the settings alone do not exclude.

    Args:
        settings: The parsed configuration of a sub-command.
        parser: What parsed it.

    Raises:
        ConfigError: A setting cannot work.
    """
    for name in SECTIONS:
        if not isinstance(settings.get(name), Namespace):
            raise ConfigError(
                f"Expected settings below {name}, found {settings.get(name)!r}. Correct {name}."
            )
    hints = {action.dest: getattr(action, "_typehint", Any) for action in parser._actions}
    for name, value, hint in _leaves(settings.as_dict(), "", hints):
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"Expected a finite number for {name}, found {value}. Correct it.")
        if value is None and not _may_be_nothing(hint):
            raise ConfigError(
                f"Expected {name} to be {described(hint)}, found null. Correct it, or remove it for the "
                "default."
            )
    _check_own(settings)
    check_trainer(settings["trainer"].as_dict())
    if settings.get("ckpt_path"):
        raise ConfigError("Expected no ckpt_path: the same command continues a run by itself. Remove it.")


def _check_own(settings: Namespace) -> None:
    check_number("seed_everything", settings["seed_everything"], least=0, most=HIGHEST_SEED)
    check_number("max_skipped_fraction", settings["max_skipped_fraction"], least=0, most=1,
                 advice="1 allows every clip to be skipped.")  # fmt: skip
    check_number("threads", settings["threads"], least=1, most=MOST_THREADS)
    check_number("patience", settings["patience"], least=0, most=MOST_PATIENCE)


def _leaves(value: Any, name: str, hints: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every single value, with its dotted name and the type that it should have."""
    if isinstance(value, Mapping) and "class_path" in value:
        known = settings_of(value["class_path"])
        for key, below in (value.get("init_args") or {}).items():
            yield from _leaves(below, f"{name}.{key}", {f"{name}.{key}": known.get(key, Any)})
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from _leaves(below, f"{name}.{key}".lstrip("."), hints)
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            yield from _leaves(below, f"{name}.{index}", {})
    else:
        yield name, value, hints.get(name, Any)


def _may_be_nothing(hint: Any) -> bool:
    """Whether ``None`` is a value of the type; of one that is not known it may be."""
    return hint is Any or type(None) in (hint, *get_args(hint)) or described(hint) == UNKNOWN
