"""What a voice should look like: the mean CLIP embedding of many faces that share its sex and age.

A mean instead of one face: what the voice does not say (glasses, hair colour, skin) cancels out, so it is
neither learned nor asked for. Where a child's sex cannot be heard, the mean is over both sexes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.generators import Generator
from stylewav_pl.pocket.faces import PROMPT_SETS, Z_DIM, attributes_of, render

CLEAR_SEX = 0.3  # faces with a smaller |sex| belong to neither mean
AGE_REACH = 0.07  # of the faces' scale from 0 to 1, to both sides
SEXLESS_UNTIL, ADULT_FROM, OLD_FROM = 12.0, 16.0, 60.0  # years
FACES = 4000
AT_ONCE = 100
TEXT_SCALE = 10.0  # cosines to logits

# Years to the faces' scale, where a child is below .3 and an old person above .7.
FACE_AGES = (
    (4.0, 12.0, 15.0, 18.0, 30.0, 60.0, 88.0),
    (0.04, 0.20, 0.30, 0.38, 0.50, 0.70, 0.96),
)


def face_age(years: Float[np.ndarray, " clip"]) -> Float[np.ndarray, " clip"]:
    """Age on the faces' scale.

    >>> face_age(np.array([12.0, 18.0, 60.0])).tolist()
    [0.2, 0.38, 0.7]
    """
    return np.asarray(np.interp(years, *FACE_AGES))


@dataclass(frozen=True)
class FaceTargets:
    """Embedded faces, to be averaged.

    Attributes:
        embeddings: Unit vectors.
        sex: -1 female ... 1 male.
        age: On the faces' scale.
    """

    embeddings: Float[Tensor, "face embed"]
    sex: Float[Tensor, " face"]
    age: Float[Tensor, " face"]

    def mean(self, sex: str | None, years: float) -> Float[Tensor, " embed"]:
        """The mean face of this sex (``None``: of both) and age, at unit length."""
        near = (self.age - float(face_age(np.array([years]))[0])).abs() < AGE_REACH
        sides = [self.sex > CLEAR_SEX, self.sex < -CLEAR_SEX]
        if sex is not None:
            sides = sides[:1] if sex == "male" else sides[1:]
        means = [self.embeddings[near & side].mean(dim=0) for side in sides]
        return F.normalize(torch.stack(means).mean(dim=0), dim=-1)

    def of(self, male: Bool[Tensor, " clip"], years: Float[Tensor, " clip"]) -> Float[Tensor, "clip embed"]:
        """The targets of voices; children's are neutral in sex."""
        known: dict[tuple[str | None, float], Tensor] = {}
        rows = []
        for is_male, age in zip(male.tolist(), years.tolist(), strict=True):
            key = (_audible_sex(is_male, age), float(round(age)))
            if key not in known:
                known[key] = self.mean(*key)
            rows.append(known[key])
        return torch.stack(rows)


def _audible_sex(is_male: bool, years: float) -> str | None:
    if years <= SEXLESS_UNTIL:
        return None
    return "male" if is_male else "female"


@torch.no_grad()
def make_face_targets(
    clip_model: ImageTextEmbedder, generator: Generator | None, seed: int, count: int = FACES
) -> FaceTargets:
    """Embeds faces, half drawn and half generated.

    Args:
        clip_model: The frozen teacher.
        generator: Makes half of the faces; all are drawn when ``None``.
        seed: Decides which.
        count: How many faces.
    """
    rng = torch.Generator().manual_seed(seed)
    embeddings, sexes, ages = [], [], []
    for start in range(0, count, AT_ONCE):
        z = torch.randn(min(AT_ONCE, count - start), Z_DIM, generator=rng)
        attributes = attributes_of(z)
        drawn = generator is None or start // AT_ONCE % 2 == 1
        images = render(z) if drawn or generator is None else generator.synthesize(generator.map(z))
        embeddings.append(clip_model.embed_image(images))
        sexes.append(attributes.sex)
        ages.append(attributes.age)
    return FaceTargets(torch.cat(embeddings), torch.cat(sexes), torch.cat(ages))


class Prompts(NamedTuple):
    """The words by which sex and age are asked, embedded.

    Attributes:
        sex: ``a boy``, ``a girl``.
        age: ``a child``, ``an adult``, ``an old person``.
    """

    sex: Float[Tensor, "2 embed"]
    age: Float[Tensor, "3 embed"]


def embed_prompts(clip_model: ImageTextEmbedder) -> Prompts:
    """Embeds the prompts of the demo and of the age groups."""
    sets: Sequence[str] = ("boy-girl", "child-adult-old")
    sex, age = (clip_model.embed_text(PROMPT_SETS[name].prompts()) for name in sets)
    return Prompts(sex, age)


def age_group(years: Float[Tensor, " clip"]) -> Int[Tensor, " clip"]:
    """0 of a child, 1 of an adult, 2 of an old person."""
    return (years >= ADULT_FROM).long() + (years >= OLD_FROM).long()


def prompt_logits(
    audio: Float[Tensor, "clip embed"], words: Float[Tensor, "text embed"]
) -> Float[Tensor, "clip text"]:
    """How near unit vectors are to each prompt, for a softmax."""
    return TEXT_SCALE * audio @ words.T


def text_loss(
    audio: Float[Tensor, "clip embed"],
    prompts: Prompts,
    male: Bool[Tensor, " clip"],
    years: Float[Tensor, " clip"],
) -> Float[Tensor, ""]:
    """Cross-entropy of the prompts: boy or girl where the sex can be heard; child, adult or old person.

    Args:
        audio: Unit vectors.
        prompts: See :class:`Prompts`.
        male: Of the speaker.
        years: Of the speaker.
    """
    grown = years > SEXLESS_UNTIL
    boy_girl = F.cross_entropy(prompt_logits(audio, prompts.sex), (~male).long(), reduction="none")
    age = F.cross_entropy(prompt_logits(audio, prompts.age), age_group(years), reduction="none")
    return ((boy_girl * grown).sum() + age.sum()) / len(audio)
