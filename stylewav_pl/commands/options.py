"""The parser of the commands that are no experiment: argparse's, which also names the option that was meant."""

import argparse
import re
from collections.abc import Iterator
from typing import NoReturn

from stylewav_pl.commands.nearest import did_you_mean

_UNKNOWN = re.compile(r"unrecognized arguments: (-\S+)")


class Options(argparse.ArgumentParser):
    """Options of one command, those of its actions included."""

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2, usage, and a sentence."""
        if unknown := _UNKNOWN.search(message):
            word = unknown[1].partition("=")[0]
            message = f"there is no option {word}.{did_you_mean(word, self._known())}"
        super().error(message)

    def _known(self) -> Iterator[str]:
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                for below in action.choices.values():
                    yield from below._known()
