"""A random sample of any other source, population by population."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.funnel import Funnel, Stage
from stylewav_pl.data.ignored import Ignored
from stylewav_pl.data.populations import Population, Populations
from stylewav_pl.data.window import Window
from stylewav_pl.types import Clip, Skip


class Sample(ClipSource):
    """Draws clips of another source by the values of one of its labels.

    Clips without the label, or with a value that no population accepts, are left out and counted.

    Args:
        source: Where the clips come from.
        trait: What the populations differ in; a label of the source.
        populations: Label to accepted values and count; see :class:`Population`.
        clips_per_speaker: Most clips of one speaker; a clip without a speaker's name stands for itself.
        seed: Another seed draws other clips.

    Raises:
        ConfigError: The settings contradict each other.
    """

    draws: ClassVar[bool] = True

    def __init__(
        self,
        source: ClipSource,
        trait: str,
        populations: dict[str, Population],
        clips_per_speaker: int = 1,
        seed: int = 0,
    ) -> None:
        self.source = source
        self.populations = Populations(trait, populations, clips_per_speaker, seed)
        self._listed: list[Clip] | None = None
        self._funnel: Funnel | None = None

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; the populations take turns. Drawn once and kept.

        Raises:
            ConfigError: The source is wrong, or a population is short of clips.
        """
        if self._listed is None:
            self._listed = self._draw()
        return self._listed

    @property
    def funnel(self) -> list[Stage]:
        """See :attr:`ClipSource.funnel`."""
        self.list_clips()
        return [*self.source.funnel, *(self._funnel.stages if self._funnel else [])]

    @property
    def skips(self) -> Sequence[Skip]:
        """See :attr:`ClipSource.skips`."""
        return self.source.skips

    @property
    def ignored(self) -> Sequence[Ignored]:
        """See :attr:`ClipSource.ignored`."""
        return self.source.ignored

    @property
    def uses_network(self) -> bool:
        """See :attr:`ClipSource.uses_network`."""
        return self.source.uses_network

    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """See :meth:`ClipSource.read`."""
        return self.source.read(clip, sample_rate, window)

    def file_of(self, clip: Clip) -> Path | None:
        """See :meth:`ClipSource.file_of`."""
        return self.source.file_of(clip)

    def _draw(self) -> list[Clip]:
        trait, accepted = self.populations.trait, self.populations.labels
        clips = list({clip.id: clip for clip in reversed(self.source.list_clips())}.values())[::-1]
        funnel = Funnel(f"{type(self.source).__name__} by {trait}")
        funnel.add("clips", {"": len(clips)})
        labels = [accepted.get(clip.labels.get(trait, "").strip().lower(), "") for clip in clips]
        chosen = [(clip, label) for clip, label in zip(clips, labels, strict=True) if label]
        funnel.add("left out: without an accepted value", {"": len(clips) - len(chosen)})
        funnel.add("labelled", {name: labels.count(name) for name in self.populations.counts})
        drawn = self.populations.draw(
            [c.id for c, _ in chosen], [c.speaker for c, _ in chosen], [label for _, label in chosen], funnel
        )
        self.populations.check(funnel)
        self._funnel = funnel
        return [
            replace(clip, labels={**clip.labels, trait: label})
            for clip, label in (chosen[position] for position in drawn)
        ]
