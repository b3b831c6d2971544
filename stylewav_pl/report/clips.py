"""The list of clips in the report: pictures, sound and numbers of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from numpy import ndarray

from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.report.media import face_uri, sound_uri, start_uris
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.rows import ResultRow

SPARK_WIDTH, SPARK_HEIGHT = 120, 32
BUILT_IN = "builtin:"  # how the paths of built-in voices begin

Sound: TypeAlias = tuple[Float[ndarray, " time"], int]
Sounds: TypeAlias = Callable[[str], Sound | None]
"""Waveform in [-1, 1] and sample rate in Hz of a clip, None where its audio cannot be had any more."""


@dataclass(frozen=True)
class ClipEntry:
    """One clip of the list; pictures and sound are data URIs, None where there is none.

    Attributes:
        number: Of the clip on the page, from 0; links lead to ``clip-NUMBER``.
        curve: Similarity at each step.
        spark: Points of its gain for an SVG polyline, empty without a curve.
        keys: What the list can be sorted by, in the order of :func:`sort_names`; empty where the clip has
            none.
    """

    number: int
    row: ResultRow
    start: str | None
    face: str | None
    sound: str | None
    curve: tuple[float, ...]
    spark: str
    keys: tuple[str, ...]

    @property
    def is_built_in(self) -> bool:
        """Whether the voice comes with the package."""
        return self.row.clip.path.startswith(BUILT_IN)


def choose(rows: Sequence[ResultRow], most: int) -> list[ResultRow]:
    """Returns a sample of the finished clips in their order: own recordings before built-in voices."""
    own = [row for row in rows if not row.clip.path.startswith(BUILT_IN)]
    others = [row for row in rows if row.clip.path.startswith(BUILT_IN)]
    chosen = evenly_spaced(own, most)
    chosen += evenly_spaced(others, most - len(chosen))
    wanted = {row.clip.id for row in chosen}
    return [row for row in rows if row.clip.id in wanted]


def sort_names(rows: Sequence[ResultRow]) -> tuple[str, ...]:
    """Returns what a list of clips can be sorted by."""
    labels = dict.fromkeys(name for row in rows for name in row.clip.labels)
    prompts = dict.fromkeys(prompt for row in rows for prompt in row.scores)
    return ("id", *labels, "similarity at the end", "similarity gained", *prompts)


def read_clips(
    run: FinishedRun, rows: Sequence[ResultRow], known: Sequence[ResultRow], sounds: Sounds
) -> tuple[ClipEntry, ...]:
    """Gathers what the list shows.

    Args:
        run: Has pictures and curves.
        rows: The clips that are listed.
        known: All clips that have a face: their labels and prompts are columns.
        sounds: Where the clips' audio is to be had.
    """
    wanted = {row.clip.id for row in rows}
    curves = {id: curve for id, curve in run.curves() if id in wanted}
    starts = start_uris(run, wanted)
    low, high = gains(list(curves.values()))
    labels = tuple(dict.fromkeys(name for row in known for name in row.clip.labels))
    prompts = tuple(dict.fromkeys(prompt for row in known for prompt in row.scores))
    entries = []
    for number, row in enumerate(rows):
        id = row.clip.id
        sound, curve = sounds(id), curves.get(id, ())
        entries.append(
            ClipEntry(
                number=number,
                row=row,
                start=starts.get(id),
                face=face_uri(run, id),
                sound=sound_uri(*sound) if sound else None,
                curve=curve,
                spark=spark(curve, low, high),
                keys=_keys(row, labels, prompts),
            )
        )
    return tuple(entries)


def gains(curves: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Returns the largest loss and the largest gain since the start, of all curves together.

    At most and at least 0.

    >>> gains([[0.5, 0.75], [0.25, 0.125]])
    (-0.125, 0.25)
    """
    values = [value - curve[0] for curve in curves for value in curve]
    return min(values, default=0.0), max(values, default=0.0)


def spark(curve: Sequence[float], low: float, high: float) -> str:
    """A curve's gain since its start as polyline points; all clips share the scale from ``low`` to ``high``.

    So a small gain looks small, however near to the target the clip began.

    >>> spark([0.5, 0.75, 1.0], 0.0, 0.5)
    '2.0,30.0 60.0,16.0 118.0,2.0'
    """
    if len(curve) < 2:
        return ""
    across, up = (SPARK_WIDTH - 4) / (len(curve) - 1), (SPARK_HEIGHT - 4) / ((high - low) or 1.0)
    return " ".join(
        f"{2 + index * across:.1f},{SPARK_HEIGHT - 2 - (value - curve[0] - low) * up:.1f}"
        for index, value in enumerate(curve)
    )


def _keys(row: ResultRow, labels: Sequence[str], prompts: Sequence[str]) -> tuple[str, ...]:
    gain = None
    if row.similarity_end is not None and row.similarity_start is not None:
        gain = row.similarity_end - row.similarity_start
    numbers = [row.similarity_end, gain, *(row.scores.get(prompt) for prompt in prompts)]
    return (
        row.clip.id,
        *(row.clip.labels.get(name, "") for name in labels),
        *("" if number is None else f"{number:.6f}" for number in numbers),
    )
