"""A run opened for reading: by everything that reports, scores, renders or verifies.

What is read is compared with what was recorded when it was written. So damage never passes for a result: it
is named, noted for the next start of the run, and made again by that.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.runs.checked import CheckedRun
from stylewav_pl.runs.damage import DamageError
from stylewav_pl.runs.directory import PROMPTS
from stylewav_pl.runs.embeddings import CohortEmbeddings, parse_embeddings, parse_prompts
from stylewav_pl.runs.journal import ClipRecord
from stylewav_pl.runs.plan import Plan
from stylewav_pl.runs.results import read_skip_lines, read_skips
from stylewav_pl.runs.rows import ResultRow, read_curves, read_results
from stylewav_pl.runs.stores import IMAGE, LATENT
from stylewav_pl.types import Skip

RESULTS, CURVES, SKIPPED = "results.csv", "curves.csv", "skipped.csv"
STATISTICS, FUNNEL = "statistics.json", "funnel.json"
GRID, PAGE = "grid.png", "report.html"
TABLES = (RESULTS, CURVES, SKIPPED)


@final
class FinishedRun(CheckedRun):
    """A run directory of any age, also of a run that is still at work.

    What it holds is read when it is asked for.
    """

    # What is known about it

    @cached_property
    def plan(self) -> Plan:
        """Tells which clips form which cohort.

        Raises:
            RunDirectoryError: It is damaged.
        """
        return self.directory.read_plan(1)

    @property
    def configuration(self) -> Mapping[str, Any]:
        """The settings that the run was made with.

        Raises:
            RunDirectoryError: They are damaged or missing.
        """
        self.check(self.directory.config_path.name)
        return self.directory.configuration.read()

    @cached_property
    def configuration_text(self) -> str:
        """The file of the settings as it is; empty where it is missing or damaged."""
        path = self.directory.config_path
        with suppress(DamageError):  # which the run keeps in mind
            self.check(path.name)
            return path.read_text("utf-8", "replace") if path.is_file() else ""
        return ""

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
                f"{self.path / RESULTS} has {done} faces, the journals have {self.journals.number_of_clips}: "
                "the rest has to be made again. Run the same `fit` command first."
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

    @cached_property
    def skip_lines(self) -> tuple[Mapping[str, str], ...]:
        """The cells of ``skipped.csv`` as text: a newer version may know other reasons than :attr:`skips`.

        Raises:
            RunDirectoryError: It is damaged.
        """
        self.check(SKIPPED)
        return tuple(read_skip_lines(self.path / SKIPPED))

    @cached_property
    def funnel(self) -> tuple[Mapping[str, Any], ...]:
        """Source, population, stage and count of each step of the selection; none where none was recorded.

        Raises:
            RunDirectoryError: The file holds something else.
        """
        path = self.path / FUNNEL
        if not path.is_file():
            return ()
        try:
            return tuple(map(_stage, json.loads(path.read_text("utf-8"))))
        except (ValueError, KeyError, TypeError) as problem:
            raise RunDirectoryError(
                f"Expected a list of source, population, stage and count in {path}, found something else "
                f"({problem}). Delete it."
            ) from problem

    # What was made of the tables

    def made(self, name: str) -> Path | None:
        """Finds the statistics, the picture grid or the page; None where it was not made yet.

        These are written anew while a run is open: each call looks again.
        """
        path = self.path / name
        return path if path.is_file() else None

    def statistics(self) -> Mapping[str, Any]:
        """Reads the statistics by trait, as they are in the file at this moment; empty where there is none.

        Raises:
            ValueError: The file is no JSON.
            KeyError: It has no traits.
        """
        path = self.made(STATISTICS)
        traits: Mapping[str, Any] = json.loads(path.read_text("utf-8"))["traits"] if path else {}
        return traits

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

    # What was made of each cohort

    def embeddings(self) -> Iterator[tuple[int, CohortEmbeddings]]:
        """Index and embeddings of each cohort that has any, one at a time.

        Raises:
            RunDirectoryError: A file is damaged, or missing although it was written.
        """
        for cohort in sorted(self.journals or self._cohorts_with_embeddings()):
            path = self.directory.embeddings_path(cohort)
            data = self.read_of_cohort(path, cohort)
            if data is not None:
                yield cohort, parse_embeddings(data, path)

    def start_sheet(self, cohort: int) -> bytes | None:
        """The sheet of a cohort's start images; None where there is none.

        Raises:
            DamageError: It is damaged, or missing although it was written.
        """
        return self.read_of_cohort(self.directory.starts_path(cohort), cohort)

    def prompts(self) -> dict[str, Float[np.ndarray, " embed"]]:
        """The prompts as the guide embeds them, unit norm; none where none were recorded.

        Raises:
            RunDirectoryError: They are damaged.
        """
        self.check(PROMPTS)
        path = self.directory.prompts_path
        return parse_prompts(path.read_bytes(), path) if path.is_file() else {}

    def _cohorts_with_embeddings(self) -> list[int]:
        paths = self.directory.journal_path.glob("cohort-*.safetensors")
        return [int(number) for path in paths if (number := path.stem.removeprefix("cohort-")).isdigit()]


def _stage(line: Mapping[str, Any]) -> Mapping[str, Any]:
    texts = {name: str(line[name]) for name in ("source", "population", "stage")}
    return {**texts, "count": int(line["count"])}
