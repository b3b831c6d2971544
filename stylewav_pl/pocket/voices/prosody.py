"""How it is said: syllables, phrases, pauses and pitch of one utterance, as tracks over frames of 5 ms."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from stylewav_pl.pocket.voices.phonemes import CODAS, CONSONANTS, PAUSE, VOWELS, Phone
from stylewav_pl.pocket.voices.speaker import Speaker, seed_of

FRAME_RATE = 200
Track = Float[np.ndarray, " frame"]


@dataclass(frozen=True)
class Tracks:
    """The course of an utterance, one value per frame; frequencies in Hz, levels linear.

    Attributes:
        pitch: Fundamental frequency.
        creak: Irregularity of the pitch in [0, 1].
        formants: ``[frame, 3]``.
        voice, aspiration, friction, nasal: Levels.
        band: Centre of the friction noise.
    """

    pitch: Track
    creak: Track
    formants: Float[np.ndarray, "frame 3"]
    voice: Track
    aspiration: Track
    friction: Track
    nasal: Track
    band: Track


@dataclass(frozen=True, slots=True)
class _Event:
    """A phone placed in time: its frames and its pitch in semitones above the speaker's median."""

    phone: Phone
    frames: int
    pitch: float
    creak: float
    level: float


def plan_utterance(speaker: Speaker, random: np.random.Generator, seconds: float | int) -> Tracks:
    """Makes up babble of at least ``seconds``: a lead-in, then phrases and pauses."""
    frames = int(np.ceil(seconds * FRAME_RATE)) + 1
    habits = np.random.default_rng(seed_of(speaker.seed, "habits"))
    inventory = _Inventory(habits)
    events = [_pause(random.uniform(0.02, 0.15))]
    while sum(event.frames for event in events) < frames:
        events += _phrase(speaker, inventory, random)
        events.append(_pause(speaker.pause * random.uniform(0.5, 1.6)))
    return _tracks(speaker, events, frames, random, inventory)


class _Inventory:
    """The sounds a speaker uses and how often: a made-up accent."""

    def __init__(self, habits: np.random.Generator) -> None:
        self.vowels = list(VOWELS)
        self.consonants = list(CONSONANTS)
        self.vowel_odds = habits.dirichlet(np.full(len(self.vowels), 1.5))
        self.consonant_odds = habits.dirichlet(np.full(len(self.consonants), 1.5))
        self.coda = habits.uniform(0.05, 0.45)
        self.rise = habits.uniform(0.0, 0.45)
        self.formant_habit = np.exp(habits.normal(0.0, 0.02, size=3))
        self.nasality = habits.beta(1.0, 8.0)

    def syllable(self, random: np.random.Generator) -> tuple[list[Phone], Phone, list[Phone]]:
        """Onset, vowel and coda."""
        onset = (
            list(CONSONANTS[str(random.choice(self.consonants, p=self.consonant_odds))])
            if random.random() < 0.9
            else []
        )
        vowel = VOWELS[str(random.choice(self.vowels, p=self.vowel_odds))]
        coda = list(CONSONANTS[str(random.choice(CODAS))]) if random.random() < self.coda else []
        return onset, vowel, coda


def _pause(seconds: float) -> _Event:
    return _Event(PAUSE, max(1, round(seconds * FRAME_RATE)), 0.0, 0.0, 1.0)


def _phrase(speaker: Speaker, inventory: _Inventory, random: np.random.Generator) -> list[_Event]:
    """Draws one breath group.

    Pitch declines, some syllables are accented, the last one is longer and falls or rises.
    """
    count = int(random.integers(3, 12))
    top, bottom = random.normal(1.8, 0.6), random.normal(-1.8, 0.6)
    ending = random.normal(4.0, 1.0) if random.random() < inventory.rise else random.normal(-2.0, 0.8)
    creaks = random.random() < speaker.creak
    tempo = 4.4 / speaker.syllable_rate * random.uniform(0.88, 1.14)
    events: list[_Event] = []
    for i in range(count):
        onset, vowel, coda = inventory.syllable(random)
        last, accent = i == count - 1, random.random() < 0.38
        pitch = top + (bottom - top) * i / max(1, count - 1) + random.normal(0, 0.4)
        pitch += speaker.pitch_range * accent + (ending * speaker.pitch_range / 3 if last else 0.0)
        stretch = tempo * (1.5 if last else 1.25 if accent else 0.9)
        creak = 0.8 if creaks and i >= count - 2 else 0.0
        level = 1.15 if accent else 0.85
        for phone, scale in [(p, tempo) for p in onset] + [(vowel, stretch)] + [(p, tempo) for p in coda]:
            length = phone.seconds * scale * random.uniform(0.85, 1.2)
            events.append(_Event(phone, max(2, round(length * FRAME_RATE)), pitch, creak, level))
    return events


def _tracks(
    speaker: Speaker, events: list[_Event], frames: int, random: np.random.Generator, inventory: _Inventory
) -> Tracks:
    counts = [event.frames for event in events]

    def steps(values: list[float], sigma: float) -> Track:
        return gaussian_filter1d(
            np.repeat(np.array(values, dtype=np.float64), counts)[:frames], sigma, mode="nearest"
        )

    phones = [event.phone for event in events]
    formants = np.stack(
        [steps([phone.formants[i] for phone in phones], 3.6 - 0.4 * i) for i in range(3)], axis=1
    )
    semitones = steps([event.pitch for event in events], 9.0) + _wander(speaker, frames, random)
    creak = steps([event.creak for event in events], 6.0)
    return Tracks(
        pitch=speaker.pitch * 2 ** ((semitones - 7.0 * creak) / 12),
        creak=creak,
        formants=formants * speaker.formant_scale * inventory.formant_habit,
        voice=steps([event.phone.voice * event.level for event in events], 2.0),
        aspiration=steps([phone.aspiration for phone in phones], 1.6),
        friction=steps([phone.friction for phone in phones], 0.9),
        nasal=np.clip(steps([phone.nasal for phone in phones], 2.5) + inventory.nasality, 0.0, 1.0),
        band=steps([phone.band for phone in phones], 1.0) * speaker.formant_scale**0.7,
    )


def _wander(speaker: Speaker, frames: int, random: np.random.Generator) -> Track:
    """Slow drift of the pitch plus an old voice's tremor, in semitones."""
    drift = (
        gaussian_filter1d(random.standard_normal(frames + 1), 12.0)[:frames]
        * 0.35
        * np.sqrt(2 * np.sqrt(np.pi) * 12.0)
    )
    times = np.arange(frames) / FRAME_RATE
    return np.asarray(
        drift
        + speaker.tremor * np.sin(2 * np.pi * random.uniform(4.2, 5.8) * times + random.uniform(0, 6.28))
    )
