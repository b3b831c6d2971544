"""A speaker says something: source, vocal tract, friction, room noise."""

import numpy as np
from jaxtyping import Float
from scipy.signal import lfilter

from stylewav_pl.pocket.voices.prosody import FRAME_RATE, Tracks, plan_utterance
from stylewav_pl.pocket.voices.source import glottal_source
from stylewav_pl.pocket.voices.speaker import Speaker, seed_of
from stylewav_pl.pocket.voices.tract import HOP_SECONDS, filter_frames, friction_response, tract_response

Wave = Float[np.ndarray, " time"]


def speak(
    speaker: Speaker, utterance_seed: int, seconds: float | int = 5.25, sample_rate: int = 16000
) -> Float[np.ndarray, " time"]:
    """Synthesises speech-like babble; the same arguments give the same sound.

    Args:
        speaker: Who speaks.
        utterance_seed: Which utterance of this speaker.
        seconds: Length.
        sample_rate: In Hz, a multiple of 200.

    Returns:
        ``round(seconds * sample_rate)`` samples, mono, float32 in [-1, 1].

    Raises:
        ValueError: Length or rate cannot be synthesised.
    """
    if seconds < 0.1 or sample_rate < 8000 or sample_rate % FRAME_RATE:
        raise ValueError(
            f"Expected at least 0.1 s and a rate from 8000 Hz that is a multiple of {FRAME_RATE}, found "
            f"{seconds} s, {sample_rate} Hz."
        )
    random = np.random.default_rng(seed_of(speaker.seed, "utterance", utterance_seed))
    tracks = plan_utterance(speaker, random, seconds)
    wave = _mouth(speaker, tracks, random, sample_rate)
    length = round(seconds * sample_rate)
    return _record(wave[:length], random)


def _mouth(speaker: Speaker, tracks: Tracks, random: np.random.Generator, sample_rate: int) -> Wave:
    """Sound at the lips, with voiced parts at about unit level."""
    pulses, breath = glottal_source(speaker, tracks, random, sample_rate)
    step = round(HOP_SECONDS * FRAME_RATE)
    response = tract_response(
        tracks.formants[::step], tracks.nasal[::step], speaker.formant_scale, speaker.tilt, sample_rate
    )

    def envelope(track: Float[np.ndarray, " frame"]) -> Wave:
        return np.asarray(
            np.interp(np.arange(len(pulses)) * (FRAME_RATE / sample_rate), np.arange(len(track)), track)
        )

    breath = lfilter([1.0, -0.7], [1.0], breath) * envelope(
        tracks.voice * speaker.breath + 0.15 * tracks.aspiration
    )
    voiced = filter_frames(pulses * envelope(tracks.voice) + breath, response, sample_rate)
    hiss = random.standard_normal(len(pulses)) * envelope(tracks.friction)
    noise = filter_frames(hiss, friction_response(tracks.band[::step], sample_rate), sample_rate)
    loud = float(np.sqrt(np.mean(voiced**2))) + 1e-9
    return np.asarray(voiced / loud + 0.9 * noise)


def _record(wave: Wave, random: np.random.Generator) -> Float[np.ndarray, " time"]:
    """A microphone: level, faint pink-ish noise, no clipping."""
    noise = lfilter([1.0], [1.0, -0.9], random.standard_normal(len(wave))) * 10 ** random.uniform(-3.2, -2.3)
    wave = wave + noise
    wave = wave - wave.mean()
    level = 10 ** (random.uniform(-26, -17) / 20)
    wave = wave * (level / (np.sqrt(np.mean(wave**2)) + 1e-9))
    return np.asarray(wave * min(1.0, 0.98 / (np.abs(wave).max() + 1e-9)), dtype=np.float32)
