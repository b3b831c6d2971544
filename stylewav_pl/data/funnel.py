"""How many clips each rule of a selection leaves: the way from a table to a sample, in numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stylewav_pl.errors import printable

MAX_POPULATIONS = 8  # beside each other in one block of the table
LONGEST_TITLE = 60


@dataclass(frozen=True, slots=True)
class Stage:
    """One number of a funnel.

    Attributes:
        source: Which data source.
        population: The label; empty where the number is about the whole source.
        stage: The rule, in the words that the reader sees.
        count: Clips left after it.
    """

    source: str
    population: str
    stage: str
    count: int


class Funnel:
    """The stages of one source, in the order in which the rules were applied.

    >>> funnel = Funnel("voices")
    >>> funnel.add("clips", {"": 12})
    >>> funnel.add("sampled", {"male": 2, "female": 3})
    >>> print(funnel)
    voices
      clips                                      12
                                               male      female
      sampled                                     2           3
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.stages: list[Stage] = []

    def add(self, stage: str, counts: Mapping[str, int]) -> None:
        """Appends one number per population."""
        self.stages += [Stage(self.source, population, stage, count) for population, count in counts.items()]

    def __str__(self) -> str:
        return table(self.stages)


def table(stages: Sequence[Stage]) -> str:
    """The stages of one or several sources as text."""
    return "\n\n".join(
        _block(source, [stage for stage in stages if stage.source == source])
        for source in _distinct(s.source for s in stages)
    )


def _block(source: str, stages: Sequence[Stage]) -> str:
    populations = [name for name in _distinct(stage.population for stage in stages) if name]
    counts = {(stage.stage, stage.population): stage.count for stage in stages}
    lines = [source, *(_line(stage.stage, f"{stage.count:,}") for stage in stages if not stage.population)]
    for start in range(0, len(populations), MAX_POPULATIONS):
        group = populations[start : start + MAX_POPULATIONS]
        lines.append(_line("", *group))
        for rule in _distinct(stage.stage for stage in stages if stage.population):
            lines.append(
                _line(rule, *(f"{counts[rule, name]:,}" if (rule, name) in counts else "" for name in group))
            )
    return "\n".join(line.rstrip() for line in lines)


def _line(title: str, *cells: str) -> str:
    return f"  {_told(title):<34}" + " ".join(f"{cell:>11}" for cell in cells)


def _told(text: str) -> str:
    """Accents and other values may be long."""
    clean = printable(text)
    return clean if len(clean) <= LONGEST_TITLE else f"{clean[: LONGEST_TITLE - 1]}…"


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
