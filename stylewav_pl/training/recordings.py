"""Recorded people, and who of them is only tested on.

They come as a folder of short recordings with a table of speaker, sex and age.

Made for the training half of speechocean762 (J. Zhang et al. 2021, arXiv:2104.01378), from its authors or at
OpenSLR 101; any folder with a ``table.csv`` (``path,speaker,sex,age``) will do. Recordings never ship.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from stylewav_pl.data.audio import decode
from stylewav_pl.data.table_text import LINE
from stylewav_pl.data.tables import listed, open_table
from stylewav_pl.data.window import Window
from stylewav_pl.errors import ConfigError

SAMPLE_RATE = 16_000
TABLE = "table.csv"
COLUMNS = ("path", "speaker", "sex", "age")
LONGEST_SECONDS = 6.0

CHILD_UNTIL = 12  # years
ADULT_FROM = 18
HELD_OUT_OF_EACH = 7  # girls, boys, women, men
VALIDATED_OF_EACH = 4
# Their labels contradict their pitch and a speaker encoder.
DOUBTFUL = frozenset({"2380", "2430", "3023"})

Part = Literal["training", "validation", "held-out"]


@dataclass(frozen=True)
class Person:
    """Who speaks.

    Attributes:
        name: As in the table.
        sex: ``female`` or ``male``.
        years: Age; NaN for an adult of unknown age.
    """

    name: str
    sex: str
    years: float

    @property
    def group(self) -> str:
        """``girl``, ``boy``, ``woman`` or ``man``; ``teenager`` between children and adults.

        >>> Person("a", "female", 12.0).group, Person("b", "male", 18.0).group
        ('girl', 'man')
        """
        if self.years <= CHILD_UNTIL:
            return "girl" if self.sex == "female" else "boy"
        if self.years < ADULT_FROM:
            return "teenager"
        return "woman" if self.sex == "female" else "man"


@dataclass(frozen=True)
class Recording:
    """One file and who speaks in it.

    Attributes:
        path: The file.
        person: Who speaks.
        collection: Where it comes from, for tables that have this column.
    """

    path: Path
    person: Person
    collection: str = ""

    @cached_property
    def waveform(self) -> Float[np.ndarray, " time"]:
        """Mono, 16 kHz, in [-1, 1], at most six seconds; read once.

        Raises:
            AudioError: The file cannot be used.
        """
        wave = decode(self.path, SAMPLE_RATE, Window(seconds=LONGEST_SECONDS))
        return np.asarray(wave.numpy())


def read_recordings(folder: Path) -> list[Recording]:
    """Reads the table of a folder; people whose labels are doubtful are left out.

    Raises:
        ConfigError: There is no such table, or a row of it cannot be used.
    """
    path = folder / TABLE
    if not path.exists():
        raise ConfigError(
            f"Expected a table with the columns {', '.join(COLUMNS)} beside the recordings at {path}, such "
            "as one made of speechocean762 (openslr.org/101); found nothing."
        )
    table = open_table(path)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise ConfigError(
            f"{path} has the columns {listed(table.columns)}; expected {', '.join(missing)}, too."
        )
    rows = table.read(table.columns).iter_rows(named=True)
    recordings = [_recording(folder, row, row[LINE]) for row in rows]
    _check_people(path, recordings)
    return [recording for recording in recordings if recording.person.name not in DOUBTFUL]


def _recording(folder: Path, row: dict[str, Any], line: int) -> Recording:
    try:
        years = float(row["age"]) if row["age"] else math.nan
        person = Person(row["speaker"], row["sex"], years)
        recording = Recording(folder / row["path"], person, row.get("collection") or "")
    except ValueError as error:
        raise ConfigError(
            f"Line {line} of {folder / TABLE} cannot be used ({error}). Expected an age in years."
        ) from error
    if person.sex not in ("female", "male") or not (math.isnan(years) or 0 < years < 120):
        raise ConfigError(
            f"Line {line} of {folder / TABLE}: expected the sex female or male and an age in years, found "
            f"{person.sex!r} and {row['age']!r}. Correct or remove the line."
        )
    if not recording.path.is_file():
        raise ConfigError(f"Line {line} of {folder / TABLE} names {recording.path}, which is no file.")
    return recording


def _check_people(table: Path, recordings: Sequence[Recording]) -> None:
    people: dict[str, Person] = {}
    for recording in recordings:
        known = people.setdefault(recording.person.name, recording.person)
        if known != recording.person:
            raise ConfigError(
                f"{table} gives the speaker {known.name} two sexes or ages: {known} and {recording.person}. "
                "Correct the table."
            )


def people_of(recordings: Iterable[Recording]) -> list[Person]:
    """Everybody who speaks, by name."""
    return sorted({recording.person for recording in recordings}, key=lambda person: person.name)


def part_of(part: Part, recordings: Sequence[Recording]) -> list[Recording]:
    """Returns the recordings of one part; the parts share no speaker.

    ``held-out`` people are only reported on, ``validation`` people choose between settings, ``training`` is
    everybody else.
    """
    people = people_of(recordings)
    held_out = _chosen(people, HELD_OUT_OF_EACH, "held-out")
    rest = [person for person in people if person not in held_out]
    validation = _chosen(rest, VALIDATED_OF_EACH, "validation")
    training = set(rest) - validation
    members = {"held-out": held_out, "validation": validation, "training": training}[part]
    return [recording for recording in recordings if recording.person in members]


def _chosen(people: Sequence[Person], of_each: int, seed: str) -> set[Person]:
    """As many girls, boys, women and men.

    Whoever comes first in an order that only the seed and the name decide.
    """
    chosen: set[Person] = set()
    for group in ("girl", "boy", "woman", "man"):
        members = [person for person in people if person.group == group]
        chosen |= set(sorted(members, key=lambda person: _order(seed, person))[:of_each])
    return chosen


def _order(seed: str, person: Person) -> str:
    return hashlib.sha256(f"{seed}/{person.name}".encode()).hexdigest()
