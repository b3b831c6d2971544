"""Computes from answers about recordings how well sex and age are told: by speaker, with intervals.

Each speaker counts once, whatever the number of recordings; intervals are 95 % bootstrap intervals over
speakers, drawn within women, men, girls and boys.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stylewav_pl.training.recordings import Person

RESAMPLES = 2000


@dataclass(frozen=True)
class Answer:
    """What was heard in one recording.

    Attributes:
        person: Who speaks.
        male: Similarity to the male minus that to the female prompt.
        grown: Similarity to the adult's minus that to the child's prompt.
    """

    person: Person
    male: float
    grown: float


@dataclass(frozen=True)
class Figure:
    """A number with its 95 % interval and how many people it is of."""

    value: float
    low: float
    high: float
    people: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.2f}, {self.high:.2f}]" if self.people else "-"


# Name of each measure, over the people's own means.
def measures() -> Mapping[str, Callable[[Sequence["Speaker"]], float]]:
    """Names what is reported, and how it is computed from speakers."""
    return {
        "adults, balanced": lambda all: (_right(all, "woman") + _right(all, "man")) / 2,
        "women": lambda all: _right(all, "woman"),
        "men": lambda all: _right(all, "man"),
        "child or adult": lambda all: (_grown(all, "girl", "boy") + _grown(all, "woman", "man")) / 2,
        "women called adult": lambda all: _grown(all, "woman"),
        "correlation with age": lambda all: _correlation(all),
        "the same, female alone": lambda all: _correlation(
            [one for one in all if one.person.sex == "female"]
        ),
        "girls": lambda all: _right(all, "girl"),
        "boys": lambda all: _right(all, "boy"),
    }


@dataclass(frozen=True)
class Speaker:
    """What was heard in all recordings of one person.

    Attributes:
        person: Who.
        right_sex: Share of recordings nearest to the prompt of the right sex.
        right_age: Share told right as child or adult.
        grown: Adult minus child, of each recording.
    """

    person: Person
    right_sex: float
    right_age: float
    grown: tuple[float, ...]


def speakers_of(answers: Sequence[Answer]) -> list[Speaker]:
    """Gathers the answers by speaker."""
    by_person: dict[Person, list[Answer]] = {}
    for answer in answers:
        by_person.setdefault(answer.person, []).append(answer)
    return [_speaker(person, told) for person, told in by_person.items()]


def _speaker(person: Person, told: Sequence[Answer]) -> Speaker:
    sign = 1 if person.sex == "male" else -1
    adult = 1 if person.group in ("woman", "man") else -1
    right_sex = np.mean([answer.male * sign > 0 for answer in told])
    right_age = np.mean([answer.grown * adult > 0 for answer in told])
    return Speaker(person, float(right_sex), float(right_age), tuple(answer.grown for answer in told))


def _right(speakers: Sequence[Speaker], group: str) -> float:
    return _mean([speaker.right_sex for speaker in speakers if speaker.person.group == group])


def _grown(speakers: Sequence[Speaker], *groups: str) -> float:
    return _mean([speaker.right_age for speaker in speakers if speaker.person.group in groups])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _correlation(speakers: Sequence[Speaker]) -> float:
    """Correlates (adult - child) with the age in years (Pearson), over recordings of people of known age."""
    rows = [
        (speaker.person.years, grown)
        for speaker in speakers
        for grown in speaker.grown
        if math.isfinite(speaker.person.years) and math.isfinite(grown)
    ]
    years, grown = np.array(rows).T if rows else (np.zeros(0), np.zeros(0))
    if len(rows) < 3 or years.std() == 0 or grown.std() == 0:
        return math.nan
    return float(np.corrcoef(years, grown)[0, 1])


def figures(answers: Sequence[Answer], seed: int = 0) -> dict[str, Figure]:
    """Computes every measure that these people allow, with its interval."""
    speakers = speakers_of(answers)
    groups: dict[str, list[Speaker]] = {}
    for speaker in speakers:
        groups.setdefault(speaker.person.group, []).append(speaker)
    random = np.random.default_rng(seed)
    resampled = [_resample(groups, random) for _ in range(RESAMPLES)]
    told = {}
    for name, measure in measures().items():
        value = measure(speakers)
        if math.isfinite(value):
            drawn = np.array([measure(sample) for sample in resampled])
            low, high = np.nanquantile(drawn, [0.025, 0.975])
            told[name] = Figure(value, float(low), float(high), len(speakers))
    return told


def _resample(groups: Mapping[str, Sequence[Speaker]], random: np.random.Generator) -> list[Speaker]:
    drawn: list[Speaker] = []
    for members in groups.values():
        drawn += [members[i] for i in random.integers(len(members), size=len(members))]
    return drawn
