"""Built-in voices: a first click for those without a microphone, and the other voice of a control."""

from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Int16

from stylewav_pl.pocket.voices import Speaker, held_out_children, held_out_speakers, speak

RATE = 16_000
SECONDS = 4.0
SPEAKERS = 10  # of each sex


def built_in(name: str) -> tuple[int, Int16[np.ndarray, " time"]]:
    """Returns rate and samples of a built-in voice."""
    speakers = {one.name: one for one in (*held_out_speakers(SPEAKERS), *held_out_children(1))}
    return RATE, _spoken(speakers[name])


def write_somebody_else(path: Path, seed: int) -> None:
    """Writes the voice of a speaker that is drawn by ``seed``."""
    speakers = held_out_speakers(SPEAKERS)
    speaker = speakers[int(np.random.default_rng(seed).integers(len(speakers)))]
    soundfile.write(path, _spoken(speaker), RATE)


def _spoken(speaker: Speaker) -> Int16[np.ndarray, " time"]:
    samples: Int16[np.ndarray, " time"] = (32767 * speak(speaker, 0, SECONDS, RATE)).astype(np.int16)
    return samples
