"""Training voices made with the program espeak-ng, where it is installed.

Other languages, other synthesisers, other habits.

The built-in voices share one construction, so an encoder trained on them alone may learn that construction.
espeak-ng brings two synthesis methods (``klatt`` and its own), about thirty languages and fifty speaker
variants. Its output is only trained on, never shipped. Languages and variants of the test split never occur
in training.
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

from stylewav_pl.errors import ConfigError
from stylewav_pl.pocket.voices import Sex, Speaker

Split = Literal["train", "test"]
Wave = Float[np.ndarray, " time"]
PROGRAM = "espeak-ng"


def _names(line: str) -> tuple[str, ...]:
    return tuple(line.split())


def _scales(line: str) -> dict[str, float]:
    return {name: float(scale) for name, scale in (pair.split("=") for pair in line.split())}


LANGUAGES: dict[Split, tuple[str, ...]] = {
    "train": _names(
        "en-us en-gb en-gb-scotland de fr-fr es es-419 it nl sv nb da fi pl cs hu ro tr id sw lt et is hr "
        "sk sq ca eu vi af eo la pt gd ms"
    ),
    "test": _names("pt-br ga cy lv sl en-gb-x-rp az mt fr-be bs"),
}

# Variants of espeak-ng with their formants relative to its default male voice: the mean of the first three
# percentages in their files.
VARIANTS: dict[Split, dict[Sex, dict[str, float]]] = {
    "train": {
        "male": _scales(
            "m1=0.97 m2=1.02 m3=0.96 m4=1.03 m6=1.00 m7=1.00 m8=0.97 klatt=1.00 klatt2=1.00 klatt3=1.00 "
            "Denis=0.95 "
            "Diogo=0.97 Gene=0.93 Henrique=0.97 Hugo=0.97 Mario=0.98 Mike=0.97 adam=1.00 antonio=0.95 "
            "boris=0.87 ed=1.01 "
            "edward=0.99 iven=0.91 john=1.00 michel=0.97 norbert=0.92 pablo=0.97 paul=1.00 pedro=0.97 "
            "quincy=0.98 "
            "robert=0.98 sandro=1.00"
        ),
        "female": _scales(
            "f1=1.12 f2=1.10 f3=1.27 f4=1.23 Alicia=1.38 Andrea=1.12 Annie=1.23 anika=0.97 steph=1.12 "
            "steph2=1.12 grandma=0.95"
        ),
    },
    "test": {
        "male": _scales("m5=0.92 max=1.00 victor=0.92 miguel=0.97 rob=0.98 benjamin=1.01 klatt4=1.00"),
        "female": _scales("f5=1.10 belinda=1.25 linda=1.30 steph3=1.12 aunty=1.23"),
    },
}
# of the clips use a variant of either sex, so that a timbre does not give the sex away: pitch and formants
# are set anyway
ANY_VARIANT = 0.4

VOWELS = ("a", "e", "i", "o", "u", "a", "e", "o", "ai", "au")
CONSONANTS = (
    "b",
    "d",
    "f",
    "g",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "st",
    "tr",
    "pl",
    "h",
    "j",
)


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """One way to call espeak-ng: language, variant, and the variant's formant scale."""

    language: str
    variant: str
    formant_scale: float


def espeak_available() -> bool:
    """Tells whether the program is installed."""
    return shutil.which(PROGRAM) is not None


def draw_voice(speaker: Speaker, split: Split, random: np.random.Generator) -> EspeakVoice:
    """A language and a variant, mostly of the speaker's sex."""
    either = random.random() < ANY_VARIANT
    sexes = tuple(VARIANTS[split]) if either else (speaker.sex,)
    scales = {name: scale for sex in sexes for name, scale in VARIANTS[split][sex].items()}
    name = str(random.choice(list(scales)))
    return EspeakVoice(str(random.choice(LANGUAGES[split])), name, scales[name])


