"""Numbers that a user sets, checked against the range in which they mean something.

One place for every setting: a comparison alone lets NaN pass, and a huge number that is finite at first
overflows hours later.
"""

import math
from typing import TypeAlias

from stylewav_pl.errors import ConfigError

Number: TypeAlias = int | float  # shapes and types are checked under test, where an int is no float
MOST = 1_000_000  # where a count has no limit of its own: a slip of the keyboard, not a wish


def check_number(
    setting: str,
    value: Number | None,
    least: Number = -MOST,
    most: Number = MOST,
    above: Number = -math.inf,
    advice: str = "",
) -> None:
    """Refuses a number out of its range; ``None``, where a setting allows it, passes.

    Args:
        setting: Its name, as a configuration has it.
        value: What was found.
        least: Smallest allowed value.
        most: Largest allowed value.
        above: Not allowed, as is everything below it; for ranges without their lower end.
        advice: A sentence that follows, for settings with more to say than their range.

    Raises:
        ConfigError: It is outside, or no finite number at all.

    >>> check_number("model.num_steps", 10, least=1)
    >>> check_number("schedule.ramp_up", float("nan"), above=0, most=1)
    Traceback (most recent call last):
    stylewav_pl.errors.ConfigError: Expected schedule.ramp_up above 0 and at most 1, found nan. Correct it.
    """
    if value is None or _fits(value, least, most, above):
        return
    lower = f"above {above:g}" if above >= least else f"of at least {least:,.10g}"
    upper = "" if most == math.inf else f" and at most {most:,.10g}"
    raise ConfigError(
        f"Expected {setting} {lower}{upper}, found {value}. Correct it.{advice and ' '}{advice}"
    )


def _fits(value: Number, least: Number, most: Number, above: Number) -> bool:
    try:
        return least <= value <= most and value > above  # false for NaN
    except TypeError:  # no number at all, from Python
        return False
