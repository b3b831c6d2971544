"""Words and configurations to settings, through jsonargparse: what it refuses is told in a sentence."""

from collections.abc import Sequence
from typing import Any

import jsonargparse
import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from stylewav_pl import bounded_yaml
from stylewav_pl.commands.configuration import Document
from stylewav_pl.commands.own_configuration import settings_in
from stylewav_pl.commands.refusals import Refusal
from stylewav_pl.commands.settings import check_settings
from stylewav_pl.commands.trusted_classes import allow, check_classes, names_in
from stylewav_pl.errors import ConfigError, one_line

MODE = "bounded-yaml"  # of our parsers alone: a program that imports this one keeps jsonargparse as it is


def _load(text: str) -> Any:
    """Reads as jsonargparse does, but not what its checks would have no end with."""
    bounded_yaml.compose(text)
    return settings_in(jsonargparse.get_loader("yaml")(text))


jsonargparse.set_loader(MODE, _load, (yaml.YAMLError,))


def _check_value(value: str) -> None:
    try:
        bounded_yaml.check_text(value)
    except bounded_yaml.UnboundedYamlError as error:
        raise ConfigError(
            f"An option has a value that cannot be read as YAML: {error}. Correct it."
        ) from error


def parse_settings(
    parser: ArgumentParser, argv: Sequence[str], options: ArgumentParser, documents: Sequence[Document]
) -> Namespace:
    """Parses a command line with a sub-command.

    Args:
        parser: The whole parser.
        argv: Sub-command and options.
        options: The parser of the sub-command.
        documents: The configurations that the words name.

    Returns:
        What the parser gave; that of the sub-command is checked.

    Raises:
        ConfigError: A word or a configuration is wrong.
    """
    for word in argv:
        _check_value(word.partition("=")[2] if word.startswith("--") else word)
    allow(names_in(argv, [document.value for document in documents]))
    try:
        parsed = parser.parse_args(list(argv))
    except ArgumentError as error:
        told = Refusal(str(error), options, argv, documents).sentence()
        raise ConfigError(f"{told} `stylewav-pl {argv[0]} --help-all` tells every setting.") from error
    except (UnicodeDecodeError, RecursionError) as error:  # a file that another configuration names
        raise ConfigError(
            f"A file of settings that the configuration names cannot be read: {one_line(error)}. Expected "
            "UTF-8 YAML."
        ) from error
    finally:
        # where another word was refused it would still be there when the next command of this process parses
        vars(parser).pop("print_config", None)
    check_classes(parsed[argv[0]])
    check_settings(parsed[argv[0]], options)
    return parsed
