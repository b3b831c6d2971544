"""What an audio network is given of a recording: its speech alone, at one level, in windows of one length.

How long a recording is, how much of it is silence and how loud it is say nothing about the speaker, but a
network that averages over time hears all three. Each waveform is prepared by itself, so a clip's result does
not depend on its company.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.errors import WeightsError, one_line

Waveforms = Float[Tensor, "clip time"] | Sequence[Float[Tensor, " _"]]
SAMPLE_RATE = 16_000
BLOCK = 160  # samples whose energy is measured together: 10 ms
SMOOTHING = 5  # blocks averaged, so that a click is no loudest moment
MARGIN = 6  # blocks kept on both sides of speech, where soft consonants are
QUIETEST = 1e-5  # no gain for what is below -100 dBFS: that is silence


@dataclass(frozen=True)
class FrontEnd:
    """How waveforms are prepared; part of a network's configuration.

    Attributes:
        pause_decibels: What is quieter than the loudest moment by more is a pause and is cut out.
        seconds: Length of the windows; shorter speech is repeated up to it.
        level: Root mean square of the speech in dBFS; ``None`` leaves it.
    """

    pause_decibels: float = 35.0
    seconds: float = 3.0
    level: float | None = None

    @property
    def config(self) -> dict[str, float | None]:
        """Returns what a weight file's configuration says of it."""
        return asdict(self)

    def windows(self, waveform: Float[Tensor, " time"]) -> Float[Tensor, "window time2"]:
        """The windows of one waveform, of one length for all waveforms."""
        speech = without_pauses(waveform, self.pause_decibels)
        if self.level is not None:
            speech = at_level(speech, self.level)
        return windows_of(speech, round(self.seconds * SAMPLE_RATE))


def read_front_end(config: Mapping[str, Any]) -> FrontEnd:
    """Builds the front end of a weight file's configuration.

    Raises:
        WeightsError: Its numbers cannot be.
    """
    try:
        front_end = FrontEnd(**config)
        if not (0 < front_end.pause_decibels <= 200 and 0.1 <= front_end.seconds <= 60):
            raise ValueError("numbers out of range")
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"These audio weights have a front end that cannot be built ({one_line(error)}): {dict(config)}. "
            "Fetch them again."
        ) from error
    return front_end


def without_pauses(waveform: Float[Tensor, " time"], decibels: float = 35.0) -> Float[Tensor, " time2"]:
    """Cuts out what is quieter than the loudest 50 ms by more than ``decibels``.

    What lies within 60 ms of louder sound stays.

    >>> tone = torch.sin(torch.arange(16_000) * 0.3)
    >>> len(without_pauses(torch.cat([torch.zeros(16_000), tone, torch.zeros(16_000)]))) / 16_000
    1.12
    """
    blocks = len(waveform) // BLOCK
    if blocks <= SMOOTHING:
        return waveform
    energy = waveform[: blocks * BLOCK].double().square().view(blocks, BLOCK).mean(dim=1)
    smooth = F.avg_pool1d(energy[None], SMOOTHING, 1, SMOOTHING // 2, count_include_pad=False)[0]
    loud = (smooth > smooth.max() * 10 ** (-decibels / 10)).double()
    kept = F.max_pool1d(loud[None], 2 * (MARGIN - SMOOTHING // 2) + 1, 1, MARGIN - SMOOTHING // 2)[0] > 0
    rest = kept[-1:].expand(len(waveform) - blocks * BLOCK)
    mask = torch.cat([kept.repeat_interleave(BLOCK), rest])
    return waveform[mask] if mask.any() else waveform


def at_level(waveform: Float[Tensor, " time"], dbfs: float) -> Float[Tensor, " time"]:
    """Scales to a root mean square of ``dbfs`` decibels below full scale.

    >>> round(float(at_level(torch.tensor([0.5, -0.5]), -20.0)[0]), 3)
    0.1
    """
    level = waveform.square().mean().sqrt().clamp(min=QUIETEST)
    return waveform * (10 ** (dbfs / 20) / level)


def windows_of(waveform: Float[Tensor, " time"], length: int) -> Float[Tensor, "window length"]:
    """As few windows as cover a waveform, evenly spread; one that is shorter than a window is repeated.

    >>> windows_of(torch.arange(5.0), 4).tolist()
    [[0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]]
    >>> windows_of(torch.arange(3.0), 4).tolist()
    [[0.0, 1.0, 2.0, 0.0]]
    """
    time = len(waveform)
    if time <= length:
        return waveform.repeat(math.ceil(length / time))[None, :length]
    count = math.ceil(time / length)
    starts = [round(index * (time - length) / (count - 1)) for index in range(count)]
    return torch.stack([waveform[start : start + length] for start in starts])
