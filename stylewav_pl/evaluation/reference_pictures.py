"""Real pictures that generated ones are compared with: faces of the pocket renderer, or a folder's."""

from collections.abc import Iterator
from pathlib import Path

import torch

from stylewav_pl.data.photos import PHOTOS, read_photo
from stylewav_pl.errors import ConfigError
from stylewav_pl.evaluation.run_comparison import Image, Reference
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.pocket.faces import RESOLUTION, Z_DIM, render

SEED, OTHER_SEED = 31_415_926, 27_182_818  # of noise that no recipe of training draws
AT_ONCE = 64


def drawn_reference(count: int) -> Reference:
    """Returns drawn faces: what the pocket generators have learned from."""
    return Reference("drawn faces", _drawn(count, SEED), lambda others: _drawn(others, OTHER_SEED))


def folder_reference(folder: Path, count: int) -> Reference:
    """Returns square pictures of a folder, a sample of them evenly spaced by name.

    Args:
        folder: Its sub-folders are searched, too.
        count: How many are compared with, at most half of them; the others are the yardstick.

    Raises:
        ConfigError: There are fewer than two; while they are read, one cannot be.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTOS)
    if len(paths) < 2:
        raise ConfigError(
            f"Expected a folder with pictures ({', '.join(PHOTOS)}) to compare with, found {len(paths)} in "
            f"{folder}. Correct --reference."
        )
    chosen = evenly_spaced(paths, min(count, (len(paths) + 1) // 2))
    taken = set(chosen)
    rest = [path for path in paths if path not in taken]
    return Reference(
        f"pictures of {folder.name}", _read(chosen), lambda others: _read(evenly_spaced(rest, others))
    )


def _drawn(count: int, seed: int) -> Iterator[Image]:
    chance = torch.Generator().manual_seed(seed)
    for start in range(0, count, AT_ONCE):
        yield from render(torch.randn(min(AT_ONCE, count - start), Z_DIM, generator=chance))


def _read(paths: list[Path]) -> Iterator[Image]:
    for path in paths:
        yield read_photo(path, RESOLUTION)
