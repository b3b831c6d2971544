"""A Common Voice release in an object store: its tables in the cache, its sounds where they are.

A folder is asked what lies in it by one request for each 1,000 names that are no sounds: those in ``clips/``
are not listed.
"""

import os
import secrets
import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from stylewav_pl.data.common_voice_tables import DURATIONS, SPLITS
from stylewav_pl.errors import ConfigError, OutputError
from stylewav_pl.runs.objects import Objects, reason_of
from stylewav_pl.weights.addresses import RemoteFile
from stylewav_pl.weights.cache import DIRECTORY, cache_directory
from stylewav_pl.weights.offline import OFFLINE, is_offline


def fetch_tables(address: str, locales: Sequence[str] | None, splits: Sequence[str]) -> Path:
    """Returns a folder with the tables of a release, as unpacking would have given it, but without sounds.

    Args:
        address: Of the folder with the release, or of one locale's.
        locales: Those that are wanted; all that are there by default.
        splits: The tables that are wanted.

    Raises:
        ConfigError: There is no release, or a wanted locale or table is missing.
    """
    root = cache_directory() / "releases" / sha256(address.encode()).hexdigest()[:16]
    root /= address.rpartition("/")[2]
    if is_offline():
        if not root.is_dir():
            raise ConfigError(
                f"The tables of {address} are not in the cache, and the network is switched off ({OFFLINE}). "
                "Copy the release to a disk, and give its path."
            )
        return root
    tables, folders = _look_into(address)
    if _is_locale(tables, folders):
        _link(address, tables, splits, root)
        return root
    found = {name: _look_into(f"{address}/{name}") for name in locales or folders if name in folders}
    chosen = {name: tables for name, (tables, below) in found.items() if _is_locale(tables, below)}
    missing = sorted(set(locales or ()) - chosen.keys())
    if missing or not chosen:
        wanted = f" with {', '.join(missing)}" if missing else ""
        raise ConfigError(
            f"Expected a Common Voice release at {address} (a folder <locale>/ with clips/, validated.tsv "
            f"...){wanted}, found {', '.join(folders) or 'nothing'}. Correct `root` or `locales`."
        )
    for name, tables in chosen.items():
        _link(f"{address}/{name}", tables, splits, root / name)
    if locales is None:  # every folder counts
        for folder in root.glob("*/"):
            if folder.name not in chosen:
                shutil.rmtree(folder, ignore_errors=True)
    return root


def has_sounds(folder: str) -> bool:
    """Tells whether there is anything below an address.

    Raises:
        ConfigError: The store does not tell.
    """
    if is_offline():
        return False
    try:
        return next(Objects(folder, f"the address {folder}").everything(), None) is not None
    except OutputError as error:
        raise _unknown(folder, error) from error


def _look_into(folder: str) -> tuple[list[str], list[str]]:
    """Returns the objects and the folders that lie in a folder."""
    try:
        objects = Objects(folder, f"the address {folder}")
        return objects.names(), objects.folders()
    except OutputError as error:
        raise _unknown(folder, error) from error


def _unknown(folder: str, error: OutputError) -> ConfigError:
    return ConfigError(
        f"{folder} could not be listed: {reason_of(error.__cause__ or error)}. Correct it, or try again."
    )


def _is_locale(names: Sequence[str], folders: Sequence[str]) -> bool:
    return "clips" in folders or any(f"{split}.tsv" in names for split in SPLITS)


def _link(address: str, there: Sequence[str], splits: Sequence[str], folder: Path) -> None:
    """Puts the present versions of tables under their names into a folder of the cache."""
    wanted = [f"{split}.tsv" for split in splits]
    if missing := [name for name in wanted if name not in there]:
        found = ", ".join(name for name in there if name.endswith(".tsv")) or "none"
        raise ConfigError(
            f"Expected the table {address}/{missing[0]}, found {found} in its folder. Correct `splits` or "
            "`locales`."
        )
    durations = next((name for name in DURATIONS if name in there), None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in {*wanted, *([durations] if durations else [])}:
            link = folder / f".{secrets.token_hex(4)}"
            link.symlink_to(RemoteFile(f"{address}/{name}", "The table").locate().absolute())
            os.replace(link, folder / name)
        for name in DURATIONS:
            if name != durations:  # the release may have had it before
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written ({error.strerror or error}). Set {DIRECTORY} to a directory with "
            "room, and try again."
        ) from error
