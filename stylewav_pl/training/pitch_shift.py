"""Another pitch with the same vocal tract.

What a man sounds like who speaks high, and a woman who speaks low.

An encoder that only ever hears low men and high women judges by pitch alone. Moving the pitch and keeping the
formants, which the vocal tract decides, takes that shortcut away.
"""

import librosa
import numpy as np
from jaxtyping import Float

SAMPLE_RATE = 16_000
FFT_SIZE, HOP = 1024, 256
ENVELOPE_MILLISECONDS = 1.6  # of the cepstrum: slower changes over frequency than any pitch makes
LARGEST_GAIN = 30.0  # dB
Wave = Float[np.ndarray, " _"]


def shift_pitch(wave: Wave, semitones: float) -> Wave:
    """Moves the pitch by a phase vocoder, then gives each frame the spectral envelope that it had before.

    Args:
        wave: Mono, 16 kHz.
        semitones: Upwards; negative is downwards.

    Returns:
        As long as ``wave``, with its power.
    """
    moved = librosa.effects.pitch_shift(wave, sr=SAMPLE_RATE, n_steps=semitones, n_fft=FFT_SIZE)
    before, after = (librosa.stft(y, n_fft=FFT_SIZE, hop_length=HOP) for y in (wave, moved))
    limit = LARGEST_GAIN / 20 * np.log(10)
    gain = np.exp((log_envelope(before) - log_envelope(after)).clip(-limit, limit))
    shaped = librosa.istft(after * gain, hop_length=HOP, n_fft=FFT_SIZE, length=len(wave))
    scale = np.sqrt(np.mean(wave**2) / (np.mean(shaped**2) + 1e-12))
    return np.asarray((scale * shaped).clip(-1, 1), dtype=np.float32)


def log_envelope(spectrum: Float[np.ndarray, "frequency frame"] | np.ndarray) -> np.ndarray:
    """The smooth part of each frame's log magnitude, by its first cepstral coefficients."""
    magnitude = np.abs(spectrum)
    floor = 1e-4 * magnitude.max(initial=1e-9)
    cepstrum = np.fft.irfft(np.log(magnitude + floor), axis=0)
    kept = round(ENVELOPE_MILLISECONDS / 1000 * SAMPLE_RATE)
    cepstrum[kept : len(cepstrum) - kept + 1] = 0
    return np.asarray(np.fft.rfft(cepstrum, axis=0).real)
