"""Objects in a store of the S3, Google Cloud or Azure kind.

Through ``obstore``, an extra of the package: one library for all three, with conditional writes in each. It
tries again by itself what a store refuses for a moment (503, lost connections), for three minutes.
Credentials come from where its makers say: the environment, or what a cloud tells its machines; nothing here
keeps them.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from stylewav_pl.errors import ConfigError, OutputError, one_line

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
PART_BYTES = 8 << 20  # of one request, which has 30 s for it
PIECE_BYTES = 1 << 20  # of an object that are in memory at once
NO_TAGS = "the store gives its objects no entity tags, so no write can depend on what is there"
ANOTHER = "Take a store with conditional writes, as S3, Google Cloud Storage and Azure have them."
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMBERED = re.compile(r"(\d{6,9})\.json")


@final
class Objects:
    """What lies below one address.

    Attributes:
        url: The address.
    """

    def __init__(self, url: str, named_by: str = "--results") -> None:
        """Connects to nothing yet.

        Args:
            url: The address.
            named_by: What a user corrects where it is wrong.

        Raises:
            ConfigError: The address is none, or ``obstore`` is not installed.
        """
        scheme = url.partition("://")[0]
        if "://" not in url or scheme not in SCHEMES:
            raise ConfigError(
                f"Expected {named_by} as s3://BUCKET/PLACE (or gs://, az://), found {url!r}. A place on a "
                "disk is named by --run."
            )
        if find_spec("obstore") is None:
            raise ConfigError(
                f"{named_by} needs obstore, which is not installed: pip install 'stylewav-pl[store]'"
            )
        import obstore
        from obstore.store import from_url

        self.url = url.rstrip("/")
        self._library: Any = obstore
        try:
            self._store: Any = from_url(self.url)
        except (obstore.exceptions.BaseError, ValueError) as error:
            raise ConfigError(f"{url} cannot be used: {reason_of(error)}. Correct {named_by}.") from error

    def read(self, name: str) -> bytes | None:
        """Reads a small object; None where there is none."""
        return self.latest(name)[0]

    def latest(self, name: str) -> tuple[bytes | None, Any]:
        """Reads a small object, and tells which version it is, by one request; None where there is none."""
        with self._told():
            try:
                found = self._library.get(self._store, name)
                return bytes(found.bytes()), _version(found.meta)
            except FileNotFoundError:
                return None, None

    def fetch(self, name: str, write: Callable[[bytes], object], size: int | None = None) -> bool:
        """Reads an object of any size piece by piece.

        Args:
            name: Of the object.
            write: Called with each piece, in order.
            size: Bytes that it should have; None: any number.

        Returns:
            Whether ``write`` got all of it. There may be none, or one of another size, or it was changed.
        """
        tag, start = "", 0
        while size is None or start < size:
            try:
                found = self._get(name, tag, start, start + PART_BYTES)
            except OutputError:
                if size is None and (facts := self.head(name)) and not facts[1]:
                    return True  # no part can be asked of an object without bytes
                raise
            if found is None or found.meta["size"] != (size or found.meta["size"]):
                return False
            with self._told():
                for piece in found.stream(min_chunk_size=PIECE_BYTES):
                    write(bytes(piece))
            tag, size, start = found.meta["e_tag"] or "", found.meta["size"], start + PART_BYTES
        return True

    def head(self, name: str) -> tuple[str, int] | None:
        """Tells the entity tag of an object and its bytes; None where there is none."""
        if (found := self._head(name)) is None:
            return None
        return found["e_tag"] or found["last_modified"].isoformat(), found["size"]

    def part(self, name: str, tag: str, start: int, end: int) -> bytes | None:
        """Reads bytes of the version of an object that has this tag; None where it is not there any more."""
        found = self._get(name, tag, start, end)
        with self._told():
            return None if found is None else bytes(found.bytes())

    def _get(self, name: str, tag: str, start: int, end: int) -> Any:
        options = {"range": (start, end), **({"if_match": tag} if tag.startswith('"') else {})}
        with self._told():
            try:
                return self._library.get(self._store, name, options=options)
            except (FileNotFoundError, self._library.exceptions.PreconditionError):
                return None

    def version(self, name: str) -> Any:
        """Tells which version of an object there is; None where there is none."""
        found = self._head(name)
        return None if found is None else _version(found)

    def _head(self, name: str) -> Any:
        with self._told():
            try:
                return self._library.head(self._store, name)
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes | Path, anew: bool = False, over: Any = None) -> Any:
        """Writes an object whole.

        Args:
            name: Of the object.
            data: What it is, or the file that has it.
            anew: Only if there is none; else what is there stays.
            over: Only if this version is there.

        Returns:
            The version written; None where the condition did not hold.

        Raises:
            OutputError: The store does not take it, or tells no versions that a condition could be about.
        """
        if over == {}:
            raise OutputError(self.url, NO_TAGS)
        mode = "create" if anew else over or "overwrite"
        conditions = (self._library.exceptions.AlreadyExistsError, self._library.exceptions.PreconditionError)
        with self._told():
            try:
                return _version(self._library.put(self._store, name, data, mode=mode))
            except conditions:
                return None

    def check_conditions(self, name: str) -> None:
        """Checks that the store keeps conditions, without which two machines would write over each other.

        Args:
            name: Of an object that nobody else has; it is there for a moment.

        Raises:
            ConfigError: It does not.
            OutputError: It does not answer.
        """
        # None: the first answer was lost, and the second try has met what the first one wrote
        first = self.write(name, b"1", anew=True) or self.version(name)
        if first == {}:
            raise ConfigError(f"{self.url} cannot be used for --results: {NO_TAGS}. {ANOTHER}")
        again = self.write(name, b"2", anew=True)
        self.write(name, b"3", over=again or first)
        late = self.write(name, b"4", over=again or first)
        self.remove(name)
        if again is not None or late is not None:
            what = "If-None-Match" if again is not None else "If-Match"
            raise ConfigError(
                f"{self.url} cannot be used for --results: the store ignores the condition of a write "
                f"({what}), so two machines would write over each other. {ANOTHER}"
            )

    def remove(self, name: str) -> None:
        """Removes an object, if there is one."""
        with self._told(), suppress(FileNotFoundError):
            self._library.delete(self._store, name)

    def names(self) -> list[str]:
        """Names of the objects that lie in no folder; strange ones are nobody's."""
        with self._told():
            found = self._library.list_with_delimiter(self._store)["objects"]
        return sorted(one["path"] for one in found if _PLAIN.fullmatch(one["path"]))

    def folders(self) -> list[str]:
        """Names of the folders that lie here."""
        with self._told():
            found = self._library.list_with_delimiter(self._store)["common_prefixes"]
        return sorted(one for one in found if _PLAIN.fullmatch(one))

    def everything(self) -> Iterator[str]:
        """Yields the names of all objects, those in folders too."""
        with self._told():
            for part in self._library.list(self._store):
                yield from (one["path"] for one in part)

    def numbers(self, folder: str) -> list[int]:
        """The numbers that ``folder`` has objects for."""
        with self._told():
            names = [one["path"] for part in self._library.list(self._store, folder) for one in part]
        matches = [_NUMBERED.fullmatch(name.removeprefix(f"{folder}/")) for name in names]
        return sorted(int(match[1]) for match in matches if match)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Says in a user's words that the store does not answer, or refuses."""
        try:
            yield
        except (self._library.exceptions.BaseError, OSError, ValueError, NotImplementedError) as error:
            raise OutputError(self.url, reason_of(error)) from error


def open_bucket(address: str) -> tuple[Objects, str]:
    """Returns the bucket that an object lies in, and its name there.

    Connections stay open from one object to the next.

    Raises:
        ConfigError: The bucket cannot be used.
    """
    scheme, _, rest = address.partition("://")
    bucket, _, name = rest.partition("/")
    return _store(f"{scheme}://{bucket}", os.environ.get("AWS_ENDPOINT_URL")), name


@lru_cache(maxsize=64)
def _store(bucket: str, endpoint: str | None) -> Objects:
    """Keeps connections open from object to object."""
    return Objects(bucket, f"the address {bucket}")


def _version(found: Any) -> dict[str, str]:
    """What a condition is about; a store without versions has entity tags alone."""
    return {name: found[name] for name in ("e_tag", "version") if found[name]}


def reason_of(error: BaseException) -> str:
    """What obstore says, without what it adds for programmers."""
    return one_line(str(error).partition("\n\nDebug source")[0])
