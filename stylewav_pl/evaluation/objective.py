"""What the loss of a run consisted of in the end: each term's mean over the clips, and its share."""

from collections.abc import Iterable
from dataclasses import dataclass

from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.journal import ClipRecord


@dataclass(frozen=True)
class TermShare:
    """One term.

    Attributes:
        name: As the journal has it.
        clips: How many had it.
        mean: Weighted value at the end, over these clips.
        share: Of the whole loss of all clips, in [0, 1]; 0 where nothing is left.
    """

    name: str
    clips: int
    mean: float
    share: float


def read_terms(run: FinishedRun) -> tuple[TermShare, ...]:
    """Returns the terms of a run; none where its loss was one term, or nothing was kept of it.

    Raises:
        RunDirectoryError: A journal is damaged.
    """
    return shares_of(run.records() if run.journals else ())


def shares_of(records: Iterable[ClipRecord]) -> tuple[TermShare, ...]:
    """Returns the terms of clips, in the order of the first that has them.

    >>> terms = {"voice": 0.75, "identity": 0.25}
    >>> clip = ClipRecord("a", "", "", {}, 0, 0.1, 0.2, {}, (0.1, 0.2), terms=terms)
    >>> [(one.name, one.share) for one in shares_of([clip])]
    [('voice', 0.75), ('identity', 0.25)]
    """
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for record in records:
        for name, value in record.terms.items():
            sums[name] = sums.get(name, 0.0) + value
            counts[name] = counts.get(name, 0) + 1
    whole = sum(abs(value) for value in sums.values()) or 1.0
    return tuple(
        TermShare(name, counts[name], value / counts[name], abs(value) / whole)
        for name, value in sums.items()
    )
