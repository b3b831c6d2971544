"""Whether everything that a run writes can lie where it should: found out before hours are spent on it."""

import os
from pathlib import Path

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.files import SCRATCH

# Folders whose files are written beside their place first and then renamed into it.
FOLDERS = ("images", "latents", "strips", "shards", "journal", SCRATCH)


def check_places(run: Path) -> None:
    """Refuses folders of a run directory that files cannot be moved into.

    A file is written under another name and renamed when it is whole; between two disks nothing can be
    renamed.

    Args:
        run: The run directory; it need not exist.

    Raises:
        RunDirectoryError: One of its folders, or the directory itself, is a link to nothing, no folder, or on
            another disk.
    """
    if os.path.lexists(run) and not run.is_dir():
        raise RunDirectoryError(
            f"Expected a folder, or nothing, at {run}; found {_described(run)}. Remove it, or choose another "
            "directory with --run."
        )
    for place in (*(run / name for name in FOLDERS), *run.glob("rendered*")):
        if not os.path.lexists(place):
            continue
        if not place.is_dir():
            raise RunDirectoryError(
                f"Expected a folder at {place}, found {_described(place)}. Remove it, or make the folder "
                "that it leads to."
            )
        if disk_of(place) != disk_of(run):
            raise RunDirectoryError(
                f"{place} lies on another disk than {run}, where whole files cannot be moved to. Remove it, "
                "and put the whole run directory on that disk: --run DIR, or a link in place of it."
            )


def disk_of(place: Path) -> int:
    """The number that the system gives to the file system of a place."""
    return place.stat().st_dev


def _described(place: Path) -> str:
    if place.is_symlink():
        return f"a link to {'' if place.exists() else 'nothing: '}{os.readlink(place)}"
    return "a file"
