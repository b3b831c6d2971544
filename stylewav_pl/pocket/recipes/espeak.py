"""Training voices made with the program espeak-ng, where it is installed: other languages, other synthesisers, other habits.

The built-in voices share one construction, so an encoder trained on them alone may learn that construction. espeak-ng brings
two synthesis methods (``klatt`` and its own), about thirty languages and fifty speaker variants. Its output is only trained on,
never shipped. Languages and variants of the test split never occur in training.
"""

import io
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
import soxr
from jaxtyping import Float
from scipy.signal import lfilter

from stylewav_pl.pocket.voices import Speaker
from stylewav_pl.types import ConfigError

Split = Literal["train", "test"]
Wave = Float[np.ndarray, " time"]
PROGRAM = "espeak-ng"


def _names(line: str) -> tuple[str, ...]:
    return tuple(line.split())


LANGUAGES: dict[Split, tuple[str, ...]] = {
    "train": _names(
        "en-us en-gb en-gb-scotland de fr-fr es es-419 it nl sv nb da fi pl cs hu ro tr id sw lt et is hr sk sq ca eu vi af eo la pt gd ms"
    ),
    "test": _names("pt-br ga cy lv sl en-gb-x-rp az mt fr-be bs"),
}

# Variant: (sex, formant scale of the variant as heard, where 1 is a man with a 17 cm tract).
VARIANTS: dict[Split, dict[str, tuple[str, float]]] = {
    "train": {
        **{name: ("male", 1.0) for name in _names("m1 m2 m3 m4 m6 m7 m8 klatt klatt2 klatt3 Andy Denis Diogo Gene Henrique Hugo Jacky Lee")},
        **{name: ("male", 1.0) for name in _names("Mario Michael Mike adam antonio boris david ed edward iven john marcelo michel norbert")},
        **{name: ("male", 1.0) for name in _names("pablo paul pedro quincy robert sandro travis kaukovalta gustave")},
        **{name: ("female", 1.13) for name in _names("f1 f2 f3 f4 Alicia Andrea Annie anika steph steph2 grandma")},
    },
    "test": {
        **{name: ("male", 1.0) for name in _names("m5 max victor miguel rob benjamin klatt4")},
        **{name: ("female", 1.13) for name in _names("f5 belinda linda steph3 aunty")},
    },
}

VOWELS = ("a", "e", "i", "o", "u", "a", "e", "o", "ai", "au")
CONSONANTS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "st", "tr", "pl", "h", "j")


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """One way to call espeak-ng: language, variant, and the variant's sex and formant scale."""

    language: str
    variant: str
    sex: str
    formant_scale: float


def espeak_available() -> bool:
    """Whether the program is installed."""
    return shutil.which(PROGRAM) is not None


def draw_voice(speaker: Speaker, split: Split, random: np.random.Generator) -> EspeakVoice:
    """A language and a variant of the speaker's sex; a boy may get a woman's variant, whose formants are nearer to his."""
    sex = "female" if speaker.formant_scale > 1.2 and random.random() < 0.5 else speaker.sex
    names = [name for name, (variant_sex, _) in VARIANTS[split].items() if variant_sex == sex]
    name = names[int(random.integers(len(names)))]
    language = LANGUAGES[split][int(random.integers(len(LANGUAGES[split])))]
    return EspeakVoice(language, name, *VARIANTS[split][name])


def speak_espeak(speaker: Speaker, voice: EspeakVoice, random: np.random.Generator, seconds: float, sample_rate: int = 16000) -> Wave:
    """Says pseudo-words with espeak-ng and moves pitch, formants and voice quality to those of ``speaker``.

    Playing a recording faster by ``r`` raises pitch and formants by ``r``: that sets the formants; espeak-ng's own pitch option,
    found by measuring a first attempt, then sets the pitch.

    Returns:
        ``[time]``, mono, float32, in [-1, 1], ``round(seconds * sample_rate)`` samples.

    Raises:
        ConfigError: espeak-ng is missing or refuses the voice.
    """
    factor = float(np.clip(speaker.formant_scale / voice.formant_scale * np.exp(random.normal(0, 0.03)), 0.86, 1.6))
    words_per_minute = int(np.clip(32 * speaker.syllable_rate / factor * random.uniform(0.9, 1.1), 80, 260))
    text = _pseudo_text(random, syllables=int(speaker.syllable_rate * seconds * 1.5) + 6)
    wanted = speaker.pitch / factor
    option = 50
    wave, rate = _run(voice, text, option, words_per_minute)
    heard = median_pitch(wave, rate)
    if heard > 0 and abs(np.log2(wanted / heard)) > 0.08:
        option = int(np.clip(50 + 75 * np.log2(wanted / heard), 0, 99))  # measured: about 75 steps of the option per octave
        wave, rate = _run(voice, text, option, words_per_minute)
    wave = _age(wave, rate, speaker, random)
    wave = np.asarray(soxr.resample(wave, rate * factor, sample_rate), dtype=np.float64)
    length = round(seconds * sample_rate)
    start = int(random.integers(max(1, len(wave) - length)))
    wave = np.resize(wave[start:], length) if len(wave) - start < length else wave[start : start + length]
    level = 10 ** (random.uniform(-26, -17) / 20) / (np.sqrt(np.mean(wave**2)) + 1e-9)
    return np.asarray(np.clip(wave * level, -1, 1), dtype=np.float32)


