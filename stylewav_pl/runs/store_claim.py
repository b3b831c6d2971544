"""The claim of one machine to a run in an object store."""

import json
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from stylewav_pl.errors import ConfigError, OutputError, ProcessError, RunDirectoryError
from stylewav_pl.runs.objects import Objects, reason_of

CLAIM = "claim.json"
NOBODY = ""
TRIAL = "trial-"  # how the names of objects begin that are there for a moment
RENEW_SECONDS, LEASE_SECONDS, WATCH_SECONDS = 20.0, 120.0, 2.0
LAST_SECONDS = 5.0  # what the end of a run waits for a renewal that the store does not answer


@final
class Claim:
    """The right to work on the run in a store, renewed by a thread as long as the process lives.

    No clock is compared with another: a claim that nobody renews while it is watched for two minutes is
    nobody's. One that was given up stays as an object that says so: no library at hand removes an object on a
    condition, and without one the claim of whoever has just taken over might go.

    Args:
        objects: The store.
        place: The run directory; whoever holds its lock may take over what an earlier start there claimed.
    """

    def __init__(self, objects: Objects, place: str) -> None:
        self.objects = objects
        self.owner = f"{socket.gethostname()} ({_machine()}):{place}"
        self._token, self._count = secrets.token_hex(8), 0
        self._version: Any = None
        self._lost: Exception | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="claim")

    def acquire(self, say: Callable[[str], None]) -> None:
        """Claims the store.

        Raises:
            ConfigError: It cannot be used, or does not keep conditions.
            RunDirectoryError: Another machine works there.
        """
        try:
            self.objects.check_conditions(f"{TRIAL}{self._token}.json")
            self._version = self.objects.write(CLAIM, self._content(), anew=True)
        except OutputError as error:
            raise ConfigError(
                f"{self.objects.url} cannot be used: {reason_of(error.__cause__ or error)}. Check --results, "
                "and the credentials in the environment."
            ) from error
        if self._version is None:
            self._take_over(say)

    def keep(self) -> None:
        """Begins to renew the claim from time to time, whatever else the program does meanwhile."""
        self._thread.start()

    def check(self) -> None:
        """Raises what the last renewal met; called before anything is written.

        Raises:
            ProcessError: Another machine has taken over.
            OutputError: The store does not answer.
        """
        if self._lost is not None:
            raise self._lost

    def renew(self) -> None:
        """Says that this process lives.

        Raises:
            ProcessError: Another machine has taken over.
            OutputError: The store does not answer.
        """
        with self._lock:
            if self._version is not None:  # without it there is no condition, and another's claim would go
                content = self._content()
                self._version = self.objects.write(CLAIM, content, over=self._version) or self._own(content)
            if self._version is None:
                self._lost = ProcessError(
                    f"Another job has begun in {self.objects.url}; it does what this process has not "
                    "finished.",
                    1,
                )
                raise self._lost

    def release(self) -> None:
        """Gives the store up, if it is still this process's."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(LAST_SECONDS)
            if self._thread.is_alive():
                return  # the store does not answer: the claim ends by itself
        if self._lost is not None:
            return  # the same, or it is another's
        with suppress(OutputError):
            if self._version is not None:
                self.objects.write(CLAIM, self._content(released=True), over=self._version)
        self._version = None

    def _keep(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            try:
                self.renew()
            except Exception as error:  # whatever it is: the run must hear of it
                self._lost = error
                return

    def _own(self, content: bytes) -> Any:
        """Returns the version that is there, if this process has written it and the answer was lost."""
        found, version = self.objects.latest(CLAIM)
        return version if found == content else None

    def _take_over(self, say: Callable[[str], None]) -> None:
        found, owner = self._holder()
        if owner not in (NOBODY, self.owner):
            say(f"{self.objects.url} is claimed by {owner}; it is watched for {LEASE_SECONDS:.0f} s.")
            found = self._watch(found)
        content = self._content()
        self._version = self.objects.write(CLAIM, content, over=found, anew=found is None)
        self._version = self._version or self._own(content)
        if self._version is None:
            raise self._in_use(self._holder()[1] or "a run that has just ended")

    def _watch(self, found: Any) -> Any:
        """Returns the version that is nobody's any more; None where there is none."""
        began = time.monotonic()
        while time.monotonic() - began < LEASE_SECONDS:
            time.sleep(WATCH_SECONDS)
            current, owner = self._holder()
            if owner == NOBODY:
                return current
            if current != found:
                raise self._in_use(owner)
        return found

    def _holder(self) -> tuple[Any, str]:
        """Returns the version of the claim that is there (None: there is none), and whose it is."""
        content, version = self.objects.latest(CLAIM)
        if content is None:
            return None, NOBODY
        try:
            said = json.loads(content)
            return version, NOBODY if said.get("released") else str(said["owner"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return version, "somebody"

    def _in_use(self, owner: str) -> RunDirectoryError:
        return RunDirectoryError(
            f"{self.objects.url} is in use by {owner}. Wait for it to end, or name another place with "
            "--results."
        )

    def _content(self, released: bool = False) -> bytes:
        """What is written; never the same twice, or versions by content would be the same, too."""
        self._count += 1
        said = {"owner": self.owner, "token": self._token, "renewed": self._count, "released": released}
        return json.dumps(said).encode("utf-8")


def _machine() -> str:
    """Tells machines of one name apart, such as copies of an image: by their start, else by their network."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
    return f"{uuid.getnode():012x}"
