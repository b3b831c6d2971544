"""What happens to a voice between mouth and file.

Applied to waveforms: noise, other people, telephones, short excerpts.

One set of functions makes both the training's random conditions and the fixed ones that are reported on.
"""

from collections.abc import Callable, Sequence

import numpy as np
import soxr
from jaxtyping import Float
from scipy.signal import butter, sosfilt

SAMPLE_RATE = 16_000
TELEPHONE_RATE = 8_000
TELEPHONE_BAND = (300.0, 3400.0)  # Hz
MU = 255  # of G.711's logarithmic quantisation
BABBLERS = 5
SHORTEST, LONGEST = 0.8, 5.0  # seconds of a training excerpt
Wave = Float[np.ndarray, " _"]
Condition = Callable[[Wave, np.random.Generator], Wave]


def coloured_noise(samples: int, exponent: float, random: np.random.Generator) -> Wave:
    """Noise whose power falls with frequency to the power ``exponent``: 0 is white, 1 pink, 2 brown.

    Unit power.
    """
    spectrum = np.fft.rfft(random.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE).clip(min=20.0)
    noise = np.fft.irfft(spectrum * frequency ** (-exponent / 2), samples)
    return np.asarray(noise / (noise.std() + 1e-12))


def babble(samples: int, voices: Sequence[Wave], random: np.random.Generator) -> Wave:
    """Several people at once: stretches of ``voices`` at equal power, added; unit power."""
    mixed = np.zeros(samples)
    for index in random.choice(len(voices), min(BABBLERS, len(voices)), replace=False):
        voice = np.resize(np.roll(voices[index], int(random.integers(len(voices[index])))), samples)
        mixed += voice / (voice.std() + 1e-9)
    return np.asarray(mixed / (mixed.std() + 1e-9))


def mixed(wave: Wave, noise: Wave, decibels: float) -> Wave:
    """Adds unit-power noise so that the voice is ``decibels`` above it.

    Scaled down where that exceeds full scale.

    >>> loud, quiet = np.full(4, 0.1), np.array([1.0, -1, 1, -1])
    >>> mixed(loud, quiet, 20.0).astype(float).round(3).tolist()
    [0.11, 0.09, 0.11, 0.09]
    """
    level = np.sqrt(np.mean(wave**2)) * 10 ** (-decibels / 20)
    sum = wave + level * noise
    return np.asarray(sum / max(1.0, float(np.abs(sum).max())), dtype=np.float32)


def telephone(wave: Wave) -> Wave:
    """300 to 3400 Hz at 8 kHz, quantised to 8 bits by G.711's mu-law, brought back to 16 kHz."""
    filters = butter(4, TELEPHONE_BAND, "bandpass", fs=TELEPHONE_RATE, output="sos")
    narrow = sosfilt(filters, soxr.resample(wave, SAMPLE_RATE, TELEPHONE_RATE)).clip(-1, 1)
    pressed = np.sign(narrow) * np.log1p(MU * np.abs(narrow)) / np.log1p(MU)
    coarse = np.round(pressed * 127) / 127
    heard = np.sign(coarse) * np.expm1(np.abs(coarse) * np.log1p(MU)) / MU
    return np.asarray(soxr.resample(heard, TELEPHONE_RATE, SAMPLE_RATE), dtype=np.float32)


def middle(wave: Wave, seconds: float) -> Wave:
    """The central part."""
    length = min(len(wave), round(seconds * SAMPLE_RATE))
    start = (len(wave) - length) // 2
    return wave[start : start + length]


def random_excerpt(wave: Wave, random: np.random.Generator) -> Wave:
    """A random part of .8 to 5 s, short ones as often as long ones."""
    seconds = np.exp(random.uniform(np.log(SHORTEST), np.log(LONGEST)))
    length = min(len(wave), round(seconds * SAMPLE_RATE))
    start = int(random.integers(len(wave) - length + 1))
    return wave[start : start + length]


def random_condition(wave: Wave, voices: Sequence[Wave], random: np.random.Generator) -> Wave:
    """A recording as it may arrive: any length, level, equaliser, noise, company and channel.

    A quarter stays clean.
    """
    wave = random_excerpt(wave, random)
    if random.random() < 0.5:
        wave = tilted(wave, random.uniform(-4.0, 4.0))
    chance = random.random()
    if chance < 0.35:
        noise = coloured_noise(len(wave), random.uniform(0.0, 2.0), random)
        wave = mixed(wave, noise, random.uniform(3.0, 30.0))
    elif chance < 0.6:
        wave = mixed(wave, babble(len(wave), voices, random), random.uniform(3.0, 25.0))
    if random.random() < 0.3:
        wave = telephone(wave)
    gain = 10 ** (random.uniform(-20.0, 6.0) / 20)
    return np.asarray((gain * wave).clip(-1, 1), dtype=np.float32)


def tilted(wave: Wave, decibels: float) -> Wave:
    """Raises or lowers each octave by ``decibels`` against the one below it, at unchanged power."""
    spectrum = np.fft.rfft(wave)
    octaves = np.log2(np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE).clip(min=60.0) / 1000)
    changed = np.fft.irfft(spectrum * 10 ** (decibels * octaves / 20), len(wave))
    scale = np.sqrt(np.mean(wave**2) / (np.mean(changed**2) + 1e-12))
    return np.asarray((scale * changed).clip(-1, 1), dtype=np.float32)
