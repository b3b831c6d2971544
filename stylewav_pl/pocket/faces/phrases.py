"""Facts about faces, and phrases of which exactly one fits a face."""

from dataclasses import dataclass

from jaxtyping import Bool, Int
from torch import Tensor

UNCLEAR = -1
FACTS: dict[str, tuple[str, ...]] = {
    "sex": ("male", "female"),
    "age": ("child", "adult", "old"),
    "youth": ("young", "old"),
    "glasses": ("with", "without"),
    "beard": ("with", "without"),
    "moustache": ("with", "without"),
    "hair_colour": ("black", "brown", "blond", "red", "gray", "white"),
    "hair_length": ("long", "short"),
    "curl": ("curly", "straight"),
    "baldness": ("bald", "hair"),
    "smile": ("smiling", "sad"),
}
FACT_NAMES = tuple(FACTS)
TEMPLATES = (
    "this is a photo of {}",
    "a photo of {}",
    "{}",
    "this is {}",
    "a picture of {}",
    "this is a picture of {}",
    "a portrait of {}",
    "the face of {}",
    "an image of {}",
    "a drawing of {}",
    "a cartoon of {}",
)


@dataclass(frozen=True)
class PhraseSet:
    """Phrases of which exactly one fits a face.

    Attributes:
        fact: The fact that decides, a key of :data:`FACTS`.
        phrases: One per value of that fact, in its order.
        grown_only: The phrases suit grown-ups only.
    """

    fact: str
    phrases: tuple[str, ...]
    grown_only: bool = False

    def prompts(self, template: str = TEMPLATES[0]) -> tuple[str, ...]:
        """Returns the phrases as sentences."""
        return tuple(template.format(phrase) for phrase in self.phrases)

    def answers(self, facts: Int[Tensor, "face fact"]) -> tuple[Int[Tensor, " face"], Bool[Tensor, " face"]]:
        """Returns the index of the right phrase for each face, and whether it is clear.

        The index is 0 where it is not.
        """
        index = facts[:, FACT_NAMES.index(self.fact)]
        clear = index != UNCLEAR
        if self.grown_only:
            clear = clear & (facts[:, FACT_NAMES.index("age")] > 0)
        return index.clamp_min(0), clear


PROMPT_SETS: dict[str, PhraseSet] = {
    "boy-girl": PhraseSet("sex", ("a boy", "a girl")),
    "man-woman": PhraseSet("sex", ("a man", "a woman"), grown_only=True),
    "male-female": PhraseSet("sex", ("a male person", "a female person")),
    "child-adult-old": PhraseSet("age", ("a child", "an adult", "an old person")),
    "young-old": PhraseSet("youth", ("a young person", "an old person")),
    "glasses": PhraseSet("glasses", ("a person with glasses", "a person without glasses")),
    "beard": PhraseSet("beard", ("a person with a beard", "a person without a beard")),
    "moustache": PhraseSet("moustache", ("a person with a moustache", "a person without a moustache")),
    "hair-colour": PhraseSet(
        "hair_colour", tuple(f"a person with {colour} hair" for colour in FACTS["hair_colour"])
    ),
    "hair-length": PhraseSet("hair_length", ("a person with long hair", "a person with short hair")),
    "curl": PhraseSet("curl", ("a person with curly hair", "a person with straight hair")),
    "baldness": PhraseSet("baldness", ("a bald person", "a person with hair")),
    "smile": PhraseSet("smile", ("a smiling person", "a sad person")),
}
