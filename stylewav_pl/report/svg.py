"""Draws plots as inline SVG: text and lines take their colours from the style sheet of the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from markupsafe import Markup, escape

Number: TypeAlias = float | int

WIDTH = 380  # units of the drawing; on a phone about a pixel each
LEFT, RIGHT = 92, 14  # room for names, and for half of the last number
SERIES = 6  # colours that the style sheet knows


@dataclass(frozen=True)
class Scale:
    """Values to positions between two edges.

    Attributes:
        low: The value at ``begin``.
        high: The value at ``end``.
        begin: In units of the drawing.
        end: In units of the drawing.

    >>> Scale(0.0, 1.0, 100, 300)(0.5)
    200.0
    """

    low: Number
    high: Number
    begin: Number
    end: Number

    def __call__(self, value: Number) -> float:
        """Returns the position of a value."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.begin + share * (self.end - self.begin)


def across(low: Number, high: Number) -> Scale:
    """Returns the scale of a horizontal axis, with a little room at both ends."""
    room = 0.04 * (high - low) or 0.5
    return Scale(low - room, high + room, LEFT, WIDTH - RIGHT)


def ticks(low: Number, high: Number, most: int = 5) -> list[float]:
    """Returns round numbers between two values.

    >>> ticks(0.0, 1.0), ticks(-1.2, 5.1)
    ([0.0, 0.5, 1.0], [0.0, 2.0, 4.0])
    """
    if not math.isfinite(high - low) or high <= low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= rough * 1.0001)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round((first + index) * step, 10) + 0.0 for index in range(count)]


def element(name: str, content: Any = "", **attributes: object) -> Markup:
    """Returns one element; ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``.

    >>> print(element("text", "a < b", x=1.26, class_="name"))
    <text x="1.3" class="name">a &lt; b</text>
    """
    written = [(key.rstrip("_").replace("_", "-"), _number(value)) for key, value in attributes.items()]
    inside = Markup("").join(Markup(' {}="{}"').format(key, value) for key, value in written)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), inside, escape(content))


def text(x: Number, y: Number, content: str, class_: str = "", anchor: str = "middle") -> Markup:
    """Returns a line of text; the style sheet knows the classes ``name`` and ``number``."""
    return element("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: Number, y1: Number, x2: Number, y2: Number, class_: str) -> Markup:
    """Returns a line; the style sheet knows the classes ``axis``, ``grid``, ``zero`` and ``s0`` to ``s5``."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def axis(scale: Scale, y: Number, top: Number, title: str) -> Markup:
    """Returns a horizontal axis at ``y`` with numbers, lines up to ``top``, and a title."""
    places = ticks(scale.low, scale.high)
    digits = max((len(f"{place:g}".partition(".")[2]) for place in places), default=0)
    parts = [line(scale(place), top, scale(place), y, "zero" if place == 0 else "grid") for place in places]
    numbers = [text(scale(place), y + 14, minus(f"{place:.{digits}f}"), "number") for place in places]
    middle = (scale.begin + scale.end) / 2
    return Markup("").join([*parts, *numbers, text(middle, y + 31, title, "number")])


def drawing(height: Number, said: str, parts: Sequence[Markup]) -> Markup:
    """Returns a whole plot; ``said`` is what a screen reader says in its place."""
    box = f"0 0 {WIDTH} {height:g}"
    return element("svg", Markup("").join(parts), viewBox=box, role="img", aria_label=said, class_="plot")


def series(index: int) -> str:
    """Returns the class of the colour of a population."""
    return f"s{index % SERIES}"


def minus(number: str) -> str:
    """Returns a number with a minus sign in place of a hyphen."""
    return number.replace("-", "−")  # noqa: RUF001


def _number(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
