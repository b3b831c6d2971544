"""Several faces of one voice: a clip is listed once for each face, and decoded once for a cohort."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.sound import Sound
from stylewav_pl.data.window import Window
from stylewav_pl.runs.members import leaders, members_of
from stylewav_pl.types import Clip, Skip

Listed = Mapping[str, tuple[ClipSource, Clip]]


class Voice(ClipSource):
    """One clip of another source, whichever of its members is asked for."""

    def __init__(self, source: ClipSource, clip: Clip, count: int) -> None:
        self.source, self.clip, self.count = source, clip, count

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`."""
        return members_of(self.clip, self.count)

    @property
    def uses_network(self) -> bool:
        """See :attr:`ClipSource.uses_network`."""
        return self.source.uses_network

    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """See :meth:`ClipSource.read`."""
        return self.source.read(self.clip, sample_rate, window)

    def file_of(self, clip: Clip) -> Path | None:
        """See :meth:`ClipSource.file_of`."""
        return self.source.file_of(self.clip)


def with_members(listed: Listed, count: int) -> dict[str, tuple[ClipSource, Clip]]:
    """Returns what is listed with ``count`` members of each clip, side by side."""
    if count == 1:
        return dict(listed)
    voices = [Voice(source, clip, count) for source, clip in listed.values()]
    return {member.id: (voice, member) for voice in voices for member in voice.list_clips()}


def shared_sounds(
    ids: Sequence[str], clips: Mapping[str, Clip], sounds: Iterator[Sound | Skip]
) -> list[Sound | Skip]:
    """Returns the sound of each id of a cohort, or the skip that it becomes.

    Args:
        ids: Of the cohort.
        clips: Those that are listed.
        sounds: Gives the next ones: one for each voice of the cohort.
    """
    shared = leaders(ids, clips)
    heard = {leader: next(sounds) for leader in dict.fromkeys(shared.values())}
    return [_as_own(heard[leader], id, leader) for id, leader in shared.items()]


def _as_own(found: Sound | Skip, id: str, leader: str) -> Sound | Skip:
    """What a member says that its leader has heard; the recording is told once."""
    if id == leader:
        return found
    return replace(found, id=id) if isinstance(found, Skip) else Sound(found.waveform, None)
