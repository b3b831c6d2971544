"""``manifest.json``: facts about a run, with a checksum and a copy.

Everything else is understood through it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.files import write_json
from stylewav_pl.runs.digests import Digest, digest_of_file

FILE = "manifest.json"
CHECKSUM = "checksum"
RECORDED = "recorded"
NO_FACTS: Mapping[str, Any] = MappingProxyType({})


class ManifestFile:
    """The manifest of a run.

    Args:
        run: The run directory.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.path = run / FILE
        self.copy = run / "journal" / FILE

    def read(self) -> dict[str, Any]:
        """The facts; none before the first start.

        Raises:
            RunDirectoryError: Neither the file nor its copy is what was written.
        """
        facts = self._intact(self.path)
        if facts is None:
            facts = self._intact(self.copy)
        if facts is not None:
            return facts
        if not self.path.exists() and not self._has_results():
            return {}
        state = "is damaged or was edited" if self.path.exists() else "is missing"
        raise RunDirectoryError(
            f"{self.path} {state}, and so is its copy {self.copy}. Restore one of them, or begin anew with "
            "--restart."
        )

    def write(self, facts: Mapping[str, Any]) -> None:
        """Replaces the facts."""
        checked = {**facts, CHECKSUM: _checksum(facts)}
        self.copy.parent.mkdir(parents=True, exist_ok=True)
        # the copy first: after a crash between the two the older file still stands for itself, and the next
        # start brings them together
        write_json(self.copy, checked)
        write_json(self.path, checked)

    def damage(self) -> str:
        """Tells what is wrong with the file although its copy can stand in for it, as the rest of a sentence.

        Else empty.
        """
        if self._intact(self.path) is not None or not self.copy.exists():
            return ""
        return "is damaged or was edited" if self.path.exists() else "is missing"

    def record(self, digests: Mapping[str, Digest | None], facts: Mapping[str, Any] = NO_FACTS) -> None:
        """Keeps what files of the run are that exist once, by path in it; None for one that is not there."""
        known = self.read()
        changed = {path: one and asdict(one) for path, one in digests.items()}
        self.write({**known, **facts, RECORDED: {**known.get(RECORDED, {}), **changed}})

    def recorded(self, path: str) -> Digest | None:
        """Tells what a file was when it was written, by path in the run; None where nothing is known."""
        found = self.read().get(RECORDED, {}).get(path)
        return Digest(**found) if found else None

    def wrong_with(self, path: str) -> str:
        """Tells how a file differs from what was written, as the rest of a sentence.

        Empty where it does not, as far as is known.
        """
        recorded = self.recorded(path)
        if recorded is None:
            return ""
        try:
            return recorded.difference(digest_of_file(self.run / path))
        except OSError as error:
            return (
                "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
            )

    def _has_results(self) -> bool:
        """Tells whether a run has finished something here, which nobody understands without its manifest."""
        return (self.run / "plan.jsonl").exists() and any(self.copy.parent.glob("rank-*.index"))

    def _intact(self, path: Path) -> dict[str, Any] | None:
        """The facts in a file; None where it is missing or not what was written."""
        try:
            facts = json.loads(path.read_text("utf-8", "surrogateescape"))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(facts, dict):
            return None
        said = facts.pop(CHECKSUM, None)
        # Earlier versions knew no checksum, and wrote no copy either.
        whole = not self.copy.exists() if said is None else said == _checksum(facts)
        return facts if whole else None


def _checksum(facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
