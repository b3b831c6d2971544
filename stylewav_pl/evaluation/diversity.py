"""How much the faces of one voice differ, where each voice gets several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.members import MARK
from stylewav_pl.runs.rows import ResultRow


@dataclass(frozen=True, slots=True)
class Diversity:
    """Mean distances of faces, 1 - cosine of what the guide sees in two of them.

    Attributes:
        voices: With more than one face.
        faces: Of these voices.
        within: Between two faces of one voice.
        between: Between two faces of different voices; ``None`` where there is one voice.
    """

    voices: int
    faces: int
    within: float
    between: float | None


def read_diversity(run: FinishedRun, rows: Sequence[ResultRow]) -> Diversity | None:
    """Returns how much the members of the clips of a run differ; None where clips have one face.

    Raises:
        RunDirectoryError: A file is damaged.
    """
    if faces_per_voice(run) == 1:
        return None
    done = {row.clip.id for row in rows if row.done}
    vectors = (
        (id.rpartition(MARK)[0], vector)
        for _, cohort in run.embeddings()
        for id, vector in zip(cohort.ids, cohort.images, strict=True)
        if id in done
    )
    return diversity(vectors)


def faces_per_voice(run: FinishedRun) -> int:
    """Returns the number that the run was made with; 1 where its configuration does not tell."""
    try:
        data = run.configuration.get("data")
    except RunDirectoryError:  # told by whoever needs the configuration itself
        return 1
    count = data.get("count", 1) if isinstance(data, dict) else 1
    return count if isinstance(count, int) else 1


def diversity(faces: Iterator[tuple[str, Float[np.ndarray, " embed"]]]) -> Diversity | None:
    """Returns the mean distances of faces; None where no voice has two.

    One vector for each voice is kept, and none for each face: the cosines of all pairs add up to what the
    square of the sum is more than its own parts.

    Args:
        faces: Voice and unit vector of each.

    >>> x, y = np.eye(2)
    >>> found = diversity(iter([("a", x), ("a", y), ("b", x)]))
    >>> found.voices, found.faces, found.within, found.between
    (1, 2, 1.0, 0.5)
    """
    sums: dict[str, Float[np.ndarray, " embed"]] = {}
    counts: dict[str, int] = {}
    for voice, vector in faces:
        sums[voice] = sums.get(voice, 0.0) + vector.astype(np.float64)
        counts[voice] = counts.get(voice, 0) + 1
    several = [voice for voice, count in counts.items() if count > 1]
    if not several:
        return None
    within = [
        (sums[voice] @ sums[voice] - counts[voice]) / (counts[voice] * (counts[voice] - 1))
        for voice in several
    ]
    total = np.sum(list(sums.values()), axis=0)
    pairs = sum(counts.values()) ** 2 - sum(count**2 for count in counts.values())
    between = None
    if pairs:
        between = 1 - float(total @ total - sum(one @ one for one in sums.values())) / pairs
    return Diversity(
        len(several), sum(counts[voice] for voice in several), 1 - float(np.mean(within)), between
    )
