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
RENEW_SECONDS, LEASE_SECONDS, WATCH_SECONDS = 20.0, 120.0, 2.0
LAST_SECONDS = 5.0  # what the end of a run waits for a renewal that the store does not answer


@final
class Claim:
    """The right to work on the run in a store, renewed by a thread as long as the process lives.

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
            self.objects.check_conditions(f"trial-{self._token}.json")
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
            if self._version is not None and self.objects.version(CLAIM) == self._version:
                self.objects.remove(CLAIM)
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
