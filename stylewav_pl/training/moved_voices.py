"""The same sentence from another mouth: recordings with another vocal tract and another pitch.

Nobody knows the sex and age of a voice that was moved far; the strong ear, which has heard thousands of
people, says what it sounds like. So an encoder hears the whole range between children, women and men instead
of those few who were recorded, and neither pitch nor timbre alone is a shortcut. The strong ear itself learns
from voices that were moved so little that they keep sex and age.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from stylewav_pl.embedders.base import AudioEmbedder
from stylewav_pl.training.pitch_shift import SAMPLE_RATE, shift_pitch
from stylewav_pl.training.recording_conditions import middle
from stylewav_pl.training.recordings import Recording

HEARD_SECONDS = 5.0
AT_ONCE = 16
Wave = Float[np.ndarray, " _"]


class Reach(NamedTuple):
    """How far voices are moved.

    Attributes:
        tract: Of the logarithm of all formants, to both sides.
        down: Semitones, beside what another tract does to the pitch.
        up: The same upwards.
    """

    tract: float
    down: float
    up: float


ANYBODY = Reach(0.14, 8.0, 8.0)  # formants by 15 %: no longer the same sex and age
THE_SAME = Reach(0.05, 3.0, 6.0)  # another person of this sex and age, or the same in another mood


def move_voice(wave: Wave, tract: float, semitones: float) -> Wave:
    """Plays faster, which moves formants and pitch alike, and then moves the pitch alone.

    Args:
        wave: Mono, 16 kHz.
        tract: Factor of all formants; above 1 is a smaller head.
        semitones: Of the pitch, beside that factor.

    Returns:
        ``1 / tract`` times as long.
    """
    return shift_pitch(soxr.resample(wave, SAMPLE_RATE, SAMPLE_RATE / tract), semitones)


def moved_at_random(
    recordings: Sequence[Recording], copy: int, seed: int, cache: Path, reach: Reach = ANYBODY
) -> list[np.ndarray]:
    """Makes one copy of each recording, or reads it.

    Args:
        recordings: Of training people only.
        copy: Number of the copy.
        seed: Decides, with the number of recording and copy, how each is moved.
        cache: Folder that keeps the copies, each by what was moved and how.
        reach: How far.

    Returns:
        int16, mono, 16 kHz.
    """
    cache.mkdir(parents=True, exist_ok=True)
    moved = []
    for number, recording in enumerate(tqdm(recordings, desc=f"moved voices {copy}", disable=None)):
        random = np.random.default_rng([seed, copy, number])
        tract = np.exp(random.uniform(-reach.tract, reach.tract))
        semitones = random.uniform(-reach.down, reach.up)
        told = sha256(recording.waveform.tobytes() + np.array([tract, semitones]).tobytes())
        file = cache / f"{told.hexdigest()[:32]}.npy"
        if not file.is_file():
            beside = file.with_suffix(".new.npy")
            np.save(beside, as_int16(move_voice(recording.waveform, tract, semitones)))
            beside.replace(file)
        moved.append(np.load(file))
    return moved


def heard_by(listener: AudioEmbedder, waves: Sequence[np.ndarray]) -> Float[Tensor, "voice embed"]:
    """Unit vectors of the middle five seconds of int16 voices."""
    rows = []
    for start in range(0, len(waves), AT_ONCE):
        few = [wave.astype(np.float32) / 32768 for wave in waves[start : start + AT_ONCE]]
        heard = [torch.from_numpy(middle(wave, HEARD_SECONDS)) for wave in few]
        rows.append(listener.embed_audio(heard))
    return torch.cat(rows)


def as_int16(wave: Wave) -> np.ndarray:
    """Samples in [-1, 1] as files have them."""
    return np.asarray(np.round(wave * 32767), dtype=np.int16)
