"""Files that are named by an address: fetched whole into the cache, and named by path from there on.

Objects in a store (``s3://``, ``gs://``, ``az://``) are asked for their entity tag by every process that
wants them, and each version has a folder of its own, so that a changed object is fetched anew and who
reads the older one is not disturbed. What ``http(s)`` gives is fetched once and kept. Runs write addresses
into their files, therefore an address may hold nothing secret.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from filelock import FileLock

from stylewav_pl.errors import ConfigError, OutputError, printable
from stylewav_pl.runs.objects import PART_BYTES, Objects, open_bucket, reason_of
from stylewav_pl.runs.objects import SCHEMES as STORES
from stylewav_pl.weights.cache import DIRECTORY, cache_directory
from stylewav_pl.weights.download import LARGEST, Patience, UnavailableError, check_room, download
from stylewav_pl.weights.offline import OFFLINE, is_offline

WEB = ("http", "https")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)(.*)", re.DOTALL)  # a Path has lost one of the slashes
_seen: dict[tuple[Path, str], "_Version"] = {}  # by cache and address: a process stays with one version


def address_of(source: str | Path) -> str:
    """Returns the address that a source is, checked; empty where it is something else, a path say.

    >>> address_of("s3://bucket/ears/a.pt"), address_of(Path("s3://bucket/a.pt")), address_of("voices/a.pt")
    ('s3://bucket/ears/a.pt', 's3://bucket/a.pt', '')

    Raises:
        ConfigError: It holds what a run must not write into its files.
    """
    match = _ADDRESS.fullmatch(str(source))
    if not match or match[1].lower() not in (*WEB, *STORES) or not (match[2] or isinstance(source, Path)):
        return ""
    url = f"{match[1].lower()}://{match[3]}"
    _check(url)
    return url


def refuse_address(source: str | Path, what: str) -> None:
    """Refuses an address where only a place on a disk can be read.

    Args:
        source: A path, or an address.
        what: What is expected there.

    Raises:
        ConfigError: It is an address.
    """
    if address := address_of(source):
        raise ConfigError(
            f"Expected {what} on a disk, found the address {address}. Mount or copy it, and give its path."
        )


def shown(url: str) -> str:
    """Returns an address without anything that could be secret in it.

    >>> shown("https://me:word@example.org/a.pt?token=x")
    'https://example.org/a.pt'
    """
    parts = urlsplit(url)
    host = parts.netloc if _is_container(parts.scheme, parts.netloc) else parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


@dataclass(frozen=True, slots=True)
class _Version:
    """Where one version of a file lies in the cache, or will; of an object also its tag and its size."""

    path: Path
    tag: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at an address.

    Attributes:
        url: The address, as :func:`address_of` returns it.
        what: What a user knows it as, as the beginning of a sentence.
        largest: Bytes that it may have.
        room: The folder of the cache.
    """

    url: str
    what: str
    largest: int = LARGEST
    room: str = "addresses"

    @property
    def has_versions(self) -> bool:
        """Tells whether :attr:`place` is another one for each content."""
        return self.url.partition("://")[0] in STORES

    @property
    def place(self) -> Path:
        """Returns where the present version lies on this machine, or will; nothing is fetched.

        Raises:
            ConfigError: The store does not tell.
        """
        return self._version().path

    def locate(self) -> Path:
        """Returns the file on this machine, fetched into the cache if it is not there.

        Raises:
            ConfigError: It cannot be had; the message says what to do.
        """
        version = self._version()
        if not version.path.is_file():
            with self.told():
                self._bring(version)
        return version.path

    @property
    def size(self) -> int:
        """Returns the bytes of the present version of an object.

        Raises:
            ConfigError: The store does not tell.
        """
        return self._version().size

    def parts(self, start: int, end: int) -> Iterator[bytes]:
        """Yields some bytes of the present version of an object, in pieces; nothing is kept.

        Raises:
            ConfigError: The store does not give them, or has another version now.
        """
        version = self._version()
        if is_offline():
            raise self._absent()
        bucket, _ = open_bucket(self.url)
        for begin in range(start, end, PART_BYTES):
            with self.told():
                data = bucket.part(self._key, version.tag, begin, min(end, begin + PART_BYTES))
                if not data:
                    raise UnavailableError("the object was changed meanwhile")
            yield data

    def _version(self) -> _Version:
        key = (cache_directory(), self.url)
        if key not in _seen:
            with self.told():
                _seen[key] = self._ask() if self.has_versions else _Version(self._folder / self._name)
        return _seen[key]

    def _ask(self) -> _Version:
        if is_offline():
            kept = [path for path in self._folder.glob(f"*/{self._name}") if path.is_file()]
            newest = max(kept, key=lambda path: path.stat().st_mtime, default=None)
            if newest is None:
                raise self._absent()
            return _Version(newest)
        found = self._objects().head(self._key)
        if found is None:
            raise UnavailableError("there is no such object")
        tag, size = found
        return _Version(self._folder / sha256(tag.encode()).hexdigest()[:16] / self._name, tag, size)

    def _bring(self, version: _Version) -> None:
        """Fetches a version; one process does, and others wait."""
        if is_offline():
            raise self._absent()
        path = version.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.parent / ".lock"):
                if not path.is_file():
                    print(printable(f"Fetching {self.url} into {path.parent}"), file=sys.stderr, flush=True)
                    part = path.with_name(f"{path.name}.part")
                    self._fill(part, version)
                    part.replace(path)
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be written ({error.strerror or error}). Set {DIRECTORY} to a directory with "
                "room, and try again."
            ) from error

    def _fill(self, part: Path, version: _Version) -> None:
        if not self.has_versions:
            download(self.url, part, self._name, Patience(), self.largest)
            return
        objects = self._objects()
        with part.open("ab") as file:  # what is there is of the same version
            check_room(part, version.size, file.tell(), self.largest)
            while (start := file.tell()) < version.size:
                end = min(version.size, start + PART_BYTES)
                data = objects.part(self._key, version.tag, start, end)
                if not data:
                    raise UnavailableError("the object was changed while it was fetched")
                file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def told(self) -> Iterator[None]:
        """Says in a user's words why a file cannot be had; the next attempt asks anew."""
        try:
            yield
        except (UnavailableError, OutputError) as error:
            _seen.pop((cache_directory(), self.url), None)
            why = reason_of(error if isinstance(error, UnavailableError) else error.__cause__ or error)
            raise ConfigError(
                f"{self.what} {self.url} could not be fetched: {why}. Correct the address, or try again."
            ) from error

    def _objects(self) -> Objects:
        parts = urlsplit(self.url)
        return Objects(f"{parts.scheme}://{parts.netloc}", f"the address {self.url}")

    @property
    def _key(self) -> str:
        return urlsplit(self.url).path.lstrip("/")

    @property
    def _folder(self) -> Path:
        return cache_directory() / self.room / sha256(self.url.encode()).hexdigest()[:16]

    @property
    def _name(self) -> str:
        last = unquote(urlsplit(self.url).path).rpartition("/")[2]
        return re.sub(r"[^\w.-]+", "-", last).lstrip(".")[-100:] or "file"

    def _absent(self) -> ConfigError:
        place = self._folder / "any-name" if self.has_versions else self._folder
        return ConfigError(
            f"{self.what} {self.url} is not in the cache, and the network is switched off ({OFFLINE}). Fetch "
            f"it by hand and put it at {place / self._name}."
        )


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"{url!r} is no address ({error}). Correct it.") from error
    if "@" in parts.netloc and not _is_container(parts.scheme, parts.netloc):
        raise ConfigError(
            f"The address {shown(url)} is refused: it holds a user's name or password, and runs write "
            "addresses into their files. Remove it; for http(s) put it into ~/.netrc, for stores into the "
            "environment."
        )
    if parts.query or parts.fragment:
        raise ConfigError(
            f"The address {shown(url)} is refused: behind its path stands a query (? or #), which may be a "
            "signature, and runs write addresses into their files. Remove it, or fetch the file and give its "
            "path."
        )
    if not parts.netloc or not parts.path.strip("/"):
        raise ConfigError(f"Expected an address as s3://BUCKET/NAME or https://HOST/NAME, found {url!r}.")


def _is_container(scheme: str, netloc: str) -> bool:
    """Whether what stands before the @ is Azure's name of a container, and nobody's password."""
    return scheme in ("abfs", "abfss") and ":" not in netloc
