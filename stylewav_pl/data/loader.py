"""From the plan's cohorts to batches: clips are decoded ahead, one batch is one cohort."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from stylewav_pl.data.members import shared_sounds
from stylewav_pl.data.reading_ahead import in_threads
from stylewav_pl.data.sound import ClipReader, ErrorsAsItems, Item, Sound, raised
from stylewav_pl.runs.plan import Cohort
from stylewav_pl.types import Clip, ClipBatch, Skip

FEW_CLIPS = 4
THREADS = 4  # instead of one decoding process, where most of the time is spent waiting for a store


class CohortLoader:
    """Iterates over cohorts while workers decode the clips of the next one.

    Args:
        cohorts: In the order of iteration.
        clips: Every listed clip by id.
        reader: The voices of all cohorts, one after the other.
        num_workers: Decoding processes; a handful of clips is decoded without them.
    """

    def __init__(
        self, cohorts: Sequence[Cohort], clips: dict[str, Clip], reader: ClipReader, num_workers: int
    ) -> None:
        self.cohorts = cohorts
        self.clips = clips
        self.reader = reader
        self.num_workers = num_workers if len(reader) > FEW_CLIPS else 0

    def __len__(self) -> int:
        return len(self.cohorts)

    def __iter__(self) -> Iterator[ClipBatch]:
        sounds = raised(self._decoded()) if len(self.reader) else iter(())
        for cohort in self.cohorts:
            heard = shared_sounds(cohort.ids, self.clips, sounds)
            yield assemble(cohort, self.clips, heard, self.reader.averaged)

    def _decoded(self, places: Iterable[int] | None = None) -> Iterable[Item]:
        """Clip by clip and in order, one cohort ahead, so that all workers share the first cohort.

        Args:
            places: Which clips of the reader; all by default.
        """
        largest = max(len(cohort.ids) for cohort in self.cohorts)
        if self.num_workers and self.reader.uses_network:
            asked = range(len(self.reader)) if places is None else places
            return in_threads(
                ErrorsAsItems(self.reader).__getitem__, asked, THREADS * self.num_workers, largest
            )
        ahead = max(2, -(-largest // self.num_workers)) if self.num_workers else None
        # A generator of its own: the loader draws a seed, and drawing it from the global one would move
        # everybody's chance.
        return DataLoader(
            ErrorsAsItems(self.reader),
            batch_size=None,
            sampler=places,
            num_workers=self.num_workers,
            prefetch_factor=ahead,
            collate_fn=_unchanged,
            generator=torch.Generator(),
        )


def _unchanged(item: Any) -> Any:
    return item


def assemble(
    cohort: Cohort, clips: dict[str, Clip], sounds: Sequence[Sound | Skip], averaged: int | None = None
) -> ClipBatch:
    """One batch: a slot for each id in plan order, empty for skipped clips and beyond the last.

    Args:
        cohort: From the plan.
        clips: Listed clips by id.
        sounds: What became of each id of the cohort.
        averaged: See :meth:`Window.averaged`.
    """
    slots = [
        None if isinstance(sound, Skip) else clips[id] for id, sound in zip(cohort.ids, sounds, strict=True)
    ]
    slots += [None] * (cohort.size - len(slots))
    heard = [sound for sound in sounds if not isinstance(sound, Skip)]
    return ClipBatch(
        cohort.index,
        tuple(slots),
        tuple(torch.from_numpy(sound.waveform) for sound in heard),
        tuple(sound for sound in sounds if isinstance(sound, Skip)),
        averaged,
        tuple(sound.recording for sound in heard if sound.recording),
    )
