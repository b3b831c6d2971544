"""What the faces of a run show beside what was asked for, next to random samples of the same generator.

A voice says nothing about glasses, hair colour, skin or background: their shares among the faces of women and
men should be those of random women and men, and the faces should differ among each other as much.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.base import Generator
from stylewav_pl.pocket.faces import PROMPT_SETS
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.training.nuisance import answers_of, embed, random_faces, shares

TRAIT, WOMEN, MEN = "sex", "female", "male"
SAMPLES = 1000


@dataclass(frozen=True)
class Shares:
    """How often one answer is given.

    Attributes:
        women: Among the faces of women's voices.
        random_women: Among random samples of women.
        men: Among the faces of men's voices.
        random_men: Among random samples of men.
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


@torch.no_grad()
def measure(
    images: Float[Tensor, "face 3 size size"],
    male: Bool[Tensor, " face"],
    generator: Generator,
    judge: ImageTextEmbedder,
    truncation: float,
    samples: int = SAMPLES,
) -> BaseRates:
    """Compares faces with random samples.

    Args:
        images: Of voices whose sex is known, in [-1, 1].
        male: Whether each voice is male; which random samples are men is the judge's word.
        generator: Made the faces.
        judge: Not the network that they were optimised against.
        truncation: Of the random samples, as that of the faces' starts; 0 counts as 1.
        samples: How many there are.
    """
    _, random = random_faces(generator, samples, truncation or 1.0)
    seen, seen_random = embed(judge, images), embed(judge, random)
    boys = seen_random @ judge.embed_text(PROMPT_SETS["boy-girl"].prompts()).T
    random_male = boys.argmax(dim=1) == 0
    own, others = answers_of(judge, seen, images), answers_of(judge, seen_random, random)
    columns = [
        shares(own, ~male),
        shares(others, ~random_male),
        shares(own, male),
        shares(others, random_male),
    ]
    found = {name: Shares(*(column[name] for column in columns)) for name in columns[0]}
    return BaseRates(found, spread(seen) / spread(seen_random))


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
    images = torch.stack([_read(finished.image(row.clip.id)) for row in rows])
    generator, network = load_generator(model["generator"]), load_image_text_embedder(judge)
    return measure(
        images, male, generator, network, (model.get("start") or {}).get("truncation", 0.0), samples
    )


def _read(file: bytes) -> Float[Tensor, "3 size size"]:
    """Returns a written picture in [-1, 1]."""
    pixels = np.array(Image.open(BytesIO(file)).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1


def table(found: BaseRates) -> str:
    """Returns the shares as Markdown, the largest shifts first."""
    lines = ["| | women | random women | men | random men | shift |", "|---|---|---|---|---|---|"]
    for name, one in sorted(found.shares.items(), key=lambda entry: -entry[1].shift):
        numbers = (one.women, one.random_women, one.men, one.random_men, one.shift)
        lines.append(f"| {name} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")
    return "\n".join([*lines, "", f"diversity: {found.diversity:.2f} of random samples'"])
