"""``compare``: what several generators make of the same voices, side by side."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stylewav_pl.commands.options import Options
from stylewav_pl.commands.pocket_options import positive
from stylewav_pl.errors import ConfigError, RunDirectoryError

REFERENCE_FACES = 400


def parser() -> argparse.ArgumentParser:
    """Describes the options of ``compare``."""
    options = Options(
        prog="stylewav-pl compare",
        description="Sets side by side what several generators make of the same voices: what the judge "
        "finds, picture quality, diversity, consistency and time, with a page, a table and a picture. Takes "
        "finished runs, or one experiment with an overlay for each generator, which it runs first (and goes "
        "on with, where it was interrupted).",
        epilog="example: stylewav-pl compare --config compare.yaml --with overlays/prior.yaml "
        "--with overlays/samples.yaml --with overlays/pocket-vqgan.yaml",
    )
    options.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="directory of a finished run")
    options.add_argument(
        "--config",
        "-c",
        action="append",
        default=[],
        metavar="X.yaml",
        help="the experiment that all runs share",
    )
    options.add_argument(
        "--with",
        dest="overlays",
        action="append",
        default=[],
        metavar="X.yaml",
        help="what one run changes in it, the generator above all; its results go to DIR/X",
    )
    options.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("runs/comparison"),
        metavar="DIR",
        help="where page, table and picture go (default: runs/comparison)",
    )
    options.add_argument(
        "--reference",
        type=Path,
        metavar="FOLDER",
        help="real pictures to compare with, square ones, such as those that the generators learned from "
        "(default: drawn faces, from which the pocket networks learned)",
    )
    options.add_argument(
        "--reference-faces",
        type=positive(int),
        default=REFERENCE_FACES,
        metavar="N",
        help=f"how many of them (default: {REFERENCE_FACES})",
    )
    return options


def run(command: str, options: list[str]) -> int:
    """Makes the runs that are missing and compares all."""
    asked = parser().parse_args(options)
    overlays = overlay_runs(asked.config, asked.overlays, asked.output)
    folders = [*asked.runs, *overlays.values()]
    if not folders:
        raise ConfigError(
            "Expected runs to compare, or an experiment (--config) with overlays (--with), found neither. "
            "See stylewav-pl compare --help."
        )
    for folder in asked.runs:
        check_finished(folder)
    for overlay, folder in overlays.items():
        fit([*asked.config, overlay], folder)
    compare(folders, asked.output, asked.reference, asked.reference_faces)
    return 0


def overlay_runs(configs: Sequence[str], overlays: Sequence[str], output: Path) -> dict[str, Path]:
    """Returns the run directory of each overlay.

    >>> overlay_runs(["compare.yaml"], ["overlays/samples.yaml"], Path("out"))
    {'overlays/samples.yaml': PosixPath('out/samples')}

    Raises:
        ConfigError: Overlays without an experiment, the reverse, or two that have one directory.
    """
    if bool(configs) != bool(overlays):
        raise ConfigError(
            "Expected an experiment (--config) and an overlay for each generator (--with), found only "
            f"{'the experiment' if configs else 'overlays'}. Add the other."
        )
    runs = {overlay: output / Path(overlay).stem for overlay in overlays}
    if len(set(runs.values())) < len(overlays):
        raise ConfigError(
            f"Expected overlays with names of their own, found {', '.join(overlays)}: their runs would have "
            "one directory. Rename a file."
        )
    return runs


def fit(configs: Sequence[str], folder: Path) -> None:
    """Makes one run, or goes on with it."""
    from stylewav_pl.commands.engines import perform

    print(f"{folder}: {' + '.join(configs)}", flush=True)
    named = [word for config in configs for word in ("--config", config)]
    perform("fit", [*named, "--run", str(folder)])


def check_finished(folder: Path) -> None:
    """Refuses what is no run.

    Raises:
        RunDirectoryError: It is none, or did not end.
    """
    if not (folder / "results.csv").is_file():
        raise RunDirectoryError(
            f"{folder} has no results.csv. Expected the directory of a finished `stylewav-pl fit`."
        )


def compare(folders: Sequence[Path], output: Path, reference: Path | None, count: int) -> None:
    """Compares finished runs, writes what came out and says it."""
    from stylewav_pl.commands.pocket import make_folder
    from stylewav_pl.evaluation.reference_pictures import drawn_reference, folder_reference
    from stylewav_pl.evaluation.run_comparison import compare_runs
    from stylewav_pl.report.comparison import as_text, write_comparison
    from stylewav_pl.runs.finished import FinishedRun

    runs = [FinishedRun(folder) for folder in folders]
    pictures = drawn_reference(count) if reference is None else folder_reference(reference, count)
    found = compare_runs(runs, names_of(folders), pictures)
    make_folder(output)
    paths = write_comparison(output, found, runs)
    print(as_text(found))
    for title, path in zip(("page", "table", "numbers", "picture"), paths, strict=True):
        print(f"  {title:<9}{path}")


def names_of(folders: Sequence[Path]) -> list[str]:
    """Returns what runs are called: their directory, its whole path where two have the same.

    >>> names_of([Path("runs/a"), Path("b")]), names_of([Path("x/a"), Path("y/a")])
    (['a', 'b'], ['x/a', 'y/a'])
    """
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]
