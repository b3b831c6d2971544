"""The word that was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST = 2
SIMILAR = 0.6  # two letters that changed places in three count as near


def nearest(word: str, known: Iterable[str], most: int = MOST) -> list[str]:
    """The known words most like ``word``, the best first; case and the dashes before an option do not count.

    >>> nearest("--stesp", ["--steps", "--device"]), nearest("wplus", ["W", "WPlus", "S"])
    (['--steps'], ['WPlus'])
    """
    by_form = {_form(name): name for name in known}
    return [by_form[form] for form in get_close_matches(_form(word), by_form, most, SIMILAR)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence with the nearest words, and a space before it; empty where nothing is near.

    >>> did_you_mean("fitt", ["fit", "test"])
    ' Did you mean fit?'
    """
    names = nearest(word, known)
    return f" Did you mean {' or '.join(names)}?" if names else ""


def _form(word: str) -> str:
    return word.lstrip("-").lower().replace("_", "-")
