"""What the report shows, gathered from the files of a run; whatever is missing is left out."""

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from stylewav_pl.evaluation.experiment import Evaluation, evaluate
from stylewav_pl.evaluation.figures import distributions, forest_plot
from stylewav_pl.evaluation.grid import load_face
from stylewav_pl.evaluation.populations import Populations, evenly, group
from stylewav_pl.evaluation.prompts import DEFAULT_PROMPTS, NOT_A_PORTRAIT
from stylewav_pl.evaluation.results import ResultRow, read_results
from stylewav_pl.evaluation.speakers import PERMUTATIONS
from stylewav_pl.evaluation.statistics_file import read_settings
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.identity import flatten
from stylewav_pl.types import StyleWavError

MOST_FACES = 40
MOST_CLIPS = 300
THUMBNAIL_PIXELS = 112
SPARK_WIDTH, SPARK_HEIGHT = 72, 22


@dataclass(frozen=True)
class TraitSection:
    """One trait: its evaluation and figures (data URIs, None where there is nothing to draw)."""

    evaluation: Evaluation
    forest: str | None
    distributions: str | None


@dataclass(frozen=True)
class ClipEntry:
    """One line of the list of clips.

    Attributes:
        thumbnail: Data URI, None without an image.
        spark: Points of the similarity curve for an SVG polyline, empty without a curve.
    """

    row: ResultRow
    thumbnail: str | None
    spark: str


@dataclass(frozen=True)
class Page:
    """Everything the template needs."""

    title: str
    traits: tuple[TraitSection, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    faces: Mapping[str, tuple[tuple[str, str], ...]]
    population_sizes: Mapping[str, int]
    labels: tuple[str, ...]
    prompts: tuple[str, ...]
    clips: tuple[ClipEntry, ...]
    done: int
    skipped: tuple[Mapping[str, str], ...]
    facts: Mapping[str, str]
    config: str


def gather(run_directory: Path) -> Page:
    """Reads a run and evaluates it again from its records.

    Raises:
        RunDirectoryError: If there are no results, or a file that is there is damaged.
    """
    rows = read_results(run_directory)
    done = [row for row in rows if row.done]
    traits, problems = _traits(run_directory, rows)
    groups = group(run_directory, rows)
    return Page(
        title=run_directory.resolve().name,
        traits=traits,
        problems=problems,
        notes=tuple(dict.fromkeys([NOT_A_PORTRAIT, *(note for section in traits for note in section.evaluation.notes)])),
        faces=_faces(run_directory, groups),
        population_sizes={label: len(ids) for label, ids in groups.items()},
        labels=tuple(dict.fromkeys(name for row in done for name in row.clip.labels)),
        prompts=tuple(dict.fromkeys(prompt for row in done for prompt in row.scores)),
        clips=_clips(run_directory, evenly(done, MOST_CLIPS)),
        done=len(done),
        skipped=_skipped(run_directory),
        facts={name: str(value) for name, value in flatten(_short_manifest(run_directory)).items()},
        config=_text(run_directory / "config.yaml"),
    )


def _traits(run_directory: Path, rows: Sequence[ResultRow]) -> tuple[tuple[TraitSection, ...], tuple[str, ...]]:
    """The traits evaluated before, or those with default prompts; with what could not be evaluated and why."""
    scored = {prompt for row in rows for prompt in row.scores}
    defaults = [(prompts, 0, PERMUTATIONS, ()) for prompts in DEFAULT_PROMPTS.values() if scored.issuperset(prompts.sentences)]
    sections, problems = [], []
    for prompts, seed, permutations, notes in read_settings(run_directory) or defaults:
        try:
            evaluation = evaluate(rows, prompts, seed=seed, permutations=permutations, notes=notes)
            sections.append(TraitSection(evaluation, forest_plot(evaluation), distributions(evaluation, rows)))
        except StyleWavError as problem:
            problems.append(str(problem))
    return tuple(sections), tuple(problems)


def _faces(run_directory: Path, groups: Populations) -> dict[str, tuple[tuple[str, str], ...]]:
    """Id and thumbnail of a sample of each population."""
    shown = {label: [(id, _thumbnail(run_directory, id)) for id in evenly(ids, MOST_FACES)] for label, ids in groups.items()}
    return {label: tuple((id, uri) for id, uri in faces if uri) for label, faces in shown.items()}


def _clips(run_directory: Path, rows: Sequence[ResultRow]) -> tuple[ClipEntry, ...]:
    curves = _curves(run_directory / "curves.csv", {row.clip.id for row in rows})
    values = [value for curve in curves.values() for value in curve]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return tuple(ClipEntry(row, _thumbnail(run_directory, row.clip.id), spark(curves.get(row.clip.id, ()), low, high)) for row in rows)


def spark(curve: Sequence[float], low: float, high: float) -> str:
    """A curve as polyline points; all clips share the scale from ``low`` (bottom) to ``high`` (top).

    >>> spark([0.0, 0.5, 1.0], 0.0, 1.0)
    '1.0,21.0 36.0,11.0 71.0,1.0'
    """
    if len(curve) < 2:
        return ""
    across, up = (SPARK_WIDTH - 2) / (len(curve) - 1), (SPARK_HEIGHT - 2) / ((high - low) or 1.0)
    return " ".join(f"{1 + index * across:.1f},{SPARK_HEIGHT - 1 - (value - low) * up:.1f}" for index, value in enumerate(curve))


def _curves(path: Path, wanted: set[str]) -> dict[str, tuple[float, ...]]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        lines = csv.reader(file)
        next(lines, None)
        return {cells[0]: tuple(float(cell) for cell in cells[1:] if cell) for cells in lines if cells and cells[0] in wanted}


def _skipped(run_directory: Path) -> tuple[Mapping[str, str], ...]:
    path = run_directory / "skipped.csv"
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return tuple({name: line.get(name) or "" for name in ("id", "path", "reason", "detail")} for line in csv.DictReader(file))


def _short_manifest(run_directory: Path) -> Mapping[str, object]:
    """The manifest without the plan, which names every clip."""
    return {name: value for name, value in RunDirectory(run_directory).read_manifest().items() if name != "plan"}


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""


def _thumbnail(run_directory: Path, id: str) -> str | None:
    face = load_face(run_directory, id)
    if face is None:
        return None
    face.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    face.save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
