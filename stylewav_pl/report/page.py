"""What the report shows, gathered from the files of a run; whatever is missing is left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from numpy import ndarray

from stylewav_pl.data.funnel import Stage
from stylewav_pl.evaluation.findings import Findings, recompute_findings
from stylewav_pl.evaluation.populations import group
from stylewav_pl.evaluation.prompts import REPORT_NOTICE
from stylewav_pl.evaluation.records import Evaluation
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.report.figures import distributions, forest_plot
from stylewav_pl.report.media import face_uri, sound_uri, start_uris
from stylewav_pl.report.tables import caveats
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.identity import flatten
from stylewav_pl.runs.manifest import RECORDED
from stylewav_pl.runs.rows import ResultRow

MAX_FACES = 24
MAX_CLIPS = 200
MAX_SKIPS = 500
SPARK_WIDTH, SPARK_HEIGHT = 120, 32

Sound: TypeAlias = tuple[Float[ndarray, " time"], int]
Sounds: TypeAlias = Callable[[str], Sound | None]
"""Waveform in [-1, 1] and sample rate in Hz of a clip, None where its audio cannot be had any more."""


@dataclass(frozen=True)
class TraitSection:
    """One trait: its evaluation and figures (data URIs, None where there is nothing to draw)."""

    evaluation: Evaluation
    forest: str | None
    distributions: str | None


@dataclass(frozen=True)
class ClipEntry:
    """One clip of the list; pictures and sound are data URIs, None where there is none.

    Attributes:
        spark: Points of the similarity curve for an SVG polyline, empty without a curve.
        keys: What the list can be sorted by, in the order of :attr:`Page.sort_names`; empty where the clip
            has none.
    """

    row: ResultRow
    start: str | None
    face: str | None
    sound: str | None
    spark: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """Everything the template needs.

    Attributes:
        faces: Population to clips shown, each id with its start and its final image.
        sort_names: What the list of clips can be sorted by.
    """

    title: str
    findings: Findings
    traits: tuple[TraitSection, ...]
    notes: tuple[str, ...]
    faces: Mapping[str, tuple[tuple[str, str | None, str], ...]]
    population_sizes: Mapping[str, int]
    sort_names: tuple[str, ...]
    clips: tuple[ClipEntry, ...]
    done: int
    funnel: tuple[Stage, ...]
    skipped: tuple[Mapping[str, str], ...]
    facts: Mapping[str, str]
    config: str


def build_page(
    run: FinishedRun,
    findings: Findings | None = None,
    sounds: Sounds = lambda _: None,
) -> Page:
    """Reads a run.

    Args:
        run: Of any age.
        findings: What was computed about it; computed here when None.
        sounds: Where the clips' audio is to be had.

    Raises:
        RunDirectoryError: If there are no results, or a file that is there is damaged.
    """
    done = [row for row in run.rows if row.done]
    found = findings or recompute_findings(run)
    populations = group(run)
    groups = {label: evenly_spaced(ids, MAX_FACES) for label, ids in populations.items()}
    listed = evenly_spaced(done, MAX_CLIPS)
    starts = start_uris(
        run, [*(row.clip.id for row in listed), *(id for ids in groups.values() for id in ids)]
    )
    faces = {id: uri for ids in groups.values() for id in ids if (uri := face_uri(run, id))}
    labels = tuple(dict.fromkeys(name for row in done for name in row.clip.labels))
    prompts = tuple(dict.fromkeys(prompt for row in done for prompt in row.scores))
    return Page(
        title=run.path.resolve().name,
        findings=found,
        traits=tuple(
            TraitSection(one, forest_plot(one), distributions(one, run.rows)) for one in found.evaluations
        ),
        notes=tuple(
            dict.fromkeys([REPORT_NOTICE, *(note for one in found.evaluations for note in caveats(one))])
        ),
        faces={
            label: tuple((id, starts.get(id), faces[id]) for id in ids if id in faces)
            for label, ids in groups.items()
        },
        population_sizes={label: len(ids) for label, ids in populations.items()},
        sort_names=("id", *labels, "similarity at the end", "similarity gained", *prompts),
        clips=_clips(run, listed, starts, faces, sounds, labels, prompts),
        done=len(done),
        funnel=tuple(Stage(**stage) for stage in run.funnel),
        skipped=_skipped(run),
        facts={name: str(value) for name, value in flatten(_short(run.manifest)).items()},
        config=run.configuration_text,
    )


def _clips(
    run: FinishedRun,
    rows: Sequence[ResultRow],
    starts: Mapping[str, str],
    faces: Mapping[str, str],
    sounds: Sounds,
    labels: Sequence[str],
    prompts: Sequence[str],
) -> tuple[ClipEntry, ...]:
    wanted = {row.clip.id for row in rows}
    curves = {id: curve for id, curve in run.curves() if id in wanted}
    values = [value for curve in curves.values() for value in curve]
    low, high = min(values, default=0.0), max(values, default=1.0)
    entries = []
    for row in rows:
        id = row.clip.id
        sound = sounds(id)
        entries.append(
            ClipEntry(
                row=row,
                start=starts.get(id),
                face=faces.get(id) or face_uri(run, id),
                sound=sound_uri(*sound) if sound else None,
                spark=spark(curves.get(id, ()), low, high),
                keys=_keys(row, labels, prompts),
            )
        )
    return tuple(entries)


def _keys(row: ResultRow, labels: Sequence[str], prompts: Sequence[str]) -> tuple[str, ...]:
    gain = (
        None
        if row.similarity_end is None or row.similarity_start is None
        else row.similarity_end - row.similarity_start
    )
    numbers = [row.similarity_end, gain, *(row.scores.get(prompt) for prompt in prompts)]
    return (
        row.clip.id,
        *(row.clip.labels.get(name, "") for name in labels),
        *("" if number is None else f"{number:.6f}" for number in numbers),
    )


def spark(curve: Sequence[float], low: float, high: float) -> str:
    """A curve as polyline points; all clips share the scale from ``low`` (bottom) to ``high`` (top).

    >>> spark([0.0, 0.5, 1.0], 0.0, 1.0)
    '2.0,30.0 60.0,16.0 118.0,2.0'
    """
    if len(curve) < 2:
        return ""
    across, up = (SPARK_WIDTH - 4) / (len(curve) - 1), (SPARK_HEIGHT - 4) / ((high - low) or 1.0)
    return " ".join(
        f"{2 + index * across:.1f},{SPARK_HEIGHT - 2 - (value - low) * up:.1f}"
        for index, value in enumerate(curve)
    )


def _skipped(run: FinishedRun) -> tuple[Mapping[str, str], ...]:
    columns = ("id", "path", "reason", "detail")
    return tuple({name: line.get(name, "") for name in columns} for line in run.skip_lines)


def _short(manifest: Mapping[str, object]) -> Mapping[str, object]:
    """Returns the manifest without the plan.

    What it notes about the files of the run, this page among them, is left out too.
    """
    return {
        name: value
        for name, value in manifest.items()
        if name not in ("plan", "settled", RECORDED, "identity")
    }
