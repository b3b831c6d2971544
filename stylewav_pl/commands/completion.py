"""Completion of commands, options and choices in a shell: one script for all sub-commands.

jsonargparse makes it, through shtab, from the parser of the experiments; the parsers of the other commands
join it as further sub-commands.
"""

import argparse
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

import shtab
from jsonargparse import ArgumentParser
from lightning.pytorch.cli import LightningCLI

from stylewav_pl.commands.experiment import ExperimentCLI
from stylewav_pl.errors import ConfigError

OTHERS = ("generate", "invert", "compare", "report", "verify", "weights", "data", "studio", "pocket")
# Of these jsonargparse would spell out every setting of every class of Lightning: 80 MB instead of 300 kB.
TRAINER = {
    "trainer.accelerator": ("auto", "cpu", "gpu"),
    "trainer.logger": ("TensorBoardLog", "WandbLog", "false"),
    "trainer.callbacks": (),
    "trainer.plugins": (),
    "trainer.profiler": (),
    "trainer.strategy": (),
}
PLACES = {
    "FILE": shtab.FILE,
    "PHOTO": shtab.FILE,
    "YAML": shtab.FILE,
    "SOURCE": shtab.FILE,
    "TARGET": shtab.FILE,
    "DIR": shtab.DIRECTORY,
    "ROOT": shtab.DIRECTORY,
}


class _Built(Exception):
    """The parser is there; nothing shall be parsed."""


class _Parsers(ExperimentCLI):
    """The parser of the experiments' commands, without an experiment."""

    def __init__(self) -> None:
        with suppress(_Built):
            super().__init__("fit", [])

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # Lightning's is static
        """Returns all commands of the experiments."""
        return LightningCLI.subcommands()

    def setup_parser(self, *details: Any) -> None:
        """Makes a parser that nobody else has: it is changed, and of no use after a script was made of it."""
        LightningCLI.setup_parser(self, *details)

    def parse_arguments(self, parser: Any, args: Any) -> None:
        """Ends before anything is parsed.

        Raises:
            _Built: Always.
        """
        raise _Built


def run(options: list[str]) -> int:
    """Prints the script for the shell that the options name.

    Raises:
        ConfigError: They name none.
    """
    shells = shtab.SUPPORTED_SHELLS
    if len(options) != 1 or options[0] not in shells:
        raise ConfigError(
            f"Expected --print-completion and one of {', '.join(shells)}, found "
            f"{' '.join(options) or 'nothing'}."
        )
    print(script_for(options[0]))
    return 0


def script_for(shell: str) -> str:
    """The completion script of all commands.

    Args:
        shell: As shtab calls it.
    """
    whole: ArgumentParser = _Parsers().parser
    subcommands = whole._subcommands_action
    assert subcommands is not None  # the experiment commands are sub-commands of it
    for options in subcommands._name_parser_map.values():
        _limit(options)
    for name in OTHERS:
        _add(whole, name, import_module(f"stylewav_pl.commands.{name}").parser())
    script: str = whole.get_completion_script(f"shtab-{shell}")
    return script


def _limit(options: argparse.ArgumentParser) -> None:
    # a setting that follows from another one is no option, and zsh refuses the whole list for its arrow
    options._actions[:] = [action for action in options._actions if not _follows(action)]
    for action in options._actions:
        if action.dest in TRAINER:
            action.choices = TRAINER[action.dest] or None
            if not action.choices:
                action.complete = {}  # type: ignore[attr-defined]  # nothing is offered
        elif action.dest == "run":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]


def _follows(action: argparse.Action) -> bool:
    return any("-->" in option for option in action.option_strings)


def _add(whole: ArgumentParser, name: str, options: argparse.ArgumentParser) -> None:
    """Makes a parser of argparse a sub-command of one of jsonargparse.

    That one looks for its own sub-commands in it.
    """
    for each in _with_actions(options):
        each._subcommands_action = None  # type: ignore[attr-defined]
        for action in each._actions:
            if action.metavar in PLACES and not action.choices:
                action.complete = PLACES[str(action.metavar)]  # type: ignore[attr-defined]
    commands: Any = whole._subcommands_action
    commands._name_parser_map[name] = options
    commands._choices_actions.append(commands._ChoicesPseudoAction(name, (), options.description))


def _with_actions(options: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its actions (``weights list``, ``weights fetch`` ...)."""
    yield options
    for action in options._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()
