"""The parser of the commands that are no experiment.

It is argparse's, which also names the option that was meant.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from stylewav_pl.commands.nearest import did_you_mean

_UNKNOWN = re.compile(r"unrecognized arguments: (-\S+)")


class Options(argparse.ArgumentParser):
    """Options of one command, those of its actions included.

    Attributes:
        others: Options that it takes beside its own, to be named where they were meant.
    """

    others: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2, usage, and a sentence."""
        if unknown := _UNKNOWN.search(message):
            word = unknown[1].partition("=")[0]
            message = f"there is no option {word}.{did_you_mean(word, self._known())}"
        super().error(message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuses what an action has no use for here, where the options of that action are known."""
        asked, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return asked, unknown

    def _known(self) -> Iterator[str]:
        yield from self.others
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                for below in action.choices.values():
                    yield from below._known()
