"""``verify``: whether every file of a run is the one that was written."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stylewav_pl.commands.options import Options
from stylewav_pl.errors import RunDirectoryError, printable_lines

if TYPE_CHECKING:
    from stylewav_pl.runs.verification import Checked


def parser() -> argparse.ArgumentParser:
    """Returns the options of ``verify``."""
    options = Options(
        prog="stylewav-pl verify",
        description="Compares every file of a run with the hash that was recorded when it was written. What "
        "is damaged or missing is named, and made again by the next `fit` of the run.",
    )
    options.add_argument("directory", metavar="DIR", type=Path, help="a run directory")
    return options


def run(command: str, options: list[str]) -> int:
    """Reads every file of a run and compares it with what was recorded when it was written.

    Raises:
        RunDirectoryError: Something is damaged or missing, or the directory is not that of a run.
    """
    directory: Path = parser().parse_args(options).directory

    from stylewav_pl.runs.damage import DamageError, note
    from stylewav_pl.runs.finished import FinishedRun
    from stylewav_pl.runs.verification import check_cohorts, check_once

    run = FinishedRun(directory)
    if not run.manifest and not run.journals:
        raise RunDirectoryError(f"{directory} is no run. Expected the directory of a `stylewav-pl fit`.")
    once = list(check_once(run))
    checked = check_cohorts(run, thorough=run.journals)
    print(printable_lines("\n".join(told(checked, len(run.journals), run.journals.number_of_clips))))
    damaged = {damage.cohort for damage in checked.damages if damage.cohort is not None}
    if not note(run.directory.journal_path, damaged):
        print(
            f"{directory} cannot be written, so the next start will not know: delete what is damaged, or "
            "restore it."
        )
    if damages := [*once, *checked.damages]:
        raise DamageError(directory, damages)
    return 0


def told(checked: "Checked", cohorts: int, clips: int) -> list[str]:
    """What was looked at, a sentence each."""
    lines = [
        f"verified: {clips} faces in {cohorts} cohorts, {checked.files} files, {checked.bytes / 1e6:.1f} MB"
    ]
    if checked.unknown:
        lines.append(
            f"{checked.unknown} cohorts were written by an earlier version, which recorded no hashes: "
            "nothing is known about their files."
        )
    if count := len(checked.changed):
        what = (
            "1 recording has changed since its face was"
            if count == 1
            else f"{count} recordings have changed since their faces were"
        )
        lines.append(f"{what} made: {checked.changed[0]}{', ...' if count > 1 else ''}")
    return lines
