"""Reads and arranges the pictures of a run."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from stylewav_pl.evaluation.populations import Populations, group
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.files import write_whole
from stylewav_pl.pictures.grid import Picture, picture_grid
from stylewav_pl.runs.damage import DamageError
from stylewav_pl.runs.finished import FinishedRun, opened
from stylewav_pl.runs.rows import ResultRow


def save_grid(
    run: FinishedRun | Path,
    trait: str | None = None,
    limit: int = 40,
    rows: Sequence[ResultRow] | None = None,
) -> Path:
    """Draws the faces of a run by population and writes them as ``grid.png`` beside its results.

    Args:
        run: A run with ``results.csv`` and ``images/``; images that are missing or damaged are left
            out.
        trait: The label that makes the populations; by default the one that was evaluated.
        limit: Most faces of a population; of more an evenly spaced sample is shown.
        rows: The records, where they were read already.

    Returns:
        The path of the picture.

    Raises:
        RunDirectoryError: If there are no results.
    """
    run = opened(run)
    populations = group(run.path, run.rows if rows is None else rows, trait)
    faces = {title: _load(run, evenly_spaced(ids, limit)) for title, ids in _titled(populations).items()}
    notes = {title: _counted(len(faces[title]), len(ids)) for title, ids in _titled(populations).items()}
    picture = picture_grid(faces, notes=notes)
    path = run.path / "grid.png"
    write_whole(path, lambda file: picture.save(file, format="PNG", optimize=True))
    return path


def load_face(run: FinishedRun | Path, id: str) -> Image.Image | None:
    """The image of a clip, or None where it is missing or damaged, which a run that is open keeps in mind."""
    try:
        with Image.open(io.BytesIO(opened(run).image(id))) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, DamageError):
        return None  # what PIL raises for files that are no images, and stores for what they lack


def _load(run: FinishedRun, ids: Sequence[str]) -> list[Picture]:
    return [face for id in ids if (face := load_face(run, id)) is not None]


def _titled(populations: Populations) -> dict[str, tuple[str, ...]]:
    rest = "other voices" if len(populations) > 1 else "voices"
    return {f"{label} voices" if label else rest: ids for label, ids in populations.items()}


def _counted(shown: int, total: int) -> str:
    return f"{shown} face{'s' * (total != 1)}" if shown == total else f"{shown} of {total} faces"
