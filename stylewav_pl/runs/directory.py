"""A run directory: where things lie in it, who may write to it, and what has been finished.

Layout: ``config.yaml``, ``manifest.json``, ``images/``, ``latents/``, ``strips/``, ``journal/rank-*.jsonl``, and, once all
cohorts are done, ``results.csv``, ``curves.csv``, ``skipped.csv``, ``statistics.json``, ``grid.png`` and ``report.html``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from stylewav_pl.runs import journal
from stylewav_pl.runs.files import remove_litter, write_json, write_text
from stylewav_pl.runs.identity import differences
from stylewav_pl.runs.plan import Cohort, Plan, stem_of
from stylewav_pl.types import RunDirectoryError


class RunDirectory:
    """One output directory; safe to open again after any interruption.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        """Names the directory; nothing is created yet."""
        self.path = path
        self._lock: FileLock | None = None

    @property
    def config_path(self) -> Path:
        """The resolved configuration of the first start."""
        return self.path / "config.yaml"

    @property
    def manifest_path(self) -> Path:
        """Versions, weight hashes, seed, plan and counts."""
        return self.path / "manifest.json"

    def image_path(self, id: str) -> Path:
        """Where the clip's image lies."""
        return self.path / "images" / f"{stem_of(id)}.png"

    def latent_path(self, id: str) -> Path:
        """Where the clip's latent lies."""
        return self.path / "latents" / f"{stem_of(id)}.safetensors"

    def strip_path(self, id: str) -> Path:
        """Where the strip of the clip's images at several steps lies."""
        return self.path / "strips" / f"{stem_of(id)}.png"

    def journal_path(self, rank: int) -> Path:
        """The journal that process ``rank`` appends to."""
        return self.path / "journal" / f"rank-{rank:05d}.jsonl"

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
                f"{self.path} is in use by another process. Wait for it to end, or choose another directory with --run."
            ) from error
        except OSError as error:
            raise RunDirectoryError(f"{self.path} cannot be written ({error}). Choose another directory with --run.") from error
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
        if not self.config_path.exists():
            write_text(self.config_path, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
            return
        changed = differences(yaml.safe_load(self.config_path.read_text("utf-8", "surrogateescape")), config)
        if changed:
            listed = "\n".join(f"  {line}" for line in changed)
            raise RunDirectoryError(
                f"{self.path} was made with another configuration:\n{listed}\n"
                "Use another directory (--run DIR), or --restart to move the old one aside and begin anew."
            )

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
            raise RunDirectoryError(f"{self.manifest_path} is damaged ({error}). Restore it, or begin anew with --restart.") from error
        return manifest

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """Adds facts to the manifest, replacing those of the same name."""
        write_json(self.manifest_path, {**self.read_manifest(), **facts})

    def read_plan(self, cohort_size: int) -> Plan:
        """The plan of the first start, or an empty one with ``cohort_size``."""
        stored = self.read_manifest().get("plan")
        if stored is None:
            return Plan(cohort_size)
        size = stored["cohort_size"]
        return Plan(size, tuple(Cohort(index, tuple(ids), size) for index, ids in enumerate(stored["cohorts"])))

    def write_plan(self, plan: Plan) -> None:
        """Stores the plan in the manifest."""
        self.write_manifest({"plan": {"cohort_size": plan.cohort_size, "cohorts": [list(cohort.ids) for cohort in plan.cohorts]}})

    def finished(self) -> dict[int, journal.CohortRecord]:
        """The finished cohorts by index."""
        return journal.read_all(self.path / "journal")

    def read_scores(self) -> dict[str, dict[str, float]]:
        """Scores that a later ``test`` gave, by clip and prompt; empty when there was none."""
        if not self._scores_path.exists():
            return {}
        scores: dict[str, dict[str, float]] = json.loads(self._scores_path.read_text("utf-8", "surrogateescape"))
        return scores

    def write_scores(self, scores: Mapping[str, Mapping[str, float]]) -> None:
        """Keeps scores of a later ``test``; they replace those of the journal in every table made from now on."""
        write_json(self._scores_path, {id: dict(by_prompt) for id, by_prompt in scores.items()})

    @property
    def _scores_path(self) -> Path:
        return self.path / "journal" / "scores.json"
