"""What faces show beside sex and age: how often each accessory, hair colour, skin tone and background occurs.

Told by a judge from prompts and, where prompts have no words for it, from the colours of pixels. Two sets of
faces, or the women and men of one set, are compared by their shares.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.base import Generator
from stylewav_pl.pocket.faces import FACTS, PROMPT_SETS, Z_DIM, attributes_of

ASKED = ("glasses", "beard", "hair-colour", "hair-length", "curl", "smile")
TONES = ("light", "medium", "dark")
TONE_BORDERS = (0.66, 0.48)  # of the brightness beside the nose in [0, 1]: a third of the drawn faces each
HUES = ("red", "green", "blue")
SEED = 3_000_000_019
AT_ONCE = 100
Answers = Mapping[str, Int[Tensor, " face"]]

ANSWERS: dict[str, Sequence[str]] = {
    **{name: FACTS[PROMPT_SETS[name].fact] for name in ASKED},
    "skin": TONES,
    "background": HUES,
}


@torch.no_grad()
def answers(judge: ImageTextEmbedder, images: Float[Tensor, "face 3 size size"]) -> dict[str, Tensor]:
    """Returns the index of the answer to each question of :data:`ANSWERS`, for images in [-1, 1]."""
    return answers_of(judge, embed(judge, images), images)


@torch.no_grad()
def embed(judge: ImageTextEmbedder, images: Float[Tensor, "face 3 size size"]) -> Float[Tensor, "face embed"]:
    """Returns what the judge sees, in parts that fit any memory."""
    return torch.cat([judge.embed_image(images[i : i + AT_ONCE]) for i in range(0, len(images), AT_ONCE)])


@torch.no_grad()
def answers_of(
    judge: ImageTextEmbedder,
    embedded: Float[Tensor, "face embed"],
    images: Float[Tensor, "face 3 size size"],
) -> dict[str, Tensor]:
    """Returns :func:`answers` for images that are embedded already."""
    told = {
        name: (embedded @ judge.embed_text(PROMPT_SETS[name].prompts()).T).argmax(dim=1) for name in ASKED
    }
    return {**told, "skin": skin_tone(images), "background": background_hue(images)}


def skin_tone(images: Float[Tensor, "face 3 size size"]) -> Int[Tensor, " face"]:
    """Returns an index into :data:`TONES`, from the brightness on both sides of the nose."""
    size = images.shape[-1]
    patch = images[:, :, round(0.51 * size) : round(0.56 * size), round(0.46 * size) : round(0.55 * size)]
    brightness = (patch.mean(dim=(1, 2, 3)) + 1) / 2
    return (brightness[:, None] < brightness.new_tensor(TONE_BORDERS)).sum(dim=1)


def background_hue(images: Float[Tensor, "face 3 size size"]) -> Int[Tensor, " face"]:
    """Returns an index into :data:`HUES`: the strongest colour of the two upper corners."""
    edge = round(0.12 * images.shape[-1])
    corners = torch.cat([images[:, :, :edge, :edge], images[:, :, :edge, -edge:]], dim=3)
    return corners.mean(dim=(2, 3)).argmax(dim=1)


def shares(
    told: Answers, chosen: Bool[Tensor, " face"] | Float[Tensor, " face"] | None = None
) -> dict[str, float]:
    """Returns the share of each answer, as ``question: answer``, among all or the chosen (or weighted) faces.

    >>> shares({"skin": torch.tensor([0, 0, 1, 2])})
    {'skin: light': 0.5, 'skin: medium': 0.25, 'skin: dark': 0.25}
    """
    found = {}
    for question, index in told.items():
        weights = torch.ones(len(index)) if chosen is None else chosen.float()
        for number, answer in enumerate(ANSWERS[question]):
            found[f"{question}: {answer}"] = float(weights[index == number].sum() / weights.sum())
    return found


@torch.no_grad()
def random_faces(
    generator: Generator, count: int, truncation: float, cutoff: int | None = None
) -> tuple[Float[Tensor, "face z"], Float[Tensor, "face 3 size size"]]:
    """Returns the noise of random samples, the same for every generator, and their images."""
    z = torch.randn(count, Z_DIM, generator=torch.Generator().manual_seed(SEED))
    parts = [generator.synthesize(generator.map(some, truncation, cutoff)) for some in torch.split(z, 50)]
    return z, torch.cat(parts)


@torch.no_grad()
def random_samples(
    generator: str | Path, judge: str | Path, count: int = 1000, truncation: float = 1.0
) -> dict[str, tuple[float, float]]:
    """Returns the share of each answer among the women and among the men of a generator's random samples.

    Raises:
        WeightsError: There are no such weights.
    """
    network, embedder = load_generator(generator), load_image_text_embedder(judge)
    z, images = random_faces(network, count, truncation)
    told = answers(embedder, images)
    male = attributes_of(z).sex > 0
    women, men = shares(told, ~male), shares(told, male)
    return {name: (women[name], men[name]) for name in women}


def table(found: Mapping[str, tuple[float, float]]) -> str:
    """Returns the shares as Markdown."""
    lines = ["| | women | men |", "|---|---|---|"]
    lines += [f"| {name} | {women:.2f} | {men:.2f} |" for name, (women, men) in found.items()]
    return "\n".join(lines)
