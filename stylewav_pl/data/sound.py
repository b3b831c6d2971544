"""What decoding a clip gives: a waveform, or the skip that the clip becomes.

With it comes the state of the file that it was.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset

from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.window import Window
from stylewav_pl.errors import StyleWavError
from stylewav_pl.types import AudioError, Clip, Recording, Skip, SkipReason


class Sound(NamedTuple):
    """What was decoded, and the file that it came from, if it was one."""

    waveform: np.ndarray
    recording: Recording | None


def recording_of(path: Path | None) -> Recording | None:
    """Size and time of a clip's file; None where there is no such file, which reading it will tell."""
    if path is None:
        return None
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a name with NUL
        return None
    return Recording(str(path), found.st_size, found.st_mtime_ns)


class ClipReader(Dataset["Sound | Skip"]):
    """Clips by position: a waveform, or the skip that it becomes. Runs in worker processes.

    Waveforms are numpy arrays here: tensors would each hold a file descriptor on their way between processes.
    """

    def __init__(
        self, ids: Sequence[str], clips: dict[str, tuple[ClipSource, Clip]], sample_rate: int, window: Window
    ) -> None:
        self.ids = ids
        self.clips = clips
        self.sample_rate = sample_rate
        self.window = window

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def averaged(self) -> int | None:
        """See :meth:`Window.averaged`."""
        return self.window.averaged(self.sample_rate)

    @property
    def uses_network(self) -> bool:
        """See :attr:`ClipSource.uses_network`."""
        sources = {id(source): source for source, _ in self.clips.values()}
        return any(source.uses_network for source in sources.values())

    def __getitem__(self, position: int) -> Sound | Skip:
        id = self.ids[position]
        if id not in self.clips:
            return Skip(
                id,
                "",
                SkipReason.MISSING,
                "The clip is in the plan of this run, but no data source lists it any more.",
            )
        source, clip = self.clips[id]
        try:
            # before it is read: whatever changes later is a change
            recording = recording_of(source.file_of(clip))
            return Sound(source.read(clip, self.sample_rate, self.window).numpy(), recording)
        except AudioError as error:
            return Skip(clip.id, clip.path, error.reason, error.detail)


Item = Sound | Skip | StyleWavError


class ErrorsAsItems(Dataset[Item]):
    """A reader that gives an error for people instead of raising it, for loaders with worker processes.

    torch would put the traceback of the worker into the error's text.
    """

    def __init__(self, reader: ClipReader) -> None:
        self.reader = reader

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, position: int) -> Item:
        try:
            return self.reader[position]
        except StyleWavError as error:
            return error


def raised(items: Iterable[Item]) -> Iterator[Sound | Skip]:
    """Yields items up to the first error, and raises that.

    Raises:
        StyleWavError: One of the items is one.
    """
    for item in items:
        if isinstance(item, StyleWavError):
            raise item
        yield item
