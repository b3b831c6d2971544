"""Whether a voice gets the same face again from another seed: by the judge's answers, and by features."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.evaluation.prompts import PromptSet
from stylewav_pl.evaluation.statistics import NotComputable
from stylewav_pl.runs.rows import ResultRow

ONE_FACE = NotComputable("each voice has one face")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often the judge answers the same of two faces.

    Attributes:
        same_voice: Share of the pairs of faces of one voice, in [0, 1].
        other_voice: Share of the pairs of faces of different voices: what chance gives.
    """

    same_voice: float
    other_voice: float


def agreement(
    rows: Sequence[ResultRow], voices: Sequence[str], prompts: PromptSet
) -> Agreement | NotComputable:
    """Compares the prompts that are nearest to the faces of one voice.

    Args:
        rows: Scored ones.
        voices: Whose face each is.
        prompts: Of one question.
    """
    if any(prompt not in row.scores for row in rows for prompt in prompts.sentences):
        return NotComputable("some faces were not scored with these prompts")
    scores = np.array([[row.scores[prompt] for prompt in prompts.sentences] for row in rows])
    answers = scores.reshape(len(rows), -1).argmax(axis=1).tolist()
    return shares_of_pairs(answers, voices)


def shares_of_pairs(answers: Sequence[int], voices: Sequence[str]) -> Agreement | NotComputable:
    """Returns how many pairs have the same answer.

    >>> shares_of_pairs([0, 0, 1, 0], ["a", "a", "b", "b"])
    Agreement(same_voice=0.5, other_voice=0.5)
    """
    within = [
        one == other
        for voice in dict.fromkeys(voices)
        for one, other in combinations(_of(answers, voices, voice), 2)
    ]
    everything = len(answers) * (len(answers) - 1) // 2
    if not within:
        return ONE_FACE
    if everything == len(within):
        return NotComputable("there is one voice")
    alike = sum(count * (count - 1) // 2 for count in Counter(answers).values())
    return Agreement(sum(within) / len(within), (alike - sum(within)) / (everything - len(within)))


def distance_ratio(features: Float[Tensor, "face feature"], voices: Sequence[str]) -> float | NotComputable:
    """Returns the mean distance of two faces of one voice over that of two voices.

    0: a voice has one face, whatever the seed; 1: the voice decides nothing.

    >>> distance_ratio(torch.tensor([[0.0], [1.0], [4.0], [5.0]]), ["a", "a", "b", "b"])
    0.25
    """
    names = {voice: index for index, voice in enumerate(dict.fromkeys(voices))}
    index = torch.tensor([names[voice] for voice in voices])
    same = (index[:, None] == index) & ~torch.eye(len(index), dtype=torch.bool)
    others = index[:, None] != index
    if not same.any():
        return ONE_FACE
    apart = torch.cdist(features, features)
    between = float(apart[others].mean()) if others.any() else 0.0
    if not between:
        return NotComputable("the faces of different voices are the same")
    return float(apart[same].mean()) / between


def _of(answers: Sequence[int], voices: Sequence[str], voice: str) -> list[int]:
    return [answer for answer, whose in zip(answers, voices, strict=True) if whose == voice]
