"""What the faces of a run show beside what was asked for, next to random samples of the same generator.

A voice says nothing about glasses, hair colour, skin or background: their shares among the faces of women and
men should be those of random women and men of the same age, and the faces should differ among each other as
much.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.base import Generator
from stylewav_pl.pictures.images import from_picture
from stylewav_pl.pocket.faces import PROMPT_SETS
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.training.nuisance import Answers, answers_of, embed, random_faces, shares

TRAIT, WOMEN, MEN = "sex", "female", "male"
SEX, AGE = "boy-girl", "child-adult-old"  # what voices do say, as the judge sees it in faces
SAMPLES = 1000


@dataclass(frozen=True)
class Shares:
    """How often one answer is given.

    Attributes:
        women: Among the faces of women's voices.
        random_women: Among random samples of women, weighted so that the judge sees ages as in ``women``.
        men: Among the faces of men's voices.
        random_men: The same for men.
    """

    women: float
    random_women: float
    men: float
    random_men: float

    @property
    def shift(self) -> float:
        """The larger difference of the two, in [0, 1]."""
        return max(abs(self.women - self.random_women), abs(self.men - self.random_men))


@dataclass(frozen=True)
class BaseRates:
    """What was found.

    Attributes:
        shares: By ``question: answer``.
        diversity: Mean distance between two faces' embeddings by the judge (1 - cosine), as a share of random
            samples'.
    """

    shares: Mapping[str, Shares]
    diversity: float


@dataclass(frozen=True)
class RandomFaces:
    """What a judge sees in random samples.

    Attributes:
        embedded: Unit norm.
        answers: See :func:`.nuisance.answers_of`.
    """

    embedded: Float[Tensor, "sample embed"]
    answers: Answers

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        generator: Generator,
        judge: ImageTextEmbedder,
        truncation: float,
        samples: int = SAMPLES,
        cutoff: int | None = None,
    ) -> "RandomFaces":
        """Makes and judges them.

        Args:
            generator: Makes them.
            judge: Not the network that faces were optimised against.
            truncation: As that of the faces' starts; 0 counts as 1.
            samples: How many.
            cutoff: As that of the faces' starts.
        """
        _, images = random_faces(generator, samples, truncation or 1.0, cutoff)
        embedded = embed(judge, images)
        return cls(embedded, answers_of(judge, embedded, images))


@torch.no_grad()
def measure(
    images: Float[Tensor, "face 3 size size"],
    male: Bool[Tensor, " face"],
    judge: ImageTextEmbedder,
    random: RandomFaces,
) -> BaseRates:
    """Compares faces with random samples.

    Args:
        images: Of voices whose sex is known, in [-1, 1].
        male: Whether each voice is male; which random samples are men is the judge's word.
        judge: Not the network that they were optimised against.
        random: Samples of the generator that made the faces, by the same judge.
    """
    seen, seen_random = embed(judge, images), random.embedded
    random_male = answer(judge, seen_random, SEX) == 0
    age, random_age = answer(judge, seen, AGE), answer(judge, seen_random, AGE)
    own, others = answers_of(judge, seen, images), random.answers
    columns = []
    for chosen, chosen_random in ((~male, ~random_male), (male, random_male)):
        columns += [shares(own, chosen), shares(others, as_old(age[chosen], random_age, chosen_random))]
    found = {name: Shares(*(column[name] for column in columns)) for name in columns[0]}
    return BaseRates(found, spread(seen) / spread(seen_random))


def answer(
    judge: ImageTextEmbedder, seen: Float[Tensor, "face embed"], question: str
) -> Int[Tensor, " face"]:
    """Returns which of a question's texts each face is nearest to."""
    return (seen @ judge.embed_text(PROMPT_SETS[question].prompts()).T).argmax(dim=1)


def as_old(
    ages: Int[Tensor, " face"], others: Int[Tensor, " other"], chosen: Bool[Tensor, " other"]
) -> Float[Tensor, " other"]:
    """Returns a weight for each of the other faces.

    With them the ages of the chosen ones are those of the faces.

    An age that no chosen one has counts for nothing.

    >>> chosen = torch.tensor([True, True, True, False])
    >>> as_old(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 1]), chosen)
    tensor([0.7500, 0.1250, 0.1250, 0.0000])
    """
    weights = torch.zeros(len(others))
    for age in range(int(ages.max()) + 1):
        same = chosen & (others == age)
        weights[same] = (ages == age).float().mean() / same.sum().clamp_min(1)
    return weights


def spread(embedded: Float[Tensor, "face embed"]) -> float:
    """Returns the mean of 1 - cosine over all pairs of faces, from what a judge sees in them."""
    count = len(embedded)
    return float((1 - embedded @ embedded.T).sum() / (count * (count - 1)))


def measure_run(run: Path, judge: str, samples: int = SAMPLES) -> BaseRates:
    """Compares the faces of a finished run with random samples at the truncation of its starts.

    Args:
        run: The run directory; its clips need the label ``sex``.
        judge: Registry name or weight file.
        samples: How many random samples.

    Raises:
        ConfigError: The run has no women or no men.
        RunDirectoryError: It cannot be read.
        WeightsError: There are no such weights.
    """
    finished = FinishedRun(run)
    rows = [row for row in finished.rows if row.done and row.clip.labels.get(TRAIT) in (WOMEN, MEN)]
    male = torch.tensor([row.clip.labels[TRAIT] == MEN for row in rows])
    if male.all() or not male.any():
        raise ConfigError(
            f"Expected a run with faces of women and of men (label {TRAIT}), found {int(male.sum())} men "
            f"among {len(male)}."
        )
    model = finished.configuration["model"]
    images = torch.stack([from_picture(Image.open(BytesIO(finished.image(row.clip.id)))) for row in rows])
    generator, network = load_generator(model["generator"]), load_image_text_embedder(judge)
    start = model.get("start") or {}
    truncation, cutoff = start.get("truncation", 0.0), start.get("truncation_cutoff")
    random = RandomFaces.of(generator, network, truncation, samples, cutoff)
    return measure(images, male, network, random)


def table(found: BaseRates) -> str:
    """Returns the shares as Markdown, the largest shifts first."""
    lines = ["| | women | random women | men | random men | shift |", "|---|---|---|---|---|---|"]
    for name, one in sorted(found.shares.items(), key=lambda entry: -entry[1].shift):
        numbers = (one.women, one.random_women, one.men, one.random_men, one.shift)
        lines.append(f"| {name} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")
    return "\n".join([*lines, "", f"diversity: {found.diversity:.2f} of random samples'"])
