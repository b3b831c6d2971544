"""Weights that others publish: fetched once into the cache, under the hash they are known by."""

import glob
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from stylewav_pl.errors import WeightsError, printable
from stylewav_pl.weights import cache, licences
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.download import LARGEST, Patience, UnavailableError, download
from stylewav_pl.weights.entry import Entry
from stylewav_pl.weights.offline import OFFLINE, is_offline
from stylewav_pl.weights.whole import why_not_whole

LARGER, SLACK = 2, 1 << 20  # times the size that is known, which may be rounded or computed, and bytes
WAIT_SECONDS = 3600.0  # for another process that fetches the same file


@dataclass(frozen=True)
class RemoteWeights(Entry):
    """A published file.

    Attributes:
        file: Its name, as published; what it is called in the cache.
        urls: Where it lies, the publisher's address first, then mirrors.
        size: In bytes, rounded where no more is known; None where nothing is.
        sha256: Known from several independent places: a file with another hash is never used.
        reported_sha256: Seen in one place, or not shown to be of this very file: a file with another hash is
            used with a warning.
        patience: How long a download waits.
    """

    file: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str = ""
    reported_sha256: str = ""
    patience: ClassVar[Patience] = Patience()

    @property
    def path(self) -> Path:
        """Tells where the file lies in the cache, or would lie."""
        folder = re.sub(r"[^\w.-]+", "-", self.name)
        return cache.cache_directory() / "weights" / folder / self.file

    @property
    def host(self) -> str:
        """Who is asked for it first."""
        return urlsplit(self.urls[0]).hostname or ""

    @property
    def expected(self) -> str:
        """The only SHA-256 that is accepted: the known one, else that of the first use; empty before."""
        record = None if self.sha256 else cache.recorded(self.name)
        return record.sha256 if record else self.sha256

    @property
    def is_verified(self) -> bool:
        """Tells whether the file in the cache was verified and looks unchanged since; it is not read."""
        record = cache.recorded(self.name)
        return (
            record is not None
            and self.path.is_file()
            and record.describes(self.path)
            and record.sha256 == self.expected
        )

    def locate(self) -> Path:
        """The file in the cache, fetched if it is not there, its hash verified.

        A verified file is returned without writing anything, so the cache may be read-only.
        """
        if not self._is_good():
            with self._alone():
                if not self._is_good() and not self._adopted():
                    self._fetch()
        return self.path

    def verify(self) -> Path:
        """The file in the cache with its hash verified, or recorded if this is its first use; never fetched.

        Raises:
            WeightsError: It is not there, or it is another file than expected and was put aside.
        """
        if self.is_verified and self._is_good():
            return self.path
        with self._alone():
            problem = (
                "in the cache is not the expected file" if self.path.is_file() else "is not in the cache"
            )
            if not self._adopted():
                raise WeightsError(
                    f"{self.name} {problem}. Fetch it: stylewav-pl weights fetch "
                    f"{self.name}\n{self.by_hand()}"
                )
        return self.path

    def by_hand(self) -> str:
        """Tells how to get the file without this program."""
        return (
            f"By hand: download {self.urls[0]} (licence: {self.licence}) on a machine with a network,\n"
            f"  put it at {self.path}\n  and check it with: stylewav-pl weights verify {self.name}"
        )

    def _is_good(self) -> bool:
        return self.path.is_file() and bool(self.expected) and sha256_of(self.path) == self.expected

    def _adopted(self) -> bool:
        """Tells whether the file in the cache may be used.

        Its hash is recorded at the first use, and a wrong file is put aside.
        """
        if not self.path.is_file():
            return False
        if problem := self._problem(self.path):
            _say(f"{self.name}: {problem}")
            return False
        self._record()
        return True

    def _record(self) -> None:
        if self.is_verified:
            return
        record = cache.Record.of(self.path)
        cache.keep_record(self.name, record)
        if self.reported_sha256 not in ("", record.sha256):
            _say(
                f"Warning: {self.name} has the SHA-256 {record.sha256}; elsewhere {self.reported_sha256} "
                "was seen, which was not confirmed."
            )
        if not self.sha256:
            _say(
                f"{self.name}: first use, SHA-256 {record.sha256}. It was recorded, and any other file will "
                "be refused."
            )

    def _problem(self, path: Path) -> str:
        """Tells why a file may not be used, after it was put aside; empty where it may."""
        if self.expected:
            return self._put_aside(path) if sha256_of(path) != self.expected else ""
        # the first use decides for ever: what was cut off must not become what is expected
        why = why_not_whole(path)
        return f"{why}; not used, moved to {self._aside(path)}" if why else ""

    def _aside(self, path: Path) -> Path:
        aside = path.with_name(f"{self.file}.quarantined-{sha256_of(path)[:12]}")
        path.replace(aside)
        return aside

    def _put_aside(self, path: Path) -> str:
        found = sha256_of(path)
        told = f"expected SHA-256 {self.expected}, found {found}; not used, moved to {self._aside(path)}"
        if self.sha256:
            return told
        hashes = cache.cache_directory() / cache.HASHES
        return (
            f"{told}. The expected one is of the first use; if that file was the wrong one, delete "
            f"{self.name} from {hashes}"
        )

    def _fetch(self) -> None:
        if is_offline():
            raise WeightsError(
                f"{self.name} is not in the cache, and the network is switched off "
                f"({OFFLINE}).\n{self.by_hand()}"
            )
        licences.require(self.licence, self.name)
        size = f"{self.size / 1e6:.0f} MB" if self.size else "size unknown"
        _say(
            f"Fetching {self.name} ({size}) into {self.path.parent}\n  licence: "
            f"{licences.describe(self.licence)}"
        )
        failures = []
        for number, url in enumerate(self.urls):
            _say(f"  from {url}")
            try:
                self._fetch_from(url, self.path.with_name(f"{self.file}.part{number}"))
            except UnavailableError as error:
                failures.append(f"  {url}: {error}")
            except OSError as error:
                raise cache.unwritable(self.path, error) from error
            else:
                return
        raise WeightsError("\n".join([f"{self.name} could not be fetched:", *failures, self.by_hand()]))

    def _fetch_from(self, url: str, part: Path) -> None:
        largest = LARGER * self.size + SLACK if self.size else LARGEST
        download(url, part, self.name, self.patience, largest, is_verified=bool(self.expected))
        if problem := self._problem(part):
            raise UnavailableError(problem)
        part.replace(self.path)
        self._record()
        for left in self.path.parent.glob(f"{glob.escape(self.file)}.part*"):  # begun at other addresses
            left.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other processes, ranks of the same job included, from fetching the same file meanwhile."""
        lock = FileLock(self.path.parent / ".lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                _say(f"Another process is fetching {self.name}; waiting for it.")
                lock.acquire(timeout=WAIT_SECONDS)
        except Timeout as error:
            raise WeightsError(
                f"Another process is still fetching {self.name}. Wait for it, or stop it (lock: "
                f"{lock.lock_file})."
            ) from error
        except OSError as error:
            raise cache.unwritable(self.path, error) from error
        try:
            yield
        finally:
            lock.release()


def _say(message: str) -> None:
    """Tells a person; parts of it may come from a server."""
    print("\n".join(map(printable, message.split("\n"))), file=sys.stderr, flush=True)
