"""``report``: the tables, statistics, picture grid and page of a run.

They are made again from what lies in its directory.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stylewav_pl.commands.options import Options
from stylewav_pl.errors import RunDirectoryError, one_line

if TYPE_CHECKING:
    from stylewav_pl.data import ClipDataModule
    from stylewav_pl.runs.finished import FinishedRun


def parser() -> argparse.ArgumentParser:
    """The options of ``report``."""
    options = Options(
        prog="stylewav-pl report",
        description="Writes statistics.json, grid.png and report.html of a run again.",
    )
    options.add_argument(
        "directory", metavar="DIR", type=Path, help="a run directory (its results.csv is needed)"
    )
    options.add_argument("--no-audio", action="store_true", help="leave the voices out of the page")
    return options


def run(command: str, options: list[str]) -> int:
    """Makes the report of one run again.

    Raises:
        RunDirectoryError: The directory is not that of a run, or what is read of it is damaged.
    """
    asked = parser().parse_args(options)
    directory: Path = asked.directory
    if not (directory / "results.csv").is_file():
        raise RunDirectoryError(
            f"{directory} has no results.csv. Expected the directory of a finished `stylewav-pl fit`."
        )

    from stylewav_pl.runs.damage import DamageError
    from stylewav_pl.runs.finished import FinishedRun
    from stylewav_pl.runs.results import Totals
    from stylewav_pl.session.finalize import (
        Scoring,
        evaluate_run,
        print_end,
        record_report,
        sounds_of,
        statistics_text,
    )

    finished = FinishedRun(directory)
    facts = finished.manifest.get("scored_with")
    if facts is None:
        raise RunDirectoryError(
            f"{finished.directory.manifest_path} does not say how the run was scored. Score it: `stylewav-pl "
            f"test --config X --run {directory}`."
        )
    data = None if asked.no_audio else data_of(finished)
    findings = (
        evaluate_run(finished, Scoring(**facts), sounds_of(data))
        if data
        else evaluate_run(finished, Scoring(**facts))
    )
    record_report(finished.directory)
    done = sum(row.done for row in finished.rows)
    print_end(finished.directory, statistics_text(findings), Totals(done, finished.skips, 0.0))
    if finished.damages:
        raise DamageError(directory, finished.damages)
    return 0


def data_of(run: "FinishedRun") -> "ClipDataModule | None":
    """The clips as the run's configuration names them.

    None, with a word about it, where they cannot be had any more.
    """
    from stylewav_pl.commands.data_section import build_data
    from stylewav_pl.weights.offline import without_network

    if not run.directory.config_path.is_file() and not run.manifest.get("identity"):
        return None
    try:
        settings = run.configuration["data"]
        # a run directory may come from anybody: it has no classes of others built, and nothing fetched
        with without_network():
            data = build_data(settings, names=[])
            data.list_clips()
    # sources are on files that may be gone: a page without sound is still a page
    except Exception as problem:
        print(f"The voices cannot be heard in the report: {one_line(problem)}")
        return None
    return data
