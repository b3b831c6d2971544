"""Takes a run directory for one start: locked, of this configuration, with the facts of this start in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from stylewav_pl.data.funnel import Stage
from stylewav_pl.files import write_json
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.mirror import Mirror
from stylewav_pl.session.finalize import print_now


def claim(
    run: RunDirectory,
    begins_anew: bool,
    identity: Mapping[str, Any],
    funnel: Sequence[Stage],
    facts: Callable[[], Mapping[str, Any]],
    mirror: Mirror | None = None,
) -> None:
    """Locks the directory and checks that it belongs to this configuration and these weights.

    Args:
        run: Where.
        begins_anew: Whether an earlier run there is moved aside.
        identity: What makes this run another than others.
        funnel: How many clips each rule of a choosing source left.
        facts: For the manifest; asked for when an earlier run is out of the way, or here.
        mirror: Has what the directory lacks.

    Raises:
        RunDirectoryError: Another process works there, or the run is another.
    """
    if begins_anew and mirror:
        mirror.check_empty()
    if begins_anew and run.path.exists():
        run.acquire()  # nobody may be working in it
        run.release()
        print(f"The earlier run was moved to {run.move_aside()}.")
    run.acquire()
    if mirror:
        mirror.fetch(identity)
    if wrong := run.manifest.damage():
        print_now(f"{run.manifest_path} {wrong}: its copy is used, and put in its place.")
    if wrong := run.configuration.adopt(identity):
        print_now(
            f"{run.config_path} {wrong}: it is written again, since this configuration is that of the run."
        )
    if funnel:
        write_json(run.path / "funnel.json", [asdict(stage) for stage in funnel])
    run.write_manifest(facts())


def restore_plan(run: RunDirectory, ids: Sequence[str]) -> None:
    """Writes a damaged plan again, where the same clips give the same, and says so."""
    if run.restore_plan(ids):
        print_now(
            f"The plan of {run.path} was damaged or missing and is written again: the same clips give the "
            "same."
        )
