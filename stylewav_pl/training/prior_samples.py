"""What a prior learns from: samples of a generator, what the guide sees, and what no voice says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm import tqdm

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.files import write_whole
from stylewav_pl.generators import load_generator
from stylewav_pl.priors import Belongings
from stylewav_pl.training.nuisance import answers_of

AT_ONCE = 64
HELD = ("glasses", "skin", "background")  # what no voice says, and what is not a sign of age as grey hair is


@dataclass(frozen=True)
class Samples:
    """What the generator makes, and what the guide sees in it.

    Attributes:
        latents: w.
        vectors: Unit norm.
        answers: To each question of :data:`HELD`, the index of the answer.
    """

    latents: Float[Tensor, "sample width"]
    vectors: Float[Tensor, "sample embed"]
    answers: Int[Tensor, "sample question"]


@torch.no_grad()
def make_samples(
    kept: Path,
    belongings: Belongings,
    generator: str | Path,
    clip_model: str | Path,
    count: int,
    seed: int,
    device: str,
    progress: bool,
) -> Samples:
    """Makes samples, or goes on with those of an interrupted training of the same networks.

    Args:
        kept: Where they are kept.
        belongings: The networks' hashes.
        generator: Makes them.
        clip_model: Looks at them.
        count: How many.
        seed: Of the noise.
        device: Where.
        progress: Whether to show a bar.
    """
    about = {"of": f"{belongings.generator} {belongings.guide} {belongings.preprocess} {seed}"}
    found = _read_samples(kept, about)
    network = load_generator(generator, device)
    guide = load_image_text_embedder(clip_model, device, belongings.preprocess)  # type: ignore[arg-type]
    parts = [found] if found else []
    done = len(found["latents"]) if found else 0
    bar = tqdm(range(done, count, AT_ONCE), desc="samples", disable=not progress)
    for first in bar:
        random = torch.Generator().manual_seed(seed * 1_000_003 + first)
        w = network.map(torch.randn(AT_ONCE, network.z_dim, generator=random).to(device))
        parts.append(_seen(w, network.synthesize(w), guide))
        if (first // AT_ONCE + 1) % 32 == 0:
            parts = [_joined(parts)]
            write_whole(kept, lambda file: file.write(save(parts[0], about)))  # noqa: B023 - called at once
    return Samples(**{name: tensor[:count] for name, tensor in _joined(parts).items()})


def _seen(
    latents: Float[Tensor, "sample width"],
    images: Float[Tensor, "sample 3 size size"],
    guide: ImageTextEmbedder,
) -> dict[str, Tensor]:
    """Returns what :class:`Samples` holds of these."""
    vectors = guide.embed_image(images).float()
    told = answers_of(guide, vectors, images)
    answers = torch.stack([told[question] for question in HELD], dim=1)
    return {"latents": latents.cpu(), "vectors": vectors.cpu(), "answers": answers.cpu()}


def _joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _read_samples(kept: Path, about: Mapping[str, str]) -> dict[str, Tensor] | None:
    if not kept.is_file():
        return None
    with safe_open(kept, framework="pt") as file:
        if file.metadata() != about:
            return None
    return load_file(kept)
