"""The options of a run itself, which become its :class:`RunSettings`."""

from typing import Any, Literal

from jsonargparse import ArgumentParser

from stylewav_pl.errors import ConfigError
from stylewav_pl.processes.participant import PATIENCE_SECONDS


def add_run_options(parser: ArgumentParser) -> None:
    """Adds ``--run``, ``--restart`` and what a start has to say about skips, threads and processes."""
    parser.add_argument(
        "--run",
        type=str | None,
        default=None,
        help="Run directory; runs/<names of the configurations> by default.",
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="Move an existing run directory to <DIR>.old-N and begin anew.",
    )
    parser.add_argument("--strict", action="store_true", help="End with exit code 3 if a clip was skipped.")
    parser.add_argument(
        "--max_skipped_fraction",
        type=float,
        default=0.2,
        help="End with exit code 4 if more than this share was skipped.",
    )
    parser.add_argument(
        "--threads",
        type=int | None,
        default=None,
        help="CPU threads of each process of a new run; by default as many as there are cores.",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_SECONDS,
        help="Seconds that another process may be silent; slow ones are not.",
    )
    parser.add_argument(
        "--engine",
        type=Literal["lightning", "ray"],
        default="lightning",
        help="Who starts the processes: Lightning or a launcher that it knows, or Ray, whose workers come "
        "and go.",
    )
    parser.add_argument(
        "--workers",
        type=str | None,
        default=None,
        help="Workers of --engine ray: MAX or MIN:MAX; by default one for each GPU, or else as many as "
        "there are cores for.",
    )
    parser.add_argument(
        "--results",
        type=str | None,
        default=None,
        help="Object store that gets a copy of the run, and from which another machine goes on: "
        "s3://BUCKET/PLACE, gs:// or az://.",
    )


def check_command(command: str, config: Any) -> None:
    """Refuses what only ``fit`` does, where another command would not do it and not say so.

    Args:
        command: The sub-command.
        config: Its parsed configuration.

    Raises:
        ConfigError: An option is given to a command that has no use for it.
    """
    given = {
        "--results": config["results"] is not None,
        "--engine ray": config["engine"] == "ray",
        "--workers": config["workers"] is not None,
        "--restart": config["restart"],
    }
    if command == "fit" or not any(given.values()):
        return
    option = next(option for option, was_given in given.items() if was_given)
    advice = (
        "`fit --results` fetches a run into its directory, and brings what has changed there back. "
        if option == "--results"
        else ""
    )
    raise ConfigError(
        f"{option} is for fit: {command} works in this process, on the run directory (--run). {advice}Remove "
        f"{option.split()[0]} (from the configuration, too)."
    )
