"""Recordings that are objects in a store (``s3://``, ``gs://``, ``az://``), one by one.

Each is fetched when it is decoded, by one request for each 8 MB, into a file that is gone afterwards: a run
decodes a clip once. What lies below an address costs a request for each 1,000 objects to list.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stylewav_pl.errors import ConfigError, OutputError
from stylewav_pl.runs.objects import SCHEMES, Objects, open_bucket, reason_of
from stylewav_pl.types import AudioError, SkipReason
from stylewav_pl.weights.offline import OFFLINE, is_offline

LARGEST = 1 << 30  # bytes of a recording


def is_in_store(place: str) -> bool:
    """Tells whether a clip's path is the address of an object.

    >>> is_in_store("s3://bucket/voices/a.wav"), is_in_store("voices/a.wav"), is_in_store("builtin:v1")
    (True, False, False)
    """
    scheme, separator, _ = place.partition("://")
    return bool(separator) and scheme in SCHEMES


def names_below(folder: str) -> Iterator[str]:
    """Yields the names of all objects below an address, relative to it, in the order of the store.

    No more than a few requests' worth of them is in memory at once.

    Raises:
        ConfigError: The store does not tell.
    """
    _check_online(f"What lies in {folder} cannot be asked")
    try:
        yield from Objects(folder, f"the address {folder}").everything()
    except OutputError as error:
        raise ConfigError(
            f"{folder} could not be listed: {_reason(error)}. Correct it, or try again."
        ) from error


@contextmanager
def recording_at(address: str) -> Iterator[Path]:
    """Fetches a recording for as long as the block lasts.

    Args:
        address: Of the object.

    Raises:
        AudioError: There is no such object, or it is too large.
        ConfigError: The store does not give it.
    """
    _check_online(f"The recording {address} cannot be fetched")
    bucket, name = open_bucket(address)
    with tempfile.NamedTemporaryFile(prefix="stylewav-", suffix=os.path.splitext(name)[1][:10]) as file:

        def write(data: bytes) -> None:
            check_size(file.tell() + len(data))
            file.write(data)

        try:
            there = bucket.fetch(name, write)
        except OutputError as error:
            raise ConfigError(
                f"The recording {address} could not be fetched: {_reason(error)}. What was finished is safe; "
                "correct it, or start the same command again."
            ) from error
        if not there:
            raise AudioError(SkipReason.MISSING, "There is no such object, or it was changed meanwhile.")
        file.flush()
        yield Path(file.name)


def check_size(size: int) -> None:
    """Refuses a recording that is larger than any should be, before it fills a disk.

    Raises:
        AudioError: It is.
    """
    if size > LARGEST:
        raise AudioError(SkipReason.UNREADABLE, f"The recording is larger than {LARGEST >> 30} GiB.")


def _check_online(what: str) -> None:
    if is_offline():
        raise ConfigError(
            f"{what}: the network is switched off ({OFFLINE}). Copy the recordings to a disk, and give their "
            "path."
        )


def _reason(error: OutputError) -> str:
    return reason_of(error.__cause__ or error)
