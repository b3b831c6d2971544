"""Objects in a store of the S3, Google Cloud or Azure kind, and the claim of one machine to a run there.

Through ``obstore``, an extra of the package: one library for all three, with conditional writes in each. It
tries again by itself what a store refuses for a moment (503, lost connections), for three minutes.
Credentials come from where its makers say: the environment, or what a cloud tells its machines; nothing here
keeps them.
"""

import json
import re
import secrets
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from stylewav_pl.errors import ConfigError, OutputError, ProcessError, RunDirectoryError, one_line

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
CLAIM = "claim.json"
RENEW_SECONDS, LEASE_SECONDS, WATCH_SECONDS = 20.0, 120.0, 2.0
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

    def read(self, name: str, size: int | None = None) -> bytes | None:
        """Reads an object; None where there is none, or one of another size than expected."""
        with self._told():
            try:
                found = self._library.get(self._store, name)
                return None if size not in (None, found.meta["size"]) else bytes(found.bytes())
            except FileNotFoundError:
                return None

    def head(self, name: str) -> tuple[str, int] | None:
        """Tells the entity tag of an object and its bytes; None where there is none."""
        with self._told():
            try:
                found = self._library.head(self._store, name)
            except FileNotFoundError:
                return None
            return found["e_tag"] or found["last_modified"].isoformat(), found["size"]

    def part(self, name: str, tag: str, start: int, end: int) -> bytes | None:
        """Reads bytes of the version of an object that has this tag; None where it is not there any more."""
        options = {"range": (start, end), **({"if_match": tag} if tag.startswith('"') else {})}
        with self._told():
            try:
                return bytes(self._library.get(self._store, name, options=options).bytes())
            except (FileNotFoundError, self._library.exceptions.PreconditionError):
                return None

    def version(self, name: str) -> Any:
        """Tells which version of an object there is; None where there is none."""
        with self._told():
            try:
                found = self._library.head(self._store, name)
            except FileNotFoundError:
                return None
            return _version(found)

    def write(self, name: str, data: bytes | Path, anew: bool = False, over: Any = None) -> Any:
        """Writes an object whole.

        Args:
            name: Of the object.
            data: What it is, or the file that has it.
            anew: Only if there is none; else what is there stays.
            over: Only if this version is there.

        Returns:
            The version written; None where the condition did not hold.
        """
        mode = "create" if anew else over or "overwrite"
        conditions = (self._library.exceptions.AlreadyExistsError, self._library.exceptions.PreconditionError)
        with self._told():
            try:
                return _version(self._library.put(self._store, name, data, mode=mode))
            except conditions:
                return None

    def remove(self, name: str) -> None:
        """Removes an object, if there is one."""
        with self._told(), suppress(FileNotFoundError):
            self._library.delete(self._store, name)

    def names(self) -> list[str]:
        """Names of the objects that lie in no folder; strange ones are nobody's."""
        with self._told():
            found = self._library.list_with_delimiter(self._store)["objects"]
        return sorted(one["path"] for one in found if _PLAIN.fullmatch(one["path"]))

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


@final
class Claim:
    """The right to work on the run in a store, renewed as long as the process lives.

    No clock is compared with another: a claim that nobody renews while it is watched for two minutes is
    nobody's.

    Args:
        objects: The store.
        place: The run directory; whoever holds its lock may take over what an earlier start there claimed.
    """

    def __init__(self, objects: Objects, place: str) -> None:
        self.objects = objects
        self.owner = f"{socket.gethostname()} ({_machine()}):{place}"
        self._token, self._count = secrets.token_hex(8), 0
        self._version: Any = None
        self._renewed = 0.0

    def acquire(self, say: Callable[[str], None]) -> None:
        """Claims the store.

        Raises:
            ConfigError: It cannot be used.
            RunDirectoryError: Another machine works there.
        """
        try:
            self._version = self.objects.write(CLAIM, self._content(), anew=True)
        except OutputError as error:
            raise ConfigError(
                f"{self.objects.url} cannot be used: {reason_of(error.__cause__ or error)}. Check --results, "
                "and the credentials in the environment."
            ) from error
        self._renewed = time.monotonic()
        if self._version is None:
            self._take_over(say)

    def renew(self) -> None:
        """Says that this process lives, when it is time.

        Raises:
            ProcessError: Another machine has taken over.
        """
        if time.monotonic() - self._renewed < RENEW_SECONDS:
            return
        if self._version is not None:  # without it there is no condition, and another's claim would go
            content = self._content()
            self._version = self.objects.write(CLAIM, content, over=self._version) or self._own(content)
        if self._version is None:
            raise ProcessError(
                f"Another job has begun in {self.objects.url}; it does what this process has not finished.", 1
            )
        self._renewed = time.monotonic()

    def release(self) -> None:
        """Gives the store up, if it is still this process's."""
        with suppress(OutputError):
            if self._version is not None and self.objects.version(CLAIM) == self._version:
                self.objects.remove(CLAIM)
        self._version = None

    def _own(self, content: bytes) -> Any:
        """Returns the version that is there, if this process has written it and the answer was lost."""
        version = self.objects.version(CLAIM)
        return version if self.objects.read(CLAIM) == content else None

    def _take_over(self, say: Callable[[str], None]) -> None:
        found = self.objects.version(CLAIM)
        owner = self._owner()
        if owner != self.owner:
            say(f"{self.objects.url} is claimed by {owner}; it is watched for {LEASE_SECONDS:.0f} s.")
            found = self._watch(found, owner)
        self._version = self.objects.write(CLAIM, self._content(), over=found, anew=found is None)
        if self._version is None:
            raise self._in_use(owner)
        self._renewed = time.monotonic()

    def _watch(self, found: Any, owner: str) -> Any:
        """Returns the version that is nobody's any more; None where it was given up meanwhile."""
        began = time.monotonic()
        while found is not None and time.monotonic() - began < LEASE_SECONDS:
            time.sleep(WATCH_SECONDS)
            current = self.objects.version(CLAIM)
            if current not in (None, found):
                raise self._in_use(owner)
            found = current
        return found

    def _owner(self) -> str:
        try:
            return str(json.loads(self.objects.read(CLAIM) or b"{}")["owner"])
        except (ValueError, KeyError, TypeError):
            return "somebody"

    def _in_use(self, owner: str) -> RunDirectoryError:
        return RunDirectoryError(
            f"{self.objects.url} is in use by {owner}. Wait for it to end, or name another place with "
            "--results."
        )

    def _content(self) -> bytes:
        self._count += 1
        said = {"owner": self.owner, "token": self._token, "renewed": self._count}
        return json.dumps(said).encode("utf-8")


def _machine() -> str:
    """Tells machines of one name apart, such as copies of an image: by their start, else by their network."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
    return f"{uuid.getnode():012x}"


def _version(found: Any) -> dict[str, str]:
    """What a condition is about; a store without versions has entity tags alone."""
    return {name: found[name] for name in ("e_tag", "version") if found[name]}


def reason_of(error: BaseException) -> str:
    """What obstore says, without what it adds for programmers."""
    return one_line(str(error).partition("\n\nDebug source")[0])
