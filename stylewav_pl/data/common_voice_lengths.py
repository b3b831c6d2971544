"""Compares the durations that a Common Voice release tells with its files."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from stylewav_pl.data.audio import seconds_of
from stylewav_pl.data.clip_files import ClipFiles
from stylewav_pl.data.common_voice_store import has_sounds
from stylewav_pl.data.store_recordings import is_in_store, recording_at
from stylewav_pl.types import AudioError, SkipReason

# Seconds by which a table of durations and a decoder may differ: what a codec puts before and after the
# sound.
TABLE_TOLERANCE = 0.1


class CandidateLengths:
    """Checks that a candidate's file is there and its duration fits.

    Without any files the table alone counts.

    Attributes:
        files: What was found on disk, and what was not.
        found: Position of a candidate to its file.
        opened: How many files were opened.
        unreadable: How many of them are no sound.
        contradicted: How many have another duration than the table says.
    """

    def __init__(self, candidates: pl.DataFrame, seconds: tuple[float, float], progress: "tqdm[Any]") -> None:
        self.known = (
            candidates["seconds"].is_not_null().to_list()
        )  # the table's durations have been compared already
        self.paths = candidates["path"]
        self.seconds = seconds
        self.progress = progress
        self.files = ClipFiles()
        self._folders: dict[str, bool] = {}
        self.found: dict[int, str] = {}
        self.opened = self.unreadable = self.contradicted = 0

    def fit(self, position: int) -> bool:
        """Looks at one candidate; the counts follow."""
        path = self.files.find(self.paths[position])
        if path is None:
            return False
        self.found[position] = path
        if not self.known[position]:
            return self._measure(path, 0.0)
        if not self._has_sound(path):
            return True
        unusable = self.unreadable + self.files.absent
        fits = self._measure(path, TABLE_TOLERANCE)
        self.contradicted += not fits and unusable == self.unreadable + self.files.absent
        return fits

    def _has_sound(self, path: str) -> bool:
        """Whether there is a file; of a store is asked only whether there is any in the folder."""
        if not is_in_store(path):
            return Path(path).is_file()
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            self._folders[folder] = has_sounds(folder)
        return self._folders[folder]

    def _measure(self, path: str, tolerance: float) -> bool:
        self.opened += 1
        self.progress.update()
        try:
            with recording_at(path) if is_in_store(path) else nullcontext(Path(path)) as file:
                return self.seconds[0] - tolerance <= seconds_of(file) <= self.seconds[1] + tolerance
        except AudioError as error:
            absent = is_in_store(path) and error.reason == SkipReason.MISSING
            self.files.absent += absent
            self.unreadable += not absent
            return False  # a file that cannot be read is not drawn
