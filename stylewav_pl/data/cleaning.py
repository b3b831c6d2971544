"""From what a microphone recorded to the voice alone: one channel, nothing below the voice.

The same signal is judged (silence, the loudest part) and embedded.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import signal

from stylewav_pl.data.window import block_length

Samples = Float[np.ndarray, " _"]
Block = Float[np.ndarray, "_ channel"]

# Applied forwards and backwards: at 40 Hz, 25 Hz falls by 65 dB and 60 Hz by 0.01 dB.
ORDER = 8
# What is read around an excerpt for the filter to settle, and how far a recording is continued at its own
# ends.
EDGE_SECONDS = 0.5
# Of the energy that the mean of channels without any likeness has; what falls below cancels.
CANCELLING = 0.1


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a recording, with what lies around it.

    Attributes:
        block: The part and its surroundings, all channels.
        lead: Samples before the part.
        count: Samples of the part.
    """

    block: Block
    lead: int
    count: int

    @property
    def inner(self) -> Block:
        """The part alone."""
        return self.block[self.lead : self.lead + self.count]

    def to_mono(self, rate: int, high_pass: float | None) -> Samples:
        """The part alone, see :func:`to_mono`; what lies around it may hold any values."""
        mono = to_mono(np.nan_to_num(self.block, posinf=0.0, neginf=0.0), rate, high_pass)
        return mono[self.lead : self.lead + self.count]


def around(span: tuple[int, int], rate: int, high_pass: float | None) -> tuple[int, int]:
    """Returns first sample and number of samples of a span and its surroundings.

    The surroundings are needed to filter it.

    >>> around((10_000, 500), 1000, 40.0), around((100, 500), 1000, 40.0), around((100, 500), 1000, None)
    ((9500, 1500), (0, 1100), (100, 500))
    """
    start, count = span
    edge = 0 if high_pass is None else round(EDGE_SECONDS * rate)
    first = max(0, start - edge)
    return first, start + count + edge - first


def to_mono(block: Block, rate: int, high_pass: float | None) -> Samples:
    """Returns the mean of the channels above a frequency; where it cancels, the channel with most energy.

    Args:
        block: Finite values.
        rate: In Hz.
        high_pass: In Hz; ``None`` leaves everything as it is.

    >>> wave = np.array([0.5, -0.5, 0.25, -0.25])
    >>> to_mono(np.stack([wave, -wave], axis=1), 8000, None).tolist()
    [0.5, -0.5, 0.25, -0.25]
    """
    cleaned = block if high_pass is None else remove_below(block, rate, high_pass)
    mean: Samples = cleaned.mean(axis=1, dtype=np.float64)
    channels = block.shape[1]
    if channels == 1 or len(block) == 0:
        return mean
    energies = cleaned.var(axis=0, dtype=np.float64)
    if mean.var() < CANCELLING * energies.sum() / channels**2:
        mean = cleaned[:, energies.argmax()].astype(np.float64)
    return mean


def remove_below(block: Block, rate: int, frequency: float) -> Block:
    """Removes what lies below a frequency without moving the rest in time.

    Such as an offset, rumble, steps on the floor.

    A Butterworth filter, forwards and backwards (:func:`scipy.signal.sosfiltfilt`), so its phase is zero.

    Args:
        block: Finite values.
        rate: In Hz.
        frequency: In Hz.

    >>> bool(np.abs(remove_below(np.full((8000, 1), 0.7), 8000, 40.0)).max() < 1e-9)
    True
    """
    if len(block) < 2:
        return np.zeros_like(block)
    edge = min(round(EDGE_SECONDS * rate), len(block) - 1)
    filtered: Block = signal.sosfiltfilt(
        _sections(rate, frequency), block.astype(np.float64), axis=0, padlen=edge
    )
    return filtered


@lru_cache(maxsize=64)  # recordings have few rates, and to design a filter takes as long as to apply it
def _sections(rate: int, frequency: float) -> Float[np.ndarray, "section 6"]:
    sections: Float[np.ndarray, "section 6"] = signal.butter(
        ORDER, frequency, "highpass", fs=rate, output="sos"
    )
    return sections


class Loudness:
    """The energy of each tenth of a second of a recording that comes block by block.

    Channels count apart: their mean may cancel.
    """

    def __init__(self, rate: int, high_pass: float | None) -> None:
        self.length = block_length(rate)
        self.sections = None if high_pass is None else _sections(rate, high_pass)
        self.state: np.ndarray | None = None
        self.sums: list[Samples] = []

    def add(self, block: Block) -> None:
        """Counts a block of whole tenths of a second; only the last may be of any length."""
        values = np.nan_to_num(block.astype(np.float64), posinf=0.0, neginf=0.0)
        if self.sections is not None:
            # Forwards only, since the end is not there yet: energy has no phase.
            if self.state is None:
                self.state = signal.sosfilt_zi(self.sections)[:, :, None] * values[0]
            values, self.state = signal.sosfilt(self.sections, values, axis=0, zi=self.state)
        squares = np.square(values).mean(axis=1)
        self.sums.append(np.add.reduceat(squares, np.arange(0, len(squares), self.length)))

    @property
    def energies(self) -> Samples:
        """Sum of squares of each tenth of a second, in order."""
        return np.concatenate([np.zeros(0), *self.sums])
