"""Shows references (:class:`Name` and the like) and doctests of docstrings as code.

The renderer of the site reads Markdown.
"""

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`~?\.?([^`]+)`")
DOCTEST = re.compile(r"^>>> .*(?:\n(?!\n).+)*", re.MULTILINE)


class Roles(griffe.Extension):
    """Rewrites the docstring of every object that is loaded."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Takes the roles off, and puts doctests between fences."""
        if obj.docstring:
            obj.docstring.value = as_code(obj.docstring.value)


def as_code(text: str) -> str:
    """Returns a docstring with plain names, and doctests as blocks of code.

    >>> as_code("See :meth:`Generator.map`, :class:`~stylewav_pl.face.Face`.")
    'See `Generator.map`, `stylewav_pl.face.Face`.'
    """
    return DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", ROLE.sub(r"`\1`", text))