def _pseudo_text(random: np.random.Generator, syllables: int) -> str:
    words: list[str] = []
    for _ in range(max(2, syllables // 2)):
        word = "".join(str(random.choice(CONSONANTS)) + str(random.choice(VOWELS)) for _ in range(int(random.integers(1, 4))))
        words.append(word + ("n" if random.random() < 0.2 else "") + (random.choice([",", "."]) if random.random() < 0.15 else ""))
    return " ".join(words)


def _run(voice: EspeakVoice, text: str, pitch: int, speed: int) -> tuple[Wave, int]:
    command = [PROGRAM, "-v", f"{voice.language}+{voice.variant}", "-p", str(pitch), "-s", str(speed), "--stdout", text]
    try:
        result = subprocess.run(command, capture_output=True, check=True)
        wave, rate = soundfile.read(io.BytesIO(_with_true_length(result.stdout)), dtype="float64")
    except (OSError, subprocess.CalledProcessError, soundfile.LibsndfileError) as error:
        raise ConfigError(
            f"espeak-ng could not say a text with the voice {voice.language}+{voice.variant}: {error}. Train with voices='builtin'."
        ) from error
    return wave, rate


def _with_true_length(data: bytes) -> bytes:
    """Mends the lengths in the header, which a program that writes to a pipe cannot know."""
    return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:40] + (len(data) - 44).to_bytes(4, "little") + data[44:]


def median_pitch(wave: Wave, sample_rate: int) -> float:
    """Median fundamental frequency in Hz of the periodic frames (autocorrelation, 55 to 450 Hz); 0 when there are none."""
    size, hop = int(0.045 * sample_rate), int(0.03 * sample_rate)
    if len(wave) < 4 * size:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop]
    frames = frames[frames.std(axis=1) > 0.6 * wave.std()] * np.hanning(size)
    padded = 1 << (2 * size - 1).bit_length()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(frames, padded, axis=1)) ** 2, axis=1)
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(size), padded)) ** 2)
    lags = np.arange(int(sample_rate / 450), int(sample_rate / 55))
    strength = correlation[:, lags] / (correlation[:, :1] + 1e-12) / (window[lags] / window[0])
    good = strength.max(axis=1) > 0.6
    # the shortest lag that is nearly as good as the best: the best alone is often two periods
    first = (strength > 0.9 * strength.max(axis=1, keepdims=True)).argmax(axis=1)
    return float(np.median(sample_rate / lags[first[good]])) if good.any() else 0.0


def _age(wave: Wave, sample_rate: int, speaker: Speaker, random: np.random.Generator) -> Wave:
    """Tremor and jitter by an uneven time axis, breath by noise under the voice."""
    times = np.arange(len(wave)) / sample_rate
    bend = speaker.tremor * np.log(2) / 12 / (2 * np.pi * 5) * np.sin(2 * np.pi * 5 * times + random.uniform(0, 6.28))
    knots = np.arange(0, times[-1] + 0.02, 0.008)
    bend += np.interp(times, knots, 0.4 * speaker.jitter * 0.008 * random.standard_normal(len(knots)))
    bent = np.interp(times + bend, times, wave)
    loudness = np.sqrt(lfilter([0.002], [1, -0.998], bent**2))
    breath = lfilter([1.0, -0.8], [1.0], random.standard_normal(len(wave)))
    return np.asarray(bent + speaker.breath * random.uniform(0.5, 1.2) * loudness * breath)
