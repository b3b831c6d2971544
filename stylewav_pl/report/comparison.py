"""Generators side by side: ``comparison.html``, ``.csv``, ``.json`` and ``.png``."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stylewav_pl.errors import printable
from stylewav_pl.evaluation.prompts import REPORT_NOTICE
from stylewav_pl.evaluation.run_comparison import Accuracies, Quality, RunComparison
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.evaluation.statistics import NotComputable
from stylewav_pl.files import write_whole
from stylewav_pl.pictures.grid import Picture, picture_grid
from stylewav_pl.pictures.images import load_face
from stylewav_pl.report.html import render_page
from stylewav_pl.report.media import face_uri
from stylewav_pl.report.statistics_file import as_json
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.members import MARK

PAGE, TABLE, NUMBERS, PICTURE = (f"comparison.{end}" for end in ("html", "csv", "json", "png"))
MOST_VOICES = 10  # in the picture and on the page: one column for each
Cell = str | float | int | None


@dataclass(frozen=True)
class Band:
    """The faces of one run on the page.

    Attributes:
        name: Of the run.
        seeds: For each seed the faces of the chosen voices, as data URIs.
    """

    name: str
    seeds: tuple[tuple[str, ...], ...]


def write_comparison(folder: Path, comparison: RunComparison, runs: Sequence[FinishedRun]) -> list[Path]:
    """Writes page, table, numbers and picture; returns their paths.

    Args:
        folder: An existing one.
        comparison: What was computed.
        runs: Those that were compared, for their pictures.
    """
    rows = table_of(comparison)
    by_seed = chosen_faces(comparison.runs[0].ids)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    _write(folder / TABLE, text.getvalue())
    _write(folder / NUMBERS, json.dumps({"format": 1, **_json(comparison)}, indent=1, allow_nan=False) + "\n")
    picture = picture_grid(_faces(comparison, runs, by_seed), columns=MOST_VOICES)
    write_whole(folder / PICTURE, lambda file: picture.save(file, format="PNG", optimize=True))
    page = render_page(
        "comparison.html.j2",
        "comparison.css",
        page=comparison,
        bands=_bands(comparison, runs, by_seed),
        traits=list(comparison.runs[0].traits),
        notice=REPORT_NOTICE,
    )
    _write(folder / PAGE, page)
    return [folder / name for name in (PAGE, TABLE, NUMBERS, PICTURE)]


def table_of(comparison: RunComparison) -> list[dict[str, Cell]]:
    """Returns a row for each run and one for the yardstick; what has no answer is ``None``."""
    rows: list[dict[str, Cell]] = []
    for run in comparison.runs:
        row: dict[str, Cell] = {
            "run": run.name,
            "generator": run.generator,
            "latent_space": run.latent_space,
            "steps": run.steps,
            "voices": comparison.voices,
            "faces": len(run.ids),
        }
        for trait, found in run.traits.items():
            row |= _of_trait(trait, found)
        row |= _of_quality(run.quality)
        row |= {
            "same_voice_distance": _known(run.same_voice),
            "similarity_start": _known(run.similarity_start),
            "similarity_end": _known(run.similarity_end),
            "seconds_per_face": _known(run.seconds_per_face),
        }
        rows.append(row)
    yardstick = dict.fromkeys(rows[0]) | {"run": comparison.reference} | _of_quality(comparison.yardstick)
    return [*rows, yardstick]


def as_text(comparison: RunComparison) -> str:
    """Returns the table for a terminal: a column for each run, a line for each number."""
    rows = table_of(comparison)
    names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    cells = [[_short(row[name]) for row in rows] for name in names]
    first = max(map(len, names)) + 2
    widths = [max(map(len, column)) + 2 for column in zip(*cells, strict=True)]
    lines = []
    for name, line in zip(names, cells, strict=True):
        padded = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        lines.append(printable(name.replace("_", " ").ljust(first) + "".join(padded)))
    return "\n".join(lines)


def _short(cell: Cell) -> str:
    """Returns a number with three digits; a dash where there is none."""
    if cell is None:
        return "-"
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)


def chosen_faces(ids: Sequence[str]) -> list[list[str]]:
    """Returns the ids of at most ten voices, for each seed: a column is a voice.

    >>> chosen_faces(["a#1", "a#2", "b#1", "b#2"]), chosen_faces(["a", "b"])
    ([['a#1', 'b#1'], ['a#2', 'b#2']], [['a', 'b']])
    """
    known = set(ids)
    voices = list(dict.fromkeys(id.rpartition(MARK)[0] for id in ids))
    numbers = sorted({id.rpartition(MARK)[2] for id in ids})
    if len(voices) * len(numbers) != len(known) or not all(number.isdigit() for number in numbers):
        return [evenly_spaced(list(ids), MOST_VOICES)]
    shown = evenly_spaced(voices, MOST_VOICES)
    return [[f"{voice}{MARK}{number}" for voice in shown] for number in numbers]


def _of_trait(trait: str, found: Accuracies) -> dict[str, Cell]:
    names = ("right", "low", "high", "same_answer", "same_answer_by_chance")
    row: dict[str, Cell] = dict.fromkeys(f"{trait}_{name}" for name in names)
    if not isinstance(found.right, NotComputable):
        share = found.right
        row |= {f"{trait}_right": share.value, f"{trait}_low": share.low, f"{trait}_high": share.high}
    if not isinstance(found.agreement, NotComputable):
        row[f"{trait}_same_answer"] = found.agreement.same_voice
        row[f"{trait}_same_answer_by_chance"] = found.agreement.other_voice
    return row | {f"{trait}_balanced": _known(found.balanced)}


def _of_quality(quality: Quality) -> dict[str, Cell]:
    row: dict[str, Cell] = dict.fromkeys(
        ("kernel_distance", "kernel_distance_deviation", "precision", "recall")
    )
    if not isinstance(quality.kernel, NotComputable):
        row["kernel_distance"] = quality.kernel.mean
        row["kernel_distance_deviation"] = quality.kernel.deviation
    if not isinstance(quality.manifold, NotComputable):
        row["precision"], row["recall"] = quality.manifold.precision, quality.manifold.recall
    return row | {"diversity": _known(quality.diversity)}


def _write(path: Path, text: str) -> None:
    """Writes UTF-8; names of folders and clips may have bytes that it cannot hold."""
    write_whole(path, lambda file: file.write(text.encode("utf-8", "replace")))


def _known(value: float | NotComputable) -> float | None:
    return None if isinstance(value, NotComputable) else value


def _json(comparison: RunComparison) -> Mapping[str, object]:
    found = as_json(comparison)
    assert isinstance(found, dict)
    return found


def _faces(
    comparison: RunComparison, runs: Sequence[FinishedRun], by_seed: Sequence[Sequence[str]]
) -> dict[str, list[Picture]]:
    """The faces of each run, one seed after the other."""
    ids = [id for of_seed in by_seed for id in of_seed]
    found: dict[str, list[Picture]] = {}
    for compared, run in zip(comparison.runs, runs, strict=True):
        found[compared.name] = [face for id in ids if (face := load_face(run, id)) is not None]
    return found


def _bands(
    comparison: RunComparison, runs: Sequence[FinishedRun], by_seed: Sequence[Sequence[str]]
) -> list[Band]:
    bands = []
    for compared, run in zip(comparison.runs, runs, strict=True):
        seeds = [tuple(face_uri(run, id) or "" for id in of_seed) for of_seed in by_seed]
        bands.append(Band(compared.name, tuple(seeds)))
    return bands
