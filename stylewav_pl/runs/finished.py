"""A run opened for reading: by everything that reports, scores, renders or verifies.

What is read is compared with what was recorded when it was written. So damage never passes for a result: it is
named, noted for the next start of the run, and made again by that.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.damage import Damage, DamageError, note
from stylewav_pl.runs.digests import NO_FILES, CohortFiles, Digest, digest_of
from stylewav_pl.runs.directory import PROMPTS, RunDirectory
from stylewav_pl.runs.embeddings import CohortEmbeddings, parse_embeddings, parse_prompts
from stylewav_pl.runs.journal import ClipRecord, Journals
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.results import read_skips
from stylewav_pl.runs.rows import ResultRow, read_curves, read_results
from stylewav_pl.runs.stores import IMAGE, LATENT, Store
from stylewav_pl.runs.stores.base import Kind
from stylewav_pl.types import Skip

RESULTS, CURVES, SKIPPED = "results.csv", "curves.csv", "skipped.csv"
TABLES = (RESULTS, CURVES, SKIPPED)


@final
class FinishedRun:
    """A run directory of any age, also of a run that is still at work; what it holds is read when it is asked for.

    Attributes:
        path: The directory.
        directory: Where things lie in it.
        damages: What was found to be damaged so far.
    """

    def __init__(self, path: Path) -> None:
        """Names the directory; it is opened once, so what is added later is not seen."""
        self.path = path
        self.directory = RunDirectory(path)
        self.damages: list[Damage] = []
        self._files: tuple[int, CohortFiles] = (-1, NO_FILES)

    # What is known about it

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """Facts about the run.

        Raises:
            RunDirectoryError: They are damaged, and so is their copy.
        """
        return self.directory.read_manifest()

    @cached_property
    def journals(self) -> Journals:
        """The finished cohorts."""
        return self.directory.finished()

    @cached_property
    def plan(self) -> Plan:
        """Which clips form which cohort.

        Raises:
            RunDirectoryError: It is damaged.
        """
        return self.directory.read_plan(1)

    @cached_property
    def store(self) -> Store:
        """Where images and latents lie."""
        return self.directory.store

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The settings that the run was made with.

        Raises:
            RunDirectoryError: They are damaged or missing.
        """
        self.check(self.directory.config_path.name)
        return self.directory.configuration.read()

    # Tables

    @cached_property
    def rows(self) -> list[ResultRow]:
        """The rows of ``results.csv`` in plan order.

        Raises:
            RunDirectoryError: The table is missing or damaged, or has clips that are to be made again.
        """
        self.check(RESULTS)
        rows = read_results(self.path)
        done = sum(row.done for row in rows)
        if self.journals and done > self.journals.number_of_clips:
            raise RunDirectoryError(
                f"{self.path / RESULTS} has {done} faces, the journals have {self.journals.number_of_clips}: the rest "
                "has to be made again. Run the same `fit` command first."
            )
        return rows

    def curves(self) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Id and similarities of each clip, one after the other; none where there is no such table.

        Raises:
            RunDirectoryError: It is damaged.
        """
        self.check(CURVES)
        yield from read_curves(self.path / CURVES)

    @cached_property
    def skips(self) -> tuple[Skip, ...]:
        """The rows of ``skipped.csv``; none where there is no such table.

        Raises:
            RunDirectoryError: It is damaged.
        """
        self.check(SKIPPED)
        return tuple(read_skips(self.directory))

    def records(self) -> Iterator[ClipRecord]:
        """The clips that have a face, in plan order, as the journals tell them.

        Raises:
            RunDirectoryError: A journal is damaged.
        """
        for cohort in sorted(self.journals):
            yield from self.journals[cohort].clips

    # What was made of each clip

    def image(self, id: str) -> bytes:
        """The file of a clip's image; see :meth:`read`."""
        return self.read(id, IMAGE)

    def latent(self, id: str) -> bytes:
        """The file of a clip's latent; see :meth:`read`."""
        return self.read(id, LATENT)

    def read(self, id: str, kind: Kind) -> bytes:
        """What is kept about a clip, as it was written.

        Raises:
            DamageError: It is damaged, or missing although it was written.
            FileNotFoundError: Nothing of this kind was written, as far as is known.
        """
        cohort = self._cohort_of(id)
        expected = self.store.digest(self.files(cohort), id, kind)
        try:
            data = self.store.read(id, kind)
        except KeyError as error:
            raise FileNotFoundError(f"No shard of {self.path} has {id}") from error
        except (OSError, RunDirectoryError) as error:
            if expected is None:
                raise
            raise self.damaged(self.store.place(id, kind), _why(error), cohort) from error
        self._compare(self.store.place(id, kind), data, expected, cohort)
        return data

    # What was made of each cohort

    def files(self, cohort: int) -> CohortFiles:
        """What was written about a cohort; nothing where an earlier version did not say.

        Raises:
            DamageError: The journal is damaged.
        """
        if self._files[0] != cohort:
            known = self.journals.files(cohort) if cohort in self.journals else None
            self._files = cohort, known or NO_FILES
        return self._files[1]

    def embeddings(self) -> Iterator[tuple[int, CohortEmbeddings]]:
        """Index and embeddings of each cohort that has any, one at a time.

        Raises:
            RunDirectoryError: A file is damaged, or missing although it was written.
        """
        for cohort in sorted(self.journals or self._cohorts_with_embeddings()):
            path = self.directory.embeddings_path(cohort)
            data = self._of_cohort(path, cohort)
            if data is not None:
                yield cohort, parse_embeddings(data, path)

    def start_sheet(self, cohort: int) -> bytes | None:
        """The sheet of a cohort's start images; None where there is none.

        Raises:
            DamageError: It is damaged, or missing although it was written.
        """
        return self._of_cohort(self.directory.starts_path(cohort), cohort)

    def prompts(self) -> dict[str, Float[np.ndarray, " embed"]]:
        """The prompts as the guide embeds them, unit norm; none where none were recorded.

        Raises:
            RunDirectoryError: They are damaged.
        """
        self.check(PROMPTS)
        path = self.directory.prompts_path
        return parse_prompts(path.read_bytes(), path) if path.is_file() else {}

    # Damage

    def check(self, name: str) -> None:
        """Checks that a file that the run has once is what was written, if that is known.

        Raises:
            DamageError: It is not, or it is missing.
        """
        if wrong := self.directory.manifest.wrong_with(name):
            raise self.damaged(name, wrong)

    def damaged(self, path: str, what: str, cohort: int | None = None) -> DamageError:
        """The error for something that is not what was written; it is kept, and noted for the next start."""
        damage = Damage(path, what, cohort)
        if damage not in self.damages:
            self.damages.append(damage)
        if cohort is not None:
            note(self.directory.journal_path, [cohort])
        return DamageError(self.path, [damage])

    def _of_cohort(self, path: Path, cohort: int) -> bytes | None:
        name = path.relative_to(self.path).as_posix()
        expected = self.files(cohort).files.get(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            if expected is None:
                return None
            raise self.damaged(name, _why(error), cohort) from error
        self._compare(name, data, expected, cohort)
        return data

    def _compare(self, name: str, data: bytes, expected: Digest | None, cohort: int) -> None:
        if expected and (wrong := expected.difference(digest_of(data))):
            raise self.damaged(name, wrong, cohort)

    def _cohort_of(self, id: str) -> int:
        """-1 for a clip that is in no plan, as in directories that no run of ours has made."""
        return self._cohorts.get(id, -1)

    @cached_property
    def _cohorts(self) -> Mapping[str, int]:
        return self.directory.cohorts_by_id

    def _cohorts_with_embeddings(self) -> list[int]:
        paths = self.directory.journal_path.glob("cohort-*.safetensors")
        return [int(number) for path in paths if (number := path.stem.removeprefix("cohort-")).isdigit()]


def opened(run: "FinishedRun | Path") -> FinishedRun:
    """A run that may be open already."""
    return run if isinstance(run, FinishedRun) else FinishedRun(run)


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read ({error.strerror if isinstance(error, OSError) else error})"
