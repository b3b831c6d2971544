"""The word that was probably meant."""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

MOST = 2
MARGIN = 0.2  # what is so much less like the word than the best was not meant
SIMILAR = 0.6  # two letters that changed places in three count as near


def nearest(word: str, known: Iterable[str], most: int = MOST) -> list[str]:
    """The known words most like ``word``, the best first; case and the dashes before an option do not count.

    >>> nearest("--stesp", ["--steps", "--device"]), nearest("wplus", ["W", "WPlus", "S"])
    (['--steps'], ['WPlus'])
    """
    by_form = {_form(name): name for name in known}
    meant = _form(word)
    forms = get_close_matches(meant, by_form, most, SIMILAR)
    if not forms:
        return []
    least = _likeness(meant, forms[0]) - MARGIN
    return [by_form[form] for form in forms if _likeness(meant, form) >= least]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence with the nearest words, and a space before it; empty where nothing is near.

    >>> did_you_mean("fitt", ["fit", "test"])
    ' Did you mean fit?'
    """
    names = nearest(word, known)
    return f" Did you mean {' or '.join(names)}?" if names else ""


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, other, one).ratio()


def _form(word: str) -> str:
    return word.lstrip("-").lower().replace("_", "-")
