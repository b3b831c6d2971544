"""Reads and arranges the pictures of a run."""

from collections.abc import Sequence
from pathlib import Path

from stylewav_pl.evaluation.populations import Populations, group
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.files import write_whole
from stylewav_pl.pictures.grid import Picture, picture_grid
from stylewav_pl.pictures.images import load_face
from stylewav_pl.runs.finished import GRID, FinishedRun


def save_grid(
    run: FinishedRun,
    trait: str | None = None,
    limit: int = 40,
) -> Path:
    """Draws the faces of a run by population and writes them as ``grid.png`` beside its results.

    Args:
        run: A run with ``results.csv`` and ``images/``; images that are missing or damaged are left
            out.
        trait: The label that makes the populations; by default the one that was evaluated.
        limit: Most faces of a population; of more an evenly spaced sample is shown.

    Returns:
        The path of the picture.

    Raises:
        RunDirectoryError: If there are no results.
    """
    populations = group(run, trait)
    faces = {title: _load(run, evenly_spaced(ids, limit)) for title, ids in _titled(populations).items()}
    notes = {title: _counted(len(faces[title]), len(ids)) for title, ids in _titled(populations).items()}
    picture = picture_grid(faces, notes=notes)
    path = run.path / GRID
    write_whole(path, lambda file: picture.save(file, format="PNG", optimize=True))
    return path


def _load(run: FinishedRun, ids: Sequence[str]) -> list[Picture]:
    return [face for id in ids if (face := load_face(run, id)) is not None]


def _titled(populations: Populations) -> dict[str, tuple[str, ...]]:
    rest = "other voices" if len(populations) > 1 else "voices"
    return {f"{label} voices" if label else rest: ids for label, ids in populations.items()}


def _counted(shown: int, total: int) -> str:
    return f"{shown} face{'s' * (total != 1)}" if shown == total else f"{shown} of {total} faces"