def speak_espeak(
    speaker: Speaker,
    voice: EspeakVoice,
    random: np.random.Generator,
    seconds: float,
    sample_rate: int = 16000,
) -> Wave:
    """Says pseudo-words with espeak-ng and moves pitch, formants and voice quality to those of ``speaker``.

    Playing a recording faster by ``r`` raises pitch and formants by ``r``: that sets the formants;
    espeak-ng's own pitch option, found by measuring a first attempt, then sets the pitch.

    Returns:
        ``[time]``, mono, float32, in [-1, 1], ``round(seconds * sample_rate)`` samples.

    Raises:
        ConfigError: espeak-ng is missing or refuses the voice.
    """
    factor = float(
        np.clip(speaker.formant_scale / voice.formant_scale * np.exp(random.normal(0, 0.03)), 0.8, 1.65)
    )
    words_per_minute = int(np.clip(32 * speaker.syllable_rate / factor * random.uniform(0.9, 1.1), 80, 260))
    text = _pseudo_text(random, syllables=int(speaker.syllable_rate * seconds * 1.5) + 6)
    wanted = speaker.pitch / factor
    option = 50
    wave, rate = _run(voice, text, option, words_per_minute)
    heard = median_pitch(wave, rate)
    if heard > 0 and abs(np.log2(wanted / heard)) > 0.08:
        option = int(
            np.clip(50 + 75 * np.log2(wanted / heard), 0, 99)
        )  # measured: about 75 steps of the option per octave
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
        word = "".join(
            str(random.choice(CONSONANTS)) + str(random.choice(VOWELS))
            for _ in range(int(random.integers(1, 4)))
        )
        words.append(
            word
            + ("n" if random.random() < 0.2 else "")
            + (random.choice([",", "."]) if random.random() < 0.15 else "")
        )
    return " ".join(words)


def _run(voice: EspeakVoice, text: str, pitch: int, speed: int) -> tuple[Wave, int]:
    command = [
        PROGRAM,
        "-v",
        f"{voice.language}+{voice.variant}",
        "-p",
        str(pitch),
        "-s",
        str(speed),
        "--stdout",
        text,
    ]
    try:
        result = subprocess.run(command, capture_output=True, check=True)
        wave, rate = soundfile.read(io.BytesIO(_with_true_length(result.stdout)), dtype="float64")
    except (OSError, subprocess.CalledProcessError, soundfile.LibsndfileError) as error:
        raise ConfigError(
            f"espeak-ng could not say a text with the voice {voice.language}+{voice.variant}: {error}. "
            "Train with voices='builtin'."
        ) from error
    return wave, rate


def _with_true_length(data: bytes) -> bytes:
    """Mends the lengths in the header, which a program that writes to a pipe cannot know."""
    return (
        data[:4]
        + (len(data) - 8).to_bytes(4, "little")
        + data[8:40]
        + (len(data) - 44).to_bytes(4, "little")
        + data[44:]
    )


def median_pitch(wave: Wave, sample_rate: int) -> float:
    """Median fundamental frequency in Hz of the periodic frames (autocorrelation, 55 to 450 Hz).

    0 when there are none.
    """
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
    bend = (
        speaker.tremor
        * np.log(2)
        / 12
        / (2 * np.pi * 5)
        * np.sin(2 * np.pi * 5 * times + random.uniform(0, 6.28))
    )
    knots = np.arange(0, times[-1] + 0.02, 0.008)
    bend += np.interp(times, knots, 0.4 * speaker.jitter * 0.008 * random.standard_normal(len(knots)))
    bent = np.interp(times + bend, times, wave)
    loudness = np.sqrt(lfilter([0.002], [1, -0.998], bent**2))
    breath = lfilter([1.0, -0.8], [1.0], random.standard_normal(len(wave)))
    return np.asarray(bent + speaker.breath * random.uniform(0.5, 1.2) * loudness * breath)
