"""A run directory: where things lie in it, who may write to it, and what has been finished.

Layout: ``config.yaml``, ``manifest.json``, ``plan.jsonl``, ``images/``, ``latents/``, ``strips/`` (or
``shards/``), ``journal/``, and, once all cohorts are done, ``results.csv``, ``curves.csv``, ``skipped.csv``,
``statistics.json``, ``grid.png`` and
``report.html``.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from stylewav_pl.runs import plan_file
from stylewav_pl.runs.files import remove_litter, write_json, write_text
from stylewav_pl.runs.identity import differences
from stylewav_pl.runs.journal import Journals
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.stores import IMAGE, FileStore, Output, Store, open_store
from stylewav_pl.types import OutputError, RunDirectoryError


class RunDirectory:
    """One output directory; safe to open again after any interruption.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        """Names the directory; nothing is created yet."""
        self.path = path
        self._lock: FileLock | None = None
        self._place: tuple[int, int] | None = None

    @property
    def config_path(self) -> Path:
        """The resolved configuration of the first start."""
        return self.path / "config.yaml"

    @property
    def manifest_path(self) -> Path:
        """Versions, weight hashes, seed, facts about the plan, and counts."""
        return self.path / "manifest.json"

    def image_path(self, id: str) -> Path:
        """Where the clip's image lies in a run of files."""
        store = self.store
        if not isinstance(store, FileStore):
            raise RunDirectoryError(
                f"The images of {self.path} lie in shards: read them with store.read(id, IMAGE)."
            )
        return store.path(id, IMAGE)

    @property
    def journal_path(self) -> Path:
        """Where each process keeps its journal."""
        return self.path / "journal"

    def embeddings_path(self, cohort: int) -> Path:
        """Targets and embedded images of a cohort."""
        return self.path / "journal" / f"cohort-{cohort:06d}.safetensors"

    def starts_path(self, cohort: int) -> Path:
        """The sheet of a cohort's start images."""
        return self.path / "journal" / f"cohort-{cohort:06d}.jpg"

    @property
    def prompts_path(self) -> Path:
        """The prompts as the guide embeds them."""
        return self.path / "journal" / "prompts.safetensors"

    def acquire(self) -> None:
        """Claims the directory for this process until :meth:`release` or exit.

        Raises:
            RunDirectoryError: Another live process has it, or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock")
            lock.acquire(timeout=0)
        except Timeout as error:
            raise RunDirectoryError(
                f"{self.path} is in use by another process. Wait for it to end, or choose another directory "
                "with --run."
            ) from error
        except OSError as error:
            raise RunDirectoryError(
                f"{self.path} cannot be written ({error}). Choose another directory with --run."
            ) from error
        self._lock = lock
        remove_litter(self.path)

    def release(self) -> None:
        """Gives the directory up."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def adopt(self, config: Mapping[str, Any]) -> None:
        """Makes ``config`` the directory's configuration, or checks that it is the one it was made with.

        Raises:
            RunDirectoryError: The directory was made with another configuration.
        """
        if self.config_path.exists():
            self.check_configuration(config)
        else:
            write_text(self.config_path, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))

    def check_configuration(self, config: Mapping[str, Any]) -> None:
        """Checks that the directory, if it has a configuration, was made with ``config``.

        Raises:
            RunDirectoryError: It was made with another.
        """
        if not self.config_path.exists():
            return
        changed = differences(self.first_configuration(), config)
        if changed:
            listed = "\n".join(f"  {line}" for line in changed)
            raise RunDirectoryError(
                f"{self.path} was made with another configuration:\n{listed}\n"
                "Use another directory (--run DIR), or --restart to move the old one aside and begin anew."
            )

    def first_configuration(self) -> dict[str, Any]:
        """Reads the configuration of the first start; empty before it."""
        if not self.config_path.exists():
            return {}
        content = yaml.safe_load(self.config_path.read_text("utf-8", "surrogateescape"))
        return content if isinstance(content, dict) else {}

    def move_aside(self) -> Path | None:
        """Renames an existing directory to ``<name>.old-N``; nothing is deleted. Returns the new place."""
        if not self.path.exists():
            return None
        number = 1
        while (place := self.path.with_name(f"{self.path.name}.old-{number}")).exists():
            number += 1
        return self.path.rename(place)

    def read_manifest(self) -> dict[str, Any]:
        """The manifest, empty before the first start.

        Raises:
            RunDirectoryError: The file is not readable JSON.
        """
        if not self.manifest_path.exists():
            return {}
        try:
            manifest: dict[str, Any] = json.loads(self.manifest_path.read_text("utf-8", "surrogateescape"))
        except ValueError as error:
            raise RunDirectoryError(
                f"{self.manifest_path} is damaged ({error}). Restore it, or begin anew with --restart."
            ) from error
        return manifest

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """Adds facts to the manifest, replacing those of the same name."""
        write_json(self.manifest_path, {**self.read_manifest(), **facts})

    def read_plan(self, cohort_size: int) -> Plan:
        """The plan of the first start, or an empty one with ``cohort_size``."""
        facts = self._plan_facts()
        return plan_file.read_plan(self._plan_path, facts) if facts else Plan(cohort_size)

    def write_plan(self, plan: Plan) -> None:
        """Stores a plan that extends the stored one; what is there already is not written again."""
        before = self._plan_facts()
        facts = plan_file.write_plan(self._plan_path, plan, before)
        if facts != before:
            self.write_manifest({"plan": {"file": plan_file.FILE, **asdict(facts)}})

    def _plan_facts(self) -> plan_file.PlanFacts | None:
        stored = self.read_manifest().get("plan")
        return (
            plan_file.PlanFacts(**{name: value for name, value in stored.items() if name != "file"})
            if stored
            else None
        )

    @property
    def _plan_path(self) -> Path:
        return self.path / plan_file.FILE

    def finished(self) -> Journals:
        """The finished cohorts by index, as the journals have them now; records are read when they are asked for."""
        return self._journals.refresh()

    @cached_property
    def _journals(self) -> Journals:
        return Journals(self.journal_path)

    @property
    def store(self) -> Store:
        """Where the images and latents lie; what the manifest says nothing about is a PNG."""
        return open_store(self.path, Output(**self.read_manifest().get("output", {})), self._cohort_of)

    def _cohort_of(self, id: str) -> int:
        facts = self._plan_facts()
        return plan_file.cohorts_by_id(self._plan_path, facts)[id] if facts else 0

    def check_place(self) -> None:
        """Checks that the directory is still the one that was there at the first call.

        Raises:
            OutputError: It has vanished, or another lies in its place (an unmounted disk, say).
        """
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise OutputError(self.path, error) from error
        self._place = self._place or (found.st_dev, found.st_ino)
        if self._place != (found.st_dev, found.st_ino):
            raise OutputError(self.path, "another directory lies in its place; was a disk unmounted?")

    def read_scores(self) -> dict[str, dict[str, float]]:
        """Scores that a later ``test`` gave, by clip and prompt; empty when there was none."""
        if not self._scores_path.exists():
            return {}
        scores: dict[str, dict[str, float]] = json.loads(
            self._scores_path.read_text("utf-8", "surrogateescape")
        )
        return scores

    def write_scores(self, scores: Mapping[str, Mapping[str, float]]) -> None:
        """Keeps scores of a later ``test``; they replace those of the journal in every table made from now on."""
        write_json(self._scores_path, {id: dict(by_prompt) for id, by_prompt in scores.items()})

    @property
    def _scores_path(self) -> Path:
        return self.path / "journal" / "scores.json"
