"""Voices of many people in memory: recordings, the same people at another pitch, and synthetic voices.

What the encoders' second training draws from: each voice is one waveform with sex and age.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from tqdm import tqdm

from stylewav_pl.pocket.voices.speaker import seed_of
from stylewav_pl.training.pitch_shift import shift_pitch
from stylewav_pl.training.recordings import Person, Recording
from stylewav_pl.training.voice_bank import VoiceBank

Wave = Float[np.ndarray, " _"]
# Semitones. Wider ranges made women of other collections sound male.
LOWEST_WOMAN, HIGHEST_MAN = -3.0, 5.0


@dataclass(frozen=True)
class PeopleBank:
    """Voices with labels.

    Attributes:
        waves: int16, mono, 16 kHz, each of its own length.
        male: Of the speaker.
        years: Of the speaker.
        weight: How often each is drawn; sums to 1.
        recorded: Whether a person spoke.
    """

    waves: Sequence[np.ndarray]
    male: Bool[np.ndarray, " voice"]
    years: Float[np.ndarray, " voice"]
    weight: Float[np.ndarray, " voice"]
    recorded: Bool[np.ndarray, " voice"]

    def wave(self, index: int) -> Wave:
        """One voice in [-1, 1]."""
        return np.asarray(self.waves[index], dtype=np.float32) / 32768

    def neighbours(self, index: int, count: int, random: np.random.Generator) -> list[Wave]:
        """Other recorded voices, for babble."""
        others = random.choice(np.flatnonzero(self.recorded), count)
        return [self.wave(other) for other in others if other != index]


def make_people_bank(
    recordings: Sequence[Recording],
    synthetic: VoiceBank | None,
    cache: Path,
    *,
    recorded_share: float,
    seed: int = 0,
    progress: bool = True,
) -> PeopleBank:
    """Gathers voices; groups of recorded people are drawn as often as ``GROUP_SHARES`` says.

    Args:
        recordings: Of training people only.
        synthetic: Synthesised voices, if any.
        cache: Folder for the moved voices, which take minutes to make.
        recorded_share: How often a recorded voice is drawn, in (0, 1]; 1 where there are no synthetic ones.
        seed: Decides how far each pitch is moved.
        progress: Whether to show a progress bar.
    """
    waves = [_as_int16(recording.waveform) for recording in recordings]
    moved = _moved(recordings, cache, seed, progress)
    labelled = [*recordings, *(recording for recording, _ in moved)]
    waves += [wave for _, wave in moved]
    weights = group_weights([recording.person for recording in labelled])
    weights = weights * (recorded_share if synthetic is not None else 1.0)
    male = [recording.person.sex == "male" for recording in labelled]
    years = [recording.person.years for recording in labelled]
    if synthetic is None:
        return _bank(waves, male, years, weights, len(labelled))
    waves += list(synthetic.waveforms)
    share = np.full(len(synthetic), (1 - recorded_share) / len(synthetic))
    return _bank(
        waves,
        [*male, *(synthetic.male == 1)],
        [*years, *synthetic.years],
        np.concatenate([weights, share]),
        len(labelled),
    )


def _bank(
    waves: Sequence[np.ndarray],
    male: Sequence[bool],
    years: Sequence[float],
    weights: Float[np.ndarray, " voice"],
    recorded: int,
) -> PeopleBank:
    labels = np.array(male, dtype=bool), np.array(years, dtype=np.float64)
    return PeopleBank(waves, *labels, weights / weights.sum(), np.arange(len(waves)) < recorded)


GROUP_SHARES = {"girl": 1.0, "boy": 1.0, "teenager": 0.5, "woman": 2.0, "man": 1.5}
"""How often each group of recorded people is drawn: as many adults as children, more women than men because
women and
children are easily mistaken for each other."""


def group_weights(
    people: Sequence[Person], shares: Mapping[str, float] = GROUP_SHARES
) -> Float[np.ndarray, " voice"]:
    """Weights of recordings, of whom each is: groups by ``shares``, the recordings of a group alike.

    Sums to 1.
    """
    groups = [person.group for person in people]
    sizes = {group: groups.count(group) for group in set(groups)}
    weights = np.array([shares[group] / sizes[group] for group in groups])
    return np.asarray(weights / weights.sum())


def _moved(
    recordings: Sequence[Recording], cache: Path, seed: int, progress: bool
) -> list[tuple[Recording, np.ndarray]]:
    """Adults at another pitch: women lower, men higher, one copy of each recording."""
    adults = [recording for recording in recordings if recording.person.group in ("woman", "man")]
    cache.mkdir(parents=True, exist_ok=True)
    moved = []
    for recording in tqdm(adults, desc="moved pitch", disable=not progress):
        file = cache / f"{recording.path.stem}.npy"
        if not file.is_file():
            limit = HIGHEST_MAN if recording.person.sex == "male" else LOWEST_WOMAN
            semitones = limit * np.random.default_rng(seed_of(seed, file.stem)).random()
            np.save(file, _as_int16(shift_pitch(recording.waveform, semitones)))
        moved.append((recording, np.load(file)))
    return moved


def _as_int16(wave: Wave) -> np.ndarray:
    return np.asarray(np.round(wave * 32767), dtype=np.int16)
