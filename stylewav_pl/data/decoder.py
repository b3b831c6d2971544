"""What the decoders have in common: sound from its beginning, block by block, and one excerpt of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from stylewav_pl.data.cleaning import Block, Excerpt, Loudness, Samples, around
from stylewav_pl.data.window import Window, block_length
from stylewav_pl.types import AudioError, SkipReason

AT_ONCE = 1 << 20  # values of one block, so that hours of sound need no memory
KEPT = 1 << 24  # values of a recording that is kept until its length is known; longer ones are decoded twice
LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000
MAX_CHANNELS = 64
# A codec that knows its length may still miscount by a few of its packets.
COMPLETE, PACKETS_SECONDS = 0.98, 0.1


class Decoder(ABC):
    """A file that one decoder has opened.

    Attributes:
        rate: In Hz.
        channels: How many.
        promised: Samples per channel that the header states; ``None`` where it does not know.
    """

    rate: int
    channels: int
    promised: int | None

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """Yields the sound from its beginning, float32.

        Every block but the last holds whole tenths of a second.

        Raises:
            AudioError: The sound cannot be decoded to its end.
        """

    def excerpt(self, window: Window) -> Excerpt:
        """Returns the part that is used, float32.

        Raises:
            AudioError: The file is damaged or cut off.
        """
        if window.place == "first":
            wanted = window.length(self.rate)
            _, count = around((0, wanted), self.rate, window.high_pass)
            block = self.span(0, count)
            return Excerpt(block, 0, min(wanted, len(block)))
        kept: list[Block] = []
        loudness = Loudness(self.rate, window.high_pass) if window.place == "loudest" else None
        found = 0
        for block in self.blocks():
            found += len(block)
            kept = [*kept, block] if found * self.channels <= KEPT else []
            if loudness is not None:
                loudness.add(block)
        length = self.length(found)
        start, count = window.span(length, self.rate)
        if loudness is not None:
            start, count = window.loudest_span(loudness.energies, length, self.rate)
        first, wide = around((start, count), self.rate, window.high_pass)
        block = self._joined(kept)[first : min(first + wide, length)] if kept else self.span(first, wide)
        return Excerpt(block, start - first, count)

    def span(self, start: int, count: int) -> Block:
        """Returns so many samples from ``start`` on, or those that there are.

        Raises:
            AudioError: The file is damaged or cut off.
        """
        parts: list[Block] = []
        position = 0
        for block in self.blocks():
            parts.append(block[max(0, start - position) : max(0, start + count - position)])
            position += len(block)
            if position >= start + count:
                break
        else:
            count = max(0, self.length(position) - start)
        return self._joined(parts)[:count]

    def seconds(self) -> float:
        """Counts how long the sound is, by decoding it.

        Raises:
            AudioError: The file is damaged or cut off.
        """
        return self.length(sum(len(block) for block in self.blocks())) / self.rate

    def length(self, found: int) -> int:
        """Returns the number of samples of a recording in which ``found`` were decoded.

        Raises:
            AudioError: The header states more.
        """
        if self.promised is None:
            return found
        slack = round(PACKETS_SECONDS * self.rate)
        if found < COMPLETE * self.promised - slack:
            raise cut_off(found / self.rate, self.promised / self.rate)
        # What a decoder gives beyond the length, to fill the last packet, is no sound.
        return self.promised if found - slack <= self.promised <= found else found

    def check(self) -> None:
        """Refuses what is no sound for people.

        Raises:
            AudioError: Rate or channels are beyond all recorders.
        """
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE or not 1 <= self.channels <= MAX_CHANNELS:
            raise AudioError(
                SkipReason.UNREADABLE,
                f"Expected {LOWEST_RATE} to {HIGHEST_RATE} Hz and at most {MAX_CHANNELS} channels, found "
                f"{self.rate} Hz and {self.channels} channels.",
            )

    @property
    def at_once(self) -> int:
        """Samples per channel of one block."""
        length = block_length(self.rate)
        return length * max(1, AT_ONCE // (length * self.channels))

    def _joined(self, blocks: list[Block]) -> Block:
        return np.concatenate([np.zeros((0, self.channels), np.float32), *blocks])


class InMemory(Decoder):
    """A recording in memory.

    Args:
        samples: One channel.
        rate: In Hz.
    """

    def __init__(self, samples: Samples, rate: int) -> None:
        self.samples = samples[:, None]
        self.rate, self.channels, self.promised = rate, 1, len(samples)

    def blocks(self) -> Iterator[Block]:
        """See :meth:`Decoder.blocks`; a single one."""
        yield self.samples


def cut_off(found: float, promised: float) -> AudioError:
    """Returns the error for a file that ends too early, in seconds."""
    return AudioError(
        SkipReason.UNREADABLE,
        f"The file is cut off: it ends after {found:.2f} s, its header promises {promised:.2f} s. Copy or "
        "convert it again.",
    )
