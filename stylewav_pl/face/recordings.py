"""What was given to be heard: files by path, sounds in memory as numbers with their rate."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data import ClipSource, Files
from stylewav_pl.data.audio import finish
from stylewav_pl.data.decoder import InMemory
from stylewav_pl.data.folder import free_name
from stylewav_pl.data.sound import ClipReader, Sound
from stylewav_pl.data.window import Window
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import AudioError, Clip, SkipReason, as_path

Samples: TypeAlias = np.ndarray | Tensor
Recording: TypeAlias = str | Path | Samples | tuple[Samples, int] | tuple[int, Samples]
NAME = "recording"
MOST_CHANNELS = 32  # the shorter axis of sound with several


class Arrays(ClipSource):
    """Sounds in memory.

    Args:
        sounds: By id: samples in [-1, 1] (whole numbers: of their type's range), ``[time]``, or with channels
            as the shorter axis; and the rate in Hz.
    """

    def __init__(self, sounds: Mapping[str, tuple[Samples, int]]) -> None:
        self.sounds = {id: (_in_range(samples), rate) for id, (samples, rate) in sounds.items()}

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`."""
        return [Clip(id, "") for id in self.sounds]

    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """See :meth:`ClipSource.read`."""
        samples, rate = self.sounds[clip.id]
        return finish(SeveralChannels(samples, rate).excerpt(window), rate, sample_rate, window)


class SeveralChannels(InMemory):
    """A recording in memory, ``[time, channel]``."""

    def __init__(self, samples: np.ndarray, rate: int) -> None:
        super().__init__(samples[:, 0], rate)
        self.samples, self.channels = samples, samples.shape[1]


def _in_range(samples: Samples) -> Float[np.ndarray, "time channel"]:
    """Returns sound in [-1, 1], channels last.

    Raises:
        ConfigError: The array is no sound.
    """
    array = samples.detach().cpu().numpy() if isinstance(samples, Tensor) else np.asarray(samples)
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
        raise ConfigError(
            f"Expected sound as numbers [time] or [time, channel], found {array.dtype} {list(array.shape)}."
        )
    if array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype)
        half = (float(limits.max) - limits.min + 1) / 2
        array = (array - (limits.min + half)) / half
    columns = array[:, None] if array.ndim == 1 else array
    columns = columns.T if columns.shape[0] < columns.shape[1] else columns
    if columns.shape[1] > MOST_CHANNELS:
        raise ConfigError(f"Expected at most {MOST_CHANNELS} channels, found an array {list(array.shape)}.")
    return np.ascontiguousarray(columns, dtype=np.float32)


def listed(
    recordings: Sequence[Recording], sample_rate: int | None
) -> tuple[list[str], dict[str, tuple[ClipSource, Clip]]]:
    """Names recordings as the command names files.

    Args:
        recordings: In order.
        sample_rate: In Hz, of arrays that come without a rate of their own.

    Returns:
        The id of each recording (a file that is named twice has one), and source and clip of each id.

    Raises:
        ConfigError: One is nothing that can be heard, or lacks its rate.
    """
    paths = [Path(one) for one in recordings if isinstance(one, str | Path)]
    files = Files(paths)
    known: dict[str, tuple[ClipSource, Clip]] = {clip.id: (files, clip) for clip in files.list_clips()}
    by_path = {os.path.abspath(as_path(clip.path)): id for id, (_, clip) in known.items()}
    named = iter([by_path[os.path.abspath(path)] for path in files.paths])
    ids: list[str] = []
    sounds: dict[str, tuple[Samples, int]] = {}
    for one in recordings:
        if isinstance(one, str | Path):
            ids.append(next(named))
        else:
            ids.append(free_name(NAME, {*known, *sounds}))
            sounds[ids[-1]] = with_rate(one, sample_rate)
    arrays = Arrays(sounds)
    return ids, {**known, **{clip.id: (arrays, clip) for clip in arrays.list_clips()}}


def is_with_rate(one: tuple[object, ...]) -> bool:
    """Whether a tuple is one sound, ``(array, rate)`` or ``(rate, array)``, and no list of recordings."""
    return len(one) == 2 and any(isinstance(part, int | np.integer) for part in one)


def with_rate(one: object, sample_rate: int | None) -> tuple[Samples, int]:
    """Returns samples and rate of a sound in memory.

    Raises:
        ConfigError: It is no array, or its rate is not told.
    """
    samples: object
    rate: object
    samples, rate = one, sample_rate
    if isinstance(one, tuple) and is_with_rate(one):
        samples, rate = one
        if isinstance(samples, int | np.integer):  # as gradio and scipy have it
            samples, rate = rate, samples
    if not isinstance(samples, np.ndarray | Tensor):
        raise ConfigError(
            f"Expected a path, or an array with its sample rate, found {type(one).__name__}. Pass "
            "(array, sample_rate)."
        )
    if not isinstance(rate, int | np.integer) or rate < 1:
        raise ConfigError(
            f"Expected the sample rate of an array in Hz, found {rate!r}. Pass (array, sample_rate), or "
            "sample_rate=16000."
        )
    return samples, int(rate)


def read_all(
    ids: Sequence[str], clips: dict[str, tuple[ClipSource, Clip]], sample_rate: int, window: Window
) -> dict[str, Sound]:
    """Decodes each clip once.

    Raises:
        AudioError: Some cannot be used; the message names all of them.
    """
    names = list(dict.fromkeys(ids))
    reader = ClipReader(names, clips, sample_rate, window)
    sounds: dict[str, Sound] = {}
    skips = []
    for position, name in enumerate(names):
        found = reader[position]
        if isinstance(found, Sound):
            sounds[name] = found
        else:
            skips.append(found)
    if skips:
        detail = "; ".join(f"{skip.path or skip.id}: {skip.detail}" for skip in skips)
        raise AudioError(SkipReason(skips[0].reason), detail)
    return sounds
