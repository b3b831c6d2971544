"""Reads the files of a run and compares them with what was recorded when they were written.

So damage never passes for a result: it is named, noted for the next start of the run, and made again by that.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.damage import Damage, DamageError, note
from stylewav_pl.runs.digests import NO_FILES, CohortFiles, Digest, digest_of
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.journal import Journals
from stylewav_pl.runs.stores import Store
from stylewav_pl.runs.stores.base import Kind


class CheckedRun:
    """Hands out what lies in a run directory only as it was written.

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
    def store(self) -> Store:
        """Tells where images and latents lie."""
        return self.directory.store

    def read(self, id: str, kind: Kind) -> bytes:
        """Tells what is kept about a clip, as it was written.

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

    def files(self, cohort: int) -> CohortFiles:
        """Tells what was written about a cohort; nothing where an earlier version did not say.

        Raises:
            DamageError: The journal is damaged.
        """
        if self._files[0] != cohort:
            known = self.journals.files(cohort) if cohort in self.journals else None
            self._files = cohort, known or NO_FILES
        return self._files[1]

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

    def read_of_cohort(self, path: Path, cohort: int) -> bytes | None:
        """Reads a file that a cohort has once; None where it was never written.

        Raises:
            DamageError: It is damaged, or missing although it was written.
        """
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


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read ({error.strerror if isinstance(error, OSError) else error})"
