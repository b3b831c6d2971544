"""Voices of many people in memory: recordings, the same recordings from other mouths, and synthetic voices.

What the small encoder's second training draws from: each voice is one waveform, with the face that it should
have and with the answers to the questions about sex and age.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders.base import AudioEmbedder
from stylewav_pl.training.face_targets import (
    SEXLESS_UNTIL,
    FaceTargets,
    Prompts,
    age_group,
    prompt_logits,
)
from stylewav_pl.training.moved_voices import as_int16, heard_by, moved_at_random
from stylewav_pl.training.recordings import Person, Recording
from stylewav_pl.training.voice_bank import VoiceBank

SHARES = {"recorded": 0.35, "moved": 0.4, "synthetic": 0.25}
# How often each group of recorded people is drawn: more adults than children, and more women than men because
# women and children are easily mistaken for each other.
GROUP_SHARES = {"girl": 1.0, "boy": 1.0, "teenager": 0.5, "woman": 3.0, "man": 1.5}
Wave = Float[np.ndarray, " _"]


class Lesson(NamedTuple):
    """What voices should become.

    Attributes:
        targets: Unit vectors of faces.
        sex: Probabilities of a boy and a girl.
        age: Probabilities of a child, an adult and an old person.
    """

    targets: Float[Tensor, "voice embed"]
    sex: Float[Tensor, "voice 2"]
    age: Float[Tensor, "voice 3"]

    def rows(self, rows: np.ndarray) -> "Lesson":
        """Returns those of some voices."""
        return Lesson(self.targets[rows], self.sex[rows], self.age[rows])


@dataclass(frozen=True)
class PeopleBank:
    """Voices with what they should become.

    Attributes:
        waves: int16, mono, 16 kHz, each of its own length.
        lesson: Of all voices.
        weight: How often each is drawn; sums to 1.
        recorded: How many of the voices, the first ones, are recordings.
    """

    waves: Sequence[np.ndarray]
    lesson: Lesson
    weight: Float[np.ndarray, " voice"]
    recorded: int

    def wave(self, index: int) -> Wave:
        """One voice in [-1, 1]."""
        return np.asarray(self.waves[index], dtype=np.float32) / 32768

    def neighbours(self, count: int, random: np.random.Generator) -> list[Wave]:
        """Recorded voices, for babble."""
        return [self.wave(int(other)) for other in random.integers(self.recorded, size=count)]


def make_people_bank(
    recordings: Sequence[Recording],
    synthetic: VoiceBank | None,
    cache: Path,
    *,
    listener: AudioEmbedder,
    faces: FaceTargets,
    prompts: Prompts,
    copies: int,
    seed: int = 0,
) -> PeopleBank:
    """Gathers voices.

    Recorded people's faces lie between the mean face of their sex and age and what the listener hears; moved
    voices' are what it hears; synthetic voices' are mean faces.

    Args:
        recordings: Of training people only.
        synthetic: Synthesised voices, if any.
        cache: Folder for the moved voices, which take minutes to make.
        listener: The strong ear, in the same space.
        faces: The mean faces.
        prompts: The words that the listener's answers are read by.
        copies: How often each recording is moved.
        seed: Decides how.
    """
    waves = [as_int16(recording.waveform) for recording in recordings]
    people = [recording.person for recording in recordings]
    male = torch.tensor([person.sex == "male" for person in people])
    years = torch.tensor([person.years for person in people])
    known = told(male, years, faces, heard_by(listener, waves), prompts)
    moved = [wave for copy in range(copies) for wave in moved_at_random(recordings, copy, seed, cache)]
    parts = {"recorded": (waves, known, group_weights(people))}
    if moved:
        parts["moved"] = (moved, answered(heard_by(listener, moved), prompts), equal(len(moved)))
    if synthetic is not None:
        years = torch.from_numpy(np.asarray(synthetic.years))
        lesson = told(torch.from_numpy(synthetic.male == 1), years, faces, None, prompts)
        parts["synthetic"] = (list(synthetic.waveforms), lesson, equal(len(synthetic)))
    shares = np.array([SHARES[name] for name in parts])
    voices, lessons, weights = zip(*parts.values(), strict=True)
    weighed = [share * weight for share, weight in zip(shares / shares.sum(), weights, strict=True)]
    return PeopleBank(
        [wave for part in voices for wave in part],
        Lesson(*map(torch.cat, zip(*lessons, strict=True))),
        np.concatenate(weighed),
        len(recordings),
    )


def told(
    male: Bool[Tensor, " voice"],
    years: Float[Tensor, " voice"],
    faces: FaceTargets,
    heard: Float[Tensor, "voice embed"] | None,
    prompts: Prompts,
) -> Lesson:
    """What is known of people: their mean faces, their sex unless they are children, their age.

    Args:
        male: Of the speaker.
        years: Of the speaker.
        faces: The mean faces.
        heard: What the strong ear makes of the voices, if it was asked: then the targets are halfway to it,
            and it says how much of a child's sex can be heard.
        prompts: The words that this is read by.
    """
    targets = faces.of(male, years.float())
    sex = F.one_hot((~male).long(), 2).float()
    children = years <= SEXLESS_UNTIL
    sex[children] = 0.5
    if heard is not None:
        targets = F.normalize(targets + heard, dim=-1)
        sex[children] = prompt_logits(heard[children], prompts.sex).softmax(dim=-1)
    return Lesson(targets, sex, F.one_hot(age_group(years), 3).float())


def answered(heard: Float[Tensor, "voice embed"], prompts: Prompts) -> Lesson:
    """What the strong ear says of voices of which nothing is known, a little surer than it is."""
    sex, age = ((2 * prompt_logits(heard, words)).softmax(dim=-1) for words in (prompts.sex, prompts.age))
    return Lesson(heard, sex, age)


def equal(count: int) -> Float[np.ndarray, " voice"]:
    """Equal weights that sum to 1."""
    return np.full(count, 1 / count)


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
