"""Which part of a longer recording is used."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.errors import ConfigError

Place = Literal["center", "first", "loudest", "mean-of-windows"]
PLACES = get_args(Place)
BLOCKS_PER_SECOND = 10
AVERAGED_SECONDS = 300.0  # enough to know a voice, and hundreds of clips still fit in memory
SILENCE_PEAK = 1e-3  # -60 dBFS
HIGH_PASS = 40.0  # in Hz; voices begin at about 60, hum of the mains at 50
LOWEST_HIGH_PASS, HIGHEST_HIGH_PASS = 1, 60


@dataclass(frozen=True, slots=True)
class Window:
    """The excerpt of each recording, and how it is cleaned; shorter recordings are used as they are.

    Attributes:
        seconds: Longest length that is embedded at once.
        place: ``center``, ``first`` (from the start), ``loudest`` (most energy, to 0.1 s), or
            ``mean-of-windows``: the central five minutes, to be embedded window by window
                (:func:`windows_of`) and averaged.
        min_seconds: Recordings below this length are refused.
        high_pass: In Hz: what lies below is removed (an offset, rumble); ``None`` removes nothing.

    Raises:
        ConfigError: The values contradict each other.
    """

    seconds: float = 5.0
    place: str = "center"
    min_seconds: float = 0.5
    high_pass: float | None = None

    def __post_init__(self) -> None:
        if self.place not in PLACES:
            raise ConfigError(f"Unknown window {self.place!r}: expected one of {', '.join(PLACES)}.")
        if not 0.1 <= self.min_seconds <= self.seconds <= 3600:
            raise ConfigError(
                f"Expected 0.1 <= min_seconds <= seconds <= 3600, found min_seconds {self.min_seconds} and "
                f"seconds {self.seconds}."
            )
        if self.high_pass is not None and not LOWEST_HIGH_PASS <= self.high_pass <= HIGHEST_HIGH_PASS:
            raise ConfigError(
                f"Expected high_pass of {LOWEST_HIGH_PASS} to {HIGHEST_HIGH_PASS} Hz, below any voice, or "
                f"null; found {self.high_pass}."
            )

    def length(self, rate: int) -> int:
        """Longest excerpt in samples at ``rate`` Hz."""
        return round(
            (max(self.seconds, AVERAGED_SECONDS) if self.place == "mean-of-windows" else self.seconds) * rate
        )

    def averaged(self, rate: int) -> int | None:
        """Samples of each of the windows that are averaged; ``None`` where the excerpt is embedded as one.

        >>> Window(place="center").averaged(16_000), Window(place="mean-of-windows").averaged(16_000)
        (None, 80000)
        """
        return round(self.seconds * rate) if self.place == "mean-of-windows" else None

    def span(self, frames: int, rate: int) -> tuple[int, int]:
        """First sample and number of samples of the excerpt, for every place but ``loudest``.

        >>> Window(seconds=2.0).span(frames=50, rate=10)
        (15, 20)
        """
        count = min(frames, self.length(rate))
        return (0 if self.place == "first" else (frames - count) // 2), count

    def loudest_span(self, energies: Float[np.ndarray, " block"], frames: int, rate: int) -> tuple[int, int]:
        """The span with most energy; the earliest of equals.

        Args:
            energies: Sum of squares of each block of :func:`block_length` samples; the last block may be
                short.
            frames: Number of samples.
            rate: In Hz.

        >>> window, loud = Window(seconds=0.5, min_seconds=0.1), np.array([0.0, 0, 1, 1, 1, 1, 1, 0])
        >>> window.loudest_span(loud, frames=80, rate=100)
        (20, 50)
        """
        count = min(frames, self.length(rate))
        block = block_length(rate)
        starts = np.arange(0, frames - count + block, block).clip(max=frames - count)
        until = np.concatenate([[0.0], np.cumsum(energies)])
        edges = np.minimum(np.arange(len(until)) * block, frames)
        sums = np.interp(starts + count, edges, until) - np.interp(starts, edges, until)
        # Rounding of the running sum must not decide between equals.
        return int(starts[np.argmax(sums >= sums.max() - 1e-9 * until[-1])]), count


def windows_of(waveform: Float[Tensor, " time"], length: int) -> list[Float[Tensor, " _"]]:
    """The fewest windows of one length that cover a recording, silent ones left out.

    A shorter recording is its own window.

    Windows are spread evenly: neighbours overlap a little, and no short rest remains that would have to be
    padded.

    Args:
        waveform: At least one sample.
        length: Of a window, in samples.

    >>> [window.tolist() for window in windows_of(Tensor([0, 1, 2, 3, 4]), 2)]
    [[0.0, 1.0], [1.0, 2.0], [3.0, 4.0]]
    """
    last = len(waveform) - length
    if last <= 0:
        return [waveform]
    gaps = -(-len(waveform) // length) - 1
    windows = [
        waveform[start : start + length] for start in (last * index // gaps for index in range(gaps + 1))
    ]
    # What the networks make of silence is arbitrary: it must not weigh as much as a voice.
    return [window for window in windows if (window - window.mean()).abs().max() >= SILENCE_PEAK] or windows


def block_length(rate: int) -> int:
    """Samples of one energy block (0.1 s)."""
    return max(1, rate // BLOCKS_PER_SECOND)
