"""All clip sources of a run as one Lightning data module: one batch is one cohort."""

import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import islice, zip_longest
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from lightning.pytorch import LightningDataModule
from torch import Tensor

from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.funnel import Stage
from stylewav_pl.data.ignored import Ignored
from stylewav_pl.data.loader import CohortLoader
from stylewav_pl.data.members import with_members
from stylewav_pl.data.sound import ClipReader
from stylewav_pl.data.window import HIGH_PASS, Window
from stylewav_pl.errors import ConfigError
from stylewav_pl.ranges import check_number
from stylewav_pl.runs.members import leaders
from stylewav_pl.runs.plan import Cohort
from stylewav_pl.types import Clip, Skip, SkipReason

MAX_WORKERS = 1024
MAX_COUNT = 10_000


class ClipDataModule(LightningDataModule):
    """Lists, decodes and groups clips.

    The plan of a run says which clips form which cohort: list the clips, make the plan, then hand this
    process its cohorts with :meth:`assign`. A clip that cannot be used leaves its slot empty and is reported
    as a skip.

    Args:
        sources: Where clips come from, in this order.
        cohort_size: How many clips are optimised side by side; ``auto``: as many as the free memory of the
            first start allows.
        num_workers: Processes that decode ahead; 0 decodes in between. The result does not depend on it.
        seconds: Longest excerpt of a recording; shorter ones are used as they are, never padded.
        window: Which excerpt: ``center``, ``first``, ``loudest``, or ``mean-of-windows``: all of it (at most
            the central five minutes), embedded window by window, and the unit vectors averaged.
        min_seconds: Shorter recordings are skipped.
        high_pass: In Hz: what lies below is removed before anything is judged or embedded (an offset, rumble,
            steps on the floor), without moving the rest in time; ``null`` leaves recordings as they are.
        max_clips: Takes only so many clips, from all sources in turn; for quick runs.
        count: Faces for each clip, from so many starts; above 1 they are called ``id#1``, ``id#2`` ...

    Sources that choose among their clips say how in :attr:`funnel`; ``fit`` writes it to ``funnel.json`` in
    the run directory, a list of
    ``{"source": ..., "population": ..., "stage": ..., "count": ...}`` in the order of the rules
    (``population`` is empty where the number is about the whole source).

    Attributes:
        sample_rate: In Hz, of the waveforms; set from the audio embedder before loading.
        cohorts: What :meth:`assign` gave.
    """

    def __init__(
        self,
        sources: list[ClipSource],
        cohort_size: int | Literal["auto"] = 40,
        num_workers: int = 2,
        seconds: float = 5.0,
        window: str = "center",
        min_seconds: float = 0.5,
        high_pass: float | None = HIGH_PASS,
        max_clips: int | None = None,
        count: int = 1,
    ) -> None:
        super().__init__()
        if not sources:
            raise ConfigError("Expected at least one source in data.sources, found none. Add one.")
        check_number("data.cohort_size", None if cohort_size == "auto" else cohort_size, least=1)
        check_number("data.num_workers", num_workers, least=0, most=MAX_WORKERS)
        check_number("data.max_clips", max_clips, least=1, most=math.inf, advice="null: all clips.")
        check_number("data.count", count, least=1, most=MAX_COUNT)
        self.sources, self.count = sources, count
        self.max_clips = max_clips
        self.cohort_size = cohort_size
        self.num_workers = num_workers
        self.window = Window(seconds, window, min_seconds, high_pass)
        self.sample_rate = 16_000
        self.cohorts: tuple[Cohort, ...] = ()
        self._listed: dict[str, tuple[ClipSource, Clip]] | None = None
        self._early_skips: list[Skip] = []

    def list_clips(self) -> list[Clip]:
        """Every clip of every source, ids unique.

        Of two clips with one id the first counts. Listed once and kept.

        Raises:
            ConfigError: A source is wrong.
        """
        return [clip for _, clip in self._index().values()]

    def source_of(self, id: str) -> ClipSource:
        """The source that lists the clip."""
        return self._index()[id][0]

    @property
    def early_skips(self) -> tuple[Skip, ...]:
        """What never reaches the plan.

        Clips whose id was taken, and what a source could not list as a clip.
        """
        self._index()
        return tuple(self._early_skips)

    def lists(self, id: str) -> bool:
        """Whether a source lists the clip."""
        return id in self._index()

    def file_of(self, id: str) -> Path | None:
        """The file that a listed clip is; none where it is no file."""
        source, clip = self._index()[id]
        return source.file_of(clip)

    def leave_out(self, clashing: Mapping[str, str]) -> None:
        """Takes clips off the list because their files would have the names of others'.

        They become early skips.

        Args:
            clashing: Id of each of them, and of the clip that has the name.
        """
        for id, first in clashing.items():
            detail = f"The files of {first} have the name that its files would get. Rename one of them."
            path = self._index().pop(id)[1].path
            self._early_skips.append(Skip(id, path, SkipReason.DUPLICATE_ID, detail))

    @property
    def ignored(self) -> list[Ignored]:
        """What the sources found and did not look at."""
        self._index()
        return [one for source in self.sources for one in source.ignored]

    @property
    def funnel(self) -> list[Stage]:
        """How many clips each rule of each choosing source left."""
        stages = [stage for source in self.sources for stage in source.funnel]
        taken = (
            [
                Stage(
                    "all sources",
                    "",
                    f"taken for a quick run (max_clips: {self.max_clips})",
                    len(self._index()) // self.count,
                )
            ]
            if self.max_clips
            else []
        )
        return stages + taken if stages else []

    @property
    def samples(self) -> dict[str, str]:
        """SHA-256 over the ids of each sample that was drawn, by position of its source.

        Another sample makes another run.
        """
        drawn = {
            str(place): [clip.id for clip in source.list_clips()]
            for place, source in enumerate(self.sources)
            if source.draws
        }
        return {place: _digest("\n".join(ids)) for place, ids in drawn.items()}

    def assign(self, cohorts: Sequence[Cohort]) -> None:
        """Sets what this process works on, in this order."""
        self.cohorts = tuple(cohorts)

    def load(self, id: str) -> Float[Tensor, " time"] | Skip:
        """Decodes one clip, or says why it cannot be used."""
        sound = self._reader([id])[0]
        return sound if isinstance(sound, Skip) else torch.from_numpy(sound.waveform)

    def train_dataloader(self) -> CohortLoader:
        """One :class:`ClipBatch` for each assigned cohort."""
        clips = {id: clip for id, (_, clip) in self._index().items()}
        ids = [id for cohort in self.cohorts for id in dict.fromkeys(leaders(cohort.ids, clips).values())]
        return CohortLoader(self.cohorts, clips, self._reader(ids), self.num_workers)

    def _reader(self, ids: Sequence[str]) -> ClipReader:
        return ClipReader(
            ids, {id: self._index()[id] for id in ids if id in self._index()}, self.sample_rate, self.window
        )

    def _index(self) -> dict[str, tuple[ClipSource, Clip]]:
        if self._listed is None:
            listed: dict[str, tuple[ClipSource, Clip]] = {}
            found = [(source, clip) for source in self.sources for clip in source.list_clips()]
            self._early_skips += [skip for source in self.sources for skip in source.skips]
            for owner, clip in found:
                if clip.id in listed:
                    first = listed[clip.id][1].path
                    self._early_skips.append(
                        Skip(
                            clip.id,
                            clip.path,
                            SkipReason.DUPLICATE_ID,
                            f"The id is taken by {first}. Rename one of them.",
                        )
                    )
                else:
                    listed[clip.id] = (owner, clip)
            taken = listed if self.max_clips is None else self._first(listed, self.max_clips)
            self._listed = with_members(taken, self.count)
        return self._listed

    def _first(
        self, listed: Mapping[str, tuple[ClipSource, Clip]], count: int
    ) -> dict[str, tuple[ClipSource, Clip]]:
        """Returns so many clips.

        The sources take turns, a sample in the order of its draw, other sources by chance.
        """
        owned = [
            (source, [id for id, (owner, _) in listed.items() if owner is source]) for source in self.sources
        ]
        queues = [ids if source.draws else sorted(ids, key=_digest) for source, ids in owned]
        taken = set(islice((id for turn in zip_longest(*queues) for id in turn if id is not None), count))
        return {id: entry for id, entry in listed.items() if id in taken}


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
