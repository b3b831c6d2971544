"""Who speaks: the acoustic parameters of a speaker, drawn from sex, age and a name.

Means and spreads follow the phonetic literature in broad strokes (fundamental frequency and formants by sex
and age: Peterson & Barney 1952, Hillenbrand et al. 1995, Lee et al. 1999); they are a model, not
measurements.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Sex = Literal["female", "male"]
Years = float | int

TRAINING = "training"
HELD_OUT = "held-out"


@dataclass(frozen=True, slots=True)
class Speaker:
    """One synthetic person.

    Attributes:
        name: Short name, unique within the list that it came from, e.g. ``f007``.
        sex: ``female`` or ``male``.
        age: In years.
        seed: Seeds this speaker's habits and utterances.
        pitch: Median fundamental frequency in Hz.
        pitch_range: Height of an accent in semitones.
        formant_scale: Formant frequencies relative to a man's with a 17 cm vocal tract.
        open_quotient: Open part of a glottal cycle, in (0, 1).
        tilt: Frequency in Hz above which the voice source falls off faster.
        breath: Level of aspiration noise relative to the voice, linear.
        jitter: Standard deviation of the cycle length, relative.
        shimmer: Standard deviation of the cycle amplitude, relative.
        tremor: Depth of the 5 Hz tremor of the pitch in semitones.
        creak: Tendency to drop into creaky voice at phrase ends, in [0, 1].
        syllable_rate: Syllables per second within a phrase.
        pause: Mean pause between phrases in seconds.
    """

    name: str
    sex: Sex
    age: float
    seed: int
    pitch: float
    pitch_range: float
    formant_scale: float
    open_quotient: float
    tilt: float
    breath: float
    jitter: float
    shimmer: float
    tremor: float
    creak: float
    syllable_rate: float
    pause: float


def seed_of(*parts: object) -> int:
    """A 63 bit seed that depends on every part and on nothing else (not on Python's hash randomisation)."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def draw_speaker(name_or_seed: str | int, sex: Sex, age: Years, *, name: str | None = None) -> Speaker:
    """Draws a speaker; the same arguments give the same speaker on every machine.

    Args:
        name_or_seed: What tells this speaker from all others of the same sex and age.
        sex: ``female`` or ``male``.
        age: In years, 3 to 100.
        name: Shown name; ``name_or_seed`` when not given.

    Raises:
        ValueError: The age cannot be drawn.
    """
    if not 3 <= age <= 100:
        raise ValueError(f"Expected an age from 3 to 100 years, found {age}.")
    seed = seed_of("speaker", name_or_seed, sex, f"{age:.3f}")
    random = np.random.default_rng(seed)
    grown = maturity(sex, age)
    late = float(np.clip((age - 50) / 35, 0, 1))
    body = random.standard_normal()  # shared by pitch and tract length: tall people have both lower
    female = sex == "female"
    return Speaker(
        name=str(name_or_seed) if name is None else name,
        sex=sex,
        age=float(age),
        seed=seed,
        pitch=_pitch(sex, age, grown, 0.35 * body + 0.94 * random.standard_normal()),
        pitch_range=float(np.clip(random.normal(3.4 if female else 2.8, 0.9), 1.2, 6.0)),
        formant_scale=_formant_scale(sex, age, grown, body),
        open_quotient=float(
            np.clip(random.normal(0.64 if female or grown < 0.5 else 0.55, 0.05) + 0.03 * late, 0.4, 0.8)
        ),
        tilt=float(np.exp(random.normal(np.log(1500 if female else 2100), 0.35))),
        breath=float(
            np.exp(random.normal(np.log(0.05 if female else 0.03), 0.5) + 1.0 * late + 0.3 * (1 - grown))
        ),
        jitter=float(0.006 * np.exp(random.normal(0, 0.35) + 1.1 * late + 0.5 * (1 - grown))),
        shimmer=float(0.035 * np.exp(random.normal(0, 0.3) + 0.7 * late + 0.3 * (1 - grown))),
        tremor=float(late * np.exp(random.normal(-0.6, 0.5))),
        creak=float(np.clip(random.beta(1.2, 3.0) * grown, 0, 1)),
        syllable_rate=float(np.clip(random.normal(4.9 - 1.5 * late - 1.2 * (1 - grown), 0.45), 2.6, 6.5)),
        pause=float(np.clip(random.normal(0.34 + 0.28 * late + 0.12 * (1 - grown), 0.1), 0.12, 0.9)),
    )


def maturity(sex: Sex, age: Years) -> float:
    """Tells how far a voice has grown up: 0 for a small child, 1 for an adult.

    Boys change late and quickly.
    """
    if sex == "male":
        return float(0.35 * np.clip((age - 3) / 10, 0, 1) + 0.65 * np.clip((age - 12.5) / 4, 0, 1))
    return float(np.clip((age - 3) / 13, 0, 1))


def _pitch(sex: Sex, age: Years, grown: float, deviation: float) -> float:
    late = np.clip((age - 50) / 30, 0, 1)
    # old men speak higher, old women lower than young ones (Hollien & Shipp 1972; Stoicheff 1981)
    adult = 114.0 * 2 ** (2.8 * late / 12) if sex == "male" else 209.0 * 2 ** (-2.4 * late / 12)
    child = 320.0 if sex == "female" else 312.0
    return float(
        np.exp(grown * np.log(adult) + (1 - grown) * np.log(child))
        * 2 ** (1.9 * np.clip(deviation, -2.0, 2.0) / 12)
    )


def _formant_scale(sex: Sex, age: Years, grown: float, body: float) -> float:
    adult = (1.0 if sex == "male" else 1.165) * (
        1 - 0.03 * np.clip((age - 50) / 30, 0, 1)
    )  # the tract lengthens with age
    child = 1.50 if sex == "female" else 1.46
    return float(
        np.exp(grown * np.log(adult) + (1 - grown) * np.log(child) + 0.035 * np.clip(body, -2.3, 2.3))
    )


def training_speakers(count: int, seed: int = 0, ages: tuple[Years, Years] = (4.0, 88.0)) -> list[Speaker]:
    """Speakers to train on, alternating female and male, age uniform over ``ages`` in years."""
    return _speakers(TRAINING, count, seed, ages)


def held_out_speakers(per_sex: int, seed: int = 0, ages: tuple[Years, Years] = (18.0, 80.0)) -> list[Speaker]:
    """Speakers for demos and tests, never drawn for training, alternating female and male.

    Args:
        per_sex: How many women and how many men.
        seed: Another seed gives other speakers.
        ages: Youngest and oldest in years; uniform between.
    """
    return _speakers(HELD_OUT, 2 * per_sex, seed, ages)


def held_out_children(per_sex: int, seed: int = 0, ages: tuple[Years, Years] = (5.0, 12.0)) -> list[Speaker]:
    """Returns children for demos and tests, never drawn for training; named ``child-f000`` and so on.

    Args:
        per_sex: How many girls and how many boys.
        seed: Another seed gives other children.
        ages: Youngest and oldest in years; uniform between.
    """
    children = _speakers(f"{HELD_OUT}/children", 2 * per_sex, seed, ages)
    return [replace(child, name=f"child-{child.name}") for child in children]


def _speakers(namespace: str, count: int, seed: int, ages: tuple[Years, Years]) -> list[Speaker]:
    speakers = []
    for i in range(count):
        sex: Sex = "male" if i % 2 else "female"
        name = f"{sex[0]}{i // 2:03d}"
        age = np.random.default_rng(seed_of(namespace, seed, name, "age")).uniform(*ages)
        speakers.append(draw_speaker(f"{namespace}/{seed}/{name}", sex, round(float(age), 1), name=name))
    return speakers
