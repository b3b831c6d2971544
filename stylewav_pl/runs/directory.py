"""A run directory: where things lie in it, who may write to it, and what has been finished.

Layout: ``config.yaml``, ``manifest.json``, ``plan.jsonl``, ``images/``, ``latents/``, ``strips/`` (or
``shards/``), ``journal/``, and, once all cohorts are done, ``results.csv``, ``curves.csv``, ``skipped.csv``,
``statistics.json``, ``grid.png`` and
``report.html``.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from stylewav_pl.errors import OutputError, RunDirectoryError
from stylewav_pl.files import remove_litter, write_json
from stylewav_pl.runs import plan_file
from stylewav_pl.runs.configuration import ConfigurationFile
from stylewav_pl.runs.damage import Damage, DamageError
from stylewav_pl.runs.digests import digest_of_file
from stylewav_pl.runs.journal import Journals
from stylewav_pl.runs.manifest import ManifestFile
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.stores import IMAGE, FileStore, Output, Store, open_store

PROMPTS, SCORES = "journal/prompts.safetensors", "journal/scores.json"

Record = TypeVar("Record")


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
        return self.configuration.path

    @property
    def manifest_path(self) -> Path:
        """Versions, weight hashes, seed, facts about the plan, and counts."""
        return self.manifest.path

    def image_path(self, id: str) -> Path:
        """Tells where the clip's image lies in a run of files."""
        store = self.store
        if not isinstance(store, FileStore):
            raise RunDirectoryError(
                f"The images of {self.path} lie in shards: read them with store.read(id, IMAGE)."
            )
        return store.path(id, IMAGE)

    @property
    def journal_path(self) -> Path:
        """Tells where each process keeps its journal."""
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
        return self.path / PROMPTS

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

    @cached_property
    def configuration(self) -> ConfigurationFile:
        """Tells what the run was made with."""
        return ConfigurationFile(self.manifest)

    def first_configuration(self) -> dict[str, Any]:
        """Reads the configuration of the first start; empty before it, and where the file is damaged."""
        try:
            return self.configuration.read()
        except RunDirectoryError:
            return {}

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
            RunDirectoryError: The file is not what was written, and neither is its copy.
        """
        return self.manifest.read()

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """Adds facts to the manifest, replacing those of the same name."""
        self.manifest.write({**self.read_manifest(), **facts})

    @cached_property
    def manifest(self) -> ManifestFile:
        """The file behind :meth:`read_manifest`."""
        return ManifestFile(self.path)

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

    def restore_plan(self, ids: Iterable[str]) -> bool:
        """Writes a damaged plan again if the same clips give the same one; returns whether it did."""
        facts = self._plan_facts()
        return facts is not None and plan_file.restore(self._plan_path, facts, ids)

    def _plan_facts(self) -> plan_file.PlanFacts | None:
        stored = self.read_manifest().get("plan")
        return self._as(plan_file.PlanFacts, stored) if stored else None

    def _as(self, record: type[Record], stored: Mapping[str, Any]) -> Record:
        """A record from what the manifest says about it."""
        try:
            return record(**{name: value for name, value in stored.items() if name != "file"})
        except (TypeError, AttributeError) as error:
            raise RunDirectoryError(
                f"{self.manifest_path} does not say what it should ({error}). Restore it, or begin anew with "
                "--restart."
            ) from error

    @property
    def _plan_path(self) -> Path:
        return self.path / plan_file.FILE

    def finished(self) -> Journals:
        """The finished cohorts by index, as the journals have them now.

        Records are read when they are asked for.
        """
        return self._journals.refresh()

    @cached_property
    def _journals(self) -> Journals:
        return Journals(self.journal_path)

    @property
    def store(self) -> Store:
        """Tells where the images and latents lie; what the manifest says nothing about is a PNG."""
        output = self._as(Output, self.read_manifest().get("output", {}))
        cohorts = cache(lambda: self.cohorts_by_id)  # read once for all that is read through this store
        return open_store(self.path, output, lambda id: cohorts()[id])

    @property
    def cohorts_by_id(self) -> Mapping[str, int]:
        """The cohort of every planned clip."""
        facts = self._plan_facts()
        return plan_file.cohorts_by_id(self._plan_path, facts) if facts else {}

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
        """Scores that a later ``test`` gave, by clip and prompt; empty when there was none.

        Raises:
            RunDirectoryError: They are not what was written.
        """
        remedy = "Score again with the same `test` command."
        if wrong := self.manifest.wrong_with(SCORES):
            raise DamageError(self.path, [Damage(SCORES, wrong, remedy=remedy)])
        if not self._scores_path.exists():
            return {}
        try:
            scores = json.loads(self._scores_path.read_text("utf-8", "surrogateescape"))
            return {id: {prompt: float(score) for prompt, score in one.items()} for id, one in scores.items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise RunDirectoryError(
                f"Expected scores by clip and prompt in {self._scores_path}, found something else. {remedy}"
            ) from error

    def write_scores(self, scores: Mapping[str, Mapping[str, float]]) -> None:
        """Keeps scores of a later ``test``.

        They replace those of the journal in every table made from now on.
        """
        write_json(self._scores_path, {id: dict(by_prompt) for id, by_prompt in scores.items()})
        self.manifest.record({SCORES: digest_of_file(self._scores_path)})

    @property
    def _scores_path(self) -> Path:
        return self.path / SCORES
