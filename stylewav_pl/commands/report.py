"""``report``: the tables, statistics, picture grid and page of a run, made again from what lies in its directory."""

import argparse
from pathlib import Path

from stylewav_pl.types import RunDirectoryError


def run(command: str, options: list[str]) -> int:
    """Makes the report of one run again.

    Raises:
        RunDirectoryError: The directory is not that of a run.
    """
    parser = argparse.ArgumentParser(prog="stylewav-pl report", description="Writes statistics.json, grid.png and report.html of a run again.")
    parser.add_argument("directory", metavar="DIR", type=Path, help="a run directory (its results.csv is needed)")
    directory: Path = parser.parse_args(options).directory
    if not (directory / "results.csv").is_file():
        raise RunDirectoryError(f"{directory} has no results.csv. Expected the directory of a finished `stylewav-pl fit`.")

    from stylewav_pl.commands.finish import Scoring, evaluate_run, print_end
    from stylewav_pl.evaluation.results import read_results
    from stylewav_pl.runs.directory import RunDirectory
    from stylewav_pl.runs.results import read_skips

    finished = RunDirectory(directory)
    facts = finished.read_manifest().get("scored_with")
    if facts is None:
        raise RunDirectoryError(
            f"{finished.manifest_path} does not say how the run was scored. Score it: `stylewav-pl test --config X --run {directory}`."
        )
    evaluations = evaluate_run(finished, Scoring(**facts))
    done = sum(row.done for row in read_results(directory))
    print_end(finished, evaluations, done, read_skips(finished))
    return 0
