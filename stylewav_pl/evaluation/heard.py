"""What the audio encoder hears in each clip of a run, in words.

That is how near its target is to prompts, in the guide's space.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from stylewav_pl.runs.finished import FinishedRun

Questions: TypeAlias = Mapping[str, Mapping[str, str]]
"""By name of a question: prompt by word."""

QUESTIONS: Questions = MappingProxyType(
    {
        "sex": {"female": "this is a photo of a girl", "male": "this is a photo of a boy"},
        "age": {
            "child": "this is a photo of a child",
            "adult": "this is a photo of an adult",
            "old": "this is a photo of an old person",
        },
    }
)
"""Asked where a run is not scored with prompts of its own."""

SHARPNESS = 10.0  # cosines to logits, as in the training of the pocket encoders


@dataclass(frozen=True)
class Heard:
    """How strongly the words of one question fit a voice.

    Attributes:
        question: Such as ``sex``.
        shares: Word to its softmax over the words of the question, in [0, 1], the most fitting one first.
    """

    question: str
    shares: tuple[tuple[str, float], ...]

    @property
    def best(self) -> tuple[str, float]:
        """The word that fits best, and its share."""
        return self.shares[0]


def heard_in(run: FinishedRun, ids: Sequence[str], questions: Questions) -> dict[str, tuple[Heard, ...]]:
    """Answers questions about some clips from what the run has recorded.

    Args:
        run: Keeps targets and prompts as the guide sees them.
        ids: The clips.
        questions: Those of which a prompt was not recorded are left out.

    Returns:
        Answers by clip; clips without a recorded target are left out.

    Raises:
        RunDirectoryError: A file is damaged.
    """
    prompts = run.prompts()
    known = {
        name: by_word
        for name, by_word in questions.items()
        if by_word and all(text in prompts for text in by_word.values())
    }
    wanted = set(ids) if known else set()
    found = {}
    for _, cohort in run.embeddings() if wanted else ():
        for id, target in zip(cohort.ids, cohort.targets, strict=True):
            if id in wanted:
                found[id] = tuple(_answer(target, name, known[name], prompts) for name in known)
    return found


def _answer(
    target: Float[np.ndarray, " embed"],
    question: str,
    by_word: Mapping[str, str],
    prompts: Mapping[str, Float[np.ndarray, " embed"]],
) -> Heard:
    cosines = np.array([float(target @ prompts[text]) for text in by_word.values()])
    weights = np.exp(SHARPNESS * (cosines - cosines.max()))
    shares = zip(by_word, (weights / weights.sum()).tolist(), strict=True)
    return Heard(question, tuple(sorted(shares, key=lambda one: -one[1])))
