"""What several tests of data share."""

from typing import Any

import pytest


@pytest.fixture
def rows(recording: Any) -> list[Any]:
    """Three usable men and women, and one of each kind that is left out."""
    people = [(f"{sex}{number}", sex) for sex in ("male", "female") for number in range(3)]
    usable = [recording(f"common_voice_en_{name}", name, sex, "fourties", "us") for name, sex in people]
    return [
        *usable,
        recording("again", "male0", "male", "fourties"),
        recording("unlabelled", "p1"),
        recording("other", "p2", "other"),
        recording("young", "p3", "female", "teens"),
        recording("short", "p4", "male", seconds=4.99),
        recording("long", "p5", "male", seconds=5.51),
        recording("few", "p6", "female", sentence="one two three four five six"),
        recording("torn-1", "p7", "female"),
        recording("torn-2", "p7", "male"),
        recording("quoted", "p8", "", sentence='"Hello there, she said and never closed the quotation'),
    ]
