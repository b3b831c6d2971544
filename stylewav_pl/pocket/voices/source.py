"""The voice source: a train of glottal pulses with jitter, shimmer and breath."""

import numpy as np
from jaxtyping import Float
from scipy.signal import resample_poly

from stylewav_pl.pocket.voices.prosody import FRAME_RATE, Tracks
from stylewav_pl.pocket.voices.speaker import Speaker

Wave = Float[np.ndarray, " time"]
OVERSAMPLING = 2  # the pulse ends in a corner, which would alias at the output rate


def glottal_source(
    speaker: Speaker, tracks: Tracks, random: np.random.Generator, sample_rate: int
) -> tuple[Wave, Wave]:
    """Derivative of the glottal flow and breath noise, before the vocal tract.

    The pulse is the polynomial of Klatt & Klatt (1990): flow ``x^2 - x^3`` over the open part of a cycle, so
    its derivative is ``2x - 3x^2`` and drops from -1 to 0 at closure, which is where the voice gets its
    overtones.

    Returns:
        Pulses with amplitude about 1 and noise with amplitude about 1 that is stronger while the glottis is
        open.
    """
    rate = sample_rate * OVERSAMPLING
    position = np.arange(len(tracks.pitch) * rate // FRAME_RATE) * (FRAME_RATE / rate)
    frames = np.arange(len(tracks.pitch))
    cycles = np.cumsum(np.interp(position, frames, tracks.pitch)) / rate
    cycles += _jitter(speaker, cycles, np.interp(position, frames, tracks.creak), random)
    index = np.floor(cycles).astype(np.int64)
    index -= index.min()
    phase = cycles - np.floor(cycles)
    count = int(index.max()) + 1
    loudness = np.maximum(0.2, 1 + speaker.shimmer * random.standard_normal(count))[index]
    opening = np.clip(speaker.open_quotient + 0.015 * random.standard_normal(count), 0.35, 0.85)[index]
    x = phase / opening
    pulses = np.where(x < 1, 2 * x - 3 * x * x, 0.0) * loudness
    openness = np.where(x < 1, 6.75 * x * x * (1 - x), 0.0)
    noise = random.standard_normal(len(tracks.pitch) * sample_rate // FRAME_RATE)
    return resample_poly(pulses, 1, OVERSAMPLING), noise * (0.35 + openness[::OVERSAMPLING])


def _jitter(speaker: Speaker, cycles: Wave, creak: Wave, random: np.random.Generator) -> Wave:
    """Moves the cycle boundaries by a random walk that is pulled back to zero, linear between boundaries."""
    count = int(np.ceil(cycles[-1])) + 3
    steps = random.standard_normal(count)
    walk = np.empty(count)
    value = 0.0
    for i, step in enumerate(steps.tolist()):
        value = 0.9 * value + step
        walk[i] = value
    amount = speaker.jitter * (1 + 6 * creak)
    return np.asarray(np.interp(cycles, np.arange(count), walk) * amount)
