"""Words for faces: facts that can be told from the attributes, and captions made of them.

The words boy and girl are used for males and females of every age, as in the prompts of the StyleWav paper;
man and woman for grown-ups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from stylewav_pl.pocket.faces.attributes import CHILD_BELOW, OLD_ABOVE, Attributes
from stylewav_pl.pocket.faces.phrases import FACT_NAMES, FACTS, TEMPLATES, UNCLEAR

NOUNS_CHILD = {
    0: ("boy", "boy", "male child", "little boy"),
    1: ("girl", "girl", "female child", "little girl"),
}
NOUNS_GROWN = {
    0: ("boy", "man", "man", "male", "male person", "gentleman", "guy"),
    1: ("girl", "woman", "woman", "female", "female person", "lady"),
}
NOUNS_NEUTRAL = {
    0: ("child", "kid"),
    1: ("adult", "grown person"),
    2: ("old person", "elderly person"),
    UNCLEAR: ("person", "human", "face"),
}
# fmt: off
WORDS: tuple[str, ...] = (
    "a", "an", "and", "the", "this", "that", "it", "is", "of", "in", "has", "who", "wearing", "with",
    "without", "no", "not", "photo", "picture", "portrait", "image", "drawing", "cartoon", "face",
    "person", "human", "someone", "boy", "girl", "man", "woman", "male", "female", "gentleman", "guy",
    "lady", "child", "kid", "adult", "grown", "young", "old", "elderly", "little", "glasses", "spectacles",
    "beard", "bearded", "moustache", "mustache", "hair", "black", "brown", "blond", "blonde", "red",
    "gray", "grey", "white", "long", "short", "curly", "straight", "bald", "smiling", "happy", "sad",
    "unhappy",
)
# fmt: on


@dataclass(frozen=True)
class Caption:
    """A sentence and the facts it states.

    Attributes:
        text: Lower case, words of :data:`WORDS` only.
        stated: One value per fact in the order of ``FACT_NAMES``; ``UNCLEAR`` where the caption is silent.
    """

    text: str
    stated: tuple[int, ...]


def facts_of(a: Attributes) -> Int[Tensor, "face fact"]:
    """Tells what is clearly true of each face.

    An index into each of :data:`FACTS`, or ``UNCLEAR`` too near to a border.
    """
    hairless = a.baldness > 0.5
    columns = {
        "sex": _either(a.sex > 0.35, a.sex < -0.35),
        "age": _age(a.age),
        "youth": _either(a.age < 0.40, a.age > OLD_ABOVE + 0.05),
        "glasses": _either(a.glasses > 0.75, a.glasses < 0.25),
        "beard": _either(a.beard > 0.70, a.beard < 0.20),
        "moustache": _either(a.moustache > 0.70, a.moustache < 0.20),
        "hair_colour": _hair_colour(a).masked_fill(hairless, UNCLEAR),
        "hair_length": _either(a.hair_length > 0.58, a.hair_length < 0.42).masked_fill(hairless, UNCLEAR),
        "curl": _either(a.curl > 0.75, a.curl < 0.25).masked_fill(hairless, UNCLEAR),
        "baldness": _either(a.baldness > 0.70, a.baldness < 0.20),
        "smile": _either(a.smile > 0.40, a.smile < -0.25),
    }
    return torch.stack([columns[name] for name in FACT_NAMES], dim=1)


def caption(facts: Sequence[int], rng: Random) -> Caption:
    """One of very many true captions of a face.

    Args:
        facts: A row of :func:`facts_of`.
        rng: Decides on the wording and on what is mentioned.
    """
    known = dict(zip(FACT_NAMES, facts, strict=True))
    stated: dict[str, int] = {}
    noun = _noun(known, stated, rng)
    adjective = _adjective(known, stated, rng)
    details = _details(known, stated, rng)
    first = f"{adjective} {noun}".strip()
    phrase = f"{'an' if first[0] in 'aeiou' else 'a'} {first}"
    if details:
        phrase += f" {' and '.join(details)}"
    return Caption(
        rng.choice(TEMPLATES).format(phrase), tuple(stated.get(name, UNCLEAR) for name in FACT_NAMES)
    )


def fits(
    stated: Int[Tensor, "caption fact"], facts: Int[Tensor, "face fact"]
) -> Bool[Tensor, "face caption"]:
    """Tells whether everything that a caption states is clearly true of a face."""
    return ((stated[None] == UNCLEAR) | (stated[None] == facts[:, None])).all(dim=2)


def _noun(known: dict[str, int], stated: dict[str, int], rng: Random) -> str:
    sex, age = known["sex"], known["age"]
    if sex != UNCLEAR and rng.random() < 0.75:
        noun = rng.choice(NOUNS_CHILD[sex] if age == 0 else NOUNS_GROWN[sex])
        stated["sex"] = sex
        if "little" in noun or "child" in noun:
            stated["age"] = 0
        return noun
    if age != UNCLEAR and rng.random() < 0.5:
        stated["age"] = age
        return rng.choice(NOUNS_NEUTRAL[age])
    return rng.choice(NOUNS_NEUTRAL[UNCLEAR])


def _adjective(known: dict[str, int], stated: dict[str, int], rng: Random) -> str:
    words = []
    if known["smile"] != UNCLEAR and rng.random() < 0.2:
        stated["smile"] = known["smile"]
        words.append(rng.choice((("smiling", "happy"), ("sad", "unhappy"))[known["smile"]]))
    if known["youth"] != UNCLEAR and "age" not in stated and rng.random() < 0.4:
        stated["youth"] = known["youth"]
        words.append(("young", rng.choice(("old", "elderly")))[known["youth"]])
    if known["baldness"] == 0 and rng.random() < 0.4:
        stated["baldness"] = 0
        words.append("bald")
    return " ".join(words)


def _details(known: dict[str, int], stated: dict[str, int], rng: Random) -> list[str]:
    details = []
    for name, share in (("glasses", 0.5), ("beard", 0.35), ("moustache", 0.25)):
        # Telling of a woman or a child that there is no beard would be odd.
        if known[name] != UNCLEAR and rng.random() < (
            share if name == "glasses" or known[name] == 0 or known["sex"] == 0 else 0.05
        ):
            stated[name] = known[name]
            details.append(_accessory(name, known[name], rng))
    if rng.random() < 0.55:
        details.extend(_hair(known, stated, rng))
    rng.shuffle(details)
    return details


def _accessory(name: str, value: int, rng: Random) -> str:
    noun = {
        "glasses": rng.choice(("glasses", "glasses", "spectacles")),
        "moustache": rng.choice(("moustache", "mustache")),
    }.get(name, name)
    article = "" if name == "glasses" else "a "
    if value == 0:
        return rng.choice((f"with {article}{noun}", f"who has {article}{noun}", f"wearing {article}{noun}"))
    return rng.choice((f"without {article}{noun}", f"with no {noun}", f"without {noun}"))


def _hair(known: dict[str, int], stated: dict[str, int], rng: Random) -> list[str]:
    words = []
    for name, share in (("hair_length", 0.6), ("curl", 0.3), ("hair_colour", 0.7)):
        if known[name] != UNCLEAR and rng.random() < share:
            stated[name] = known[name]
            word = FACTS[name][known[name]]
            words.append(
                rng.choice({"blond": ("blond", "blonde"), "gray": ("gray", "grey")}.get(word, (word,)))
            )
    return [f"{rng.choice(('with', 'who has'))} {' '.join(words)} hair"] if words else []


def _either(first: Bool[Tensor, " face"], second: Bool[Tensor, " face"]) -> Int[Tensor, " face"]:
    return torch.where(first, 0, torch.where(second, 1, UNCLEAR))


def _age(age: Tensor) -> Int[Tensor, " face"]:
    margin = 0.05
    child, old = age < CHILD_BELOW - margin, age > OLD_ABOVE + margin
    adult = (age > CHILD_BELOW + margin) & (age < OLD_ABOVE - margin)
    return torch.where(child, 0, torch.where(adult, 1, torch.where(old, 2, UNCLEAR)))


def _hair_colour(a: Attributes) -> Int[Tensor, " face"]:
    share, index = a.hair_colour.max(dim=1)
    coloured = torch.where((a.greyness < 0.2) & (share > 0.6), index, UNCLEAR)
    gray = (a.greyness > 0.8) & (a.whiteness < 0.4)
    white = (a.greyness > 0.8) & (a.whiteness > 0.7)
    return torch.where(gray, 4, torch.where(white, 5, coloured))
