"""What lies in folders of object stores, and small objects there."""

from stylewav_pl.errors import ConfigError, OutputError
from stylewav_pl.runs.objects import Objects, reason_of
from stylewav_pl.weights import cache
from stylewav_pl.weights.addresses import RemoteFile
from stylewav_pl.weights.offline import OFFLINE, is_offline

LISTINGS = "listings.json"  # of the cache: what lay in folders of stores when they were last asked


def read_object(url: str, what: str, largest: int) -> bytes | None:
    """Returns a small object of a store; None where there is none, it is larger, or the network is off.

    Args:
        url: The address.
        what: What a user knows it as, as the beginning of a sentence.
        largest: Bytes that it may have.

    Raises:
        ConfigError: The store does not tell.
    """
    if is_offline():
        return None
    folder, _, name = url.rpartition("/")
    with RemoteFile(url, what).told():
        bucket = Objects(folder, f"the address {url}")
        found = bucket.head(name)
        return bucket.read(name) if found and found[1] <= largest else None


def names_in(folder: str, suffix: str) -> list[str]:
    """Returns the addresses of the objects that lie in a folder of a store, sorted; offline those last seen.

    Args:
        folder: An address.
        suffix: What their names end with.

    Raises:
        ConfigError: The store does not tell.
    """
    names = _listing(folder)
    return [f"{folder.rstrip('/')}/{name}" for name in names if name.endswith(suffix)]


def _listing(folder: str) -> list[str]:
    known: list[str] | None = cache.read(LISTINGS).get(folder)
    if is_offline():
        if known is None:
            raise ConfigError(
                f"What lies in {folder} is not known, and the network is switched off ({OFFLINE}). Name the "
                "files one by one, with braces."
            )
        return known
    try:
        names = Objects(folder, f"the address {folder}").names()
    except OutputError as error:
        raise ConfigError(
            f"{folder} could not be listed: {reason_of(error.__cause__ or error)}. Correct the address, or "
            "try again."
        ) from error
    if names != known:
        cache.keep(LISTINGS, folder, names)
    return names
