"""The faces that the pocket CLIP models learn from, kept on disk, and what is true of them.

All facts are known exactly because noise z determines them, for drawn and for generated faces.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders.preprocess import clip_preprocess, reference_preprocess
from stylewav_pl.generators import Generator
from stylewav_pl.pocket.faces import Z_DIM, attributes_of, caption, facts_of, render
from stylewav_pl.training.image_augmentation import augment

# Share of images that go through StyleCLIP's preprocessing, so that experiments may use either.
REFERENCE_SHARE = 0.3
CHUNK = 100
JITTER = 0.25  # of w's deviation, at most: optimised latents do not lie exactly where mapped ones do
FromNoise = Callable[[Float[Tensor, "face z"], torch.Generator], Float[Tensor, "face 3 size size"]]


@dataclass(frozen=True)
class Batch:
    """Faces of one step: augmented images in [-1, 1], their facts, one caption each and what it states."""

    images: Float[Tensor, "face 3 size size"]
    facts: Int[Tensor, "face fact"]
    captions: tuple[str, ...]
    stated: Int[Tensor, "face fact"]

    def to(self, device: str) -> "Batch":
        """Returns the batch on another device."""
        return replace(
            self, images=self.images.to(device), facts=self.facts.to(device), stated=self.stated.to(device)
        )


@dataclass(frozen=True)
class Faces:
    """Stored faces.

    Attributes:
        pixels: 8 bit, perhaps in a file.
        facts: A row of :func:`~stylewav_pl.pocket.faces.facts_of` for each.
    """

    pixels: UInt8[np.ndarray, "face 3 size size"]
    facts: Int[Tensor, "face fact"]

    def images(self, rows: Int[Tensor, " row"]) -> Float[Tensor, "row 3 size size"]:
        """Returns some of them in [-1, 1]."""
        return torch.from_numpy(self.pixels[rows.numpy()]).float() / 127.5 - 1


def drawn_faces(path: Path, count: int, size: int, seed: int) -> Faces:
    """Returns ``count`` drawn faces; they are drawn once and kept in ``path``."""
    return _stored(path, count, size, seed, lambda z, rng: render(z, size))


def generated_faces(path: Path, count: int, size: int, seed: int, generator: Generator) -> Faces:
    """Returns ``count`` outputs of the generator; they are made once and kept in ``path``."""
    return _stored(path, count, size, seed, lambda z, rng: generated(generator, z, rng, size))


def _stored(path: Path, count: int, size: int, seed: int, make: FromNoise) -> Faces:
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        file = np.lib.format.open_memmap(part, "w+", np.uint8, (count, 3, size, size))
        for start in range(0, count, CHUNK):
            rng, z = _noise(seed, start, count)
            images = make(z, rng)
            file[start : start + len(z)] = ((images + 1) * 127.5).round().clamp(0, 255).byte().numpy()
        file.flush()
        part.replace(path)
    chunks = [facts_of(attributes_of(_noise(seed, start, count)[1])) for start in range(0, count, CHUNK)]
    return Faces(np.load(path, mmap_mode="r"), torch.cat(chunks))


def _noise(seed: int, start: int, count: int) -> tuple[torch.Generator, Float[Tensor, "face z"]]:
    rng = torch.Generator().manual_seed(seed * 1_000_003 + start)
    return rng, torch.randn(min(CHUNK, count - start), Z_DIM, generator=rng)


@torch.no_grad()
def generated(
    generator: Generator, z: Float[Tensor, "face z"], rng: torch.Generator, size: int
) -> Float[Tensor, "face 3 size size"]:
    """Returns outputs of the generator for latents near those of ``z``."""
    w = generator.map(z)
    strength = JITTER * torch.rand(len(z), 1, generator=rng)
    images = generator.synthesize(w + strength * w.std(dim=0) * torch.randn(w.shape, generator=rng))
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def make_batch(size: int, seed: int, step: int, drawn: Faces, generated: Faces | None) -> Batch:
    """Returns the faces of a step: half drawn, half generated where there are such."""
    rng = torch.Generator().manual_seed(seed * 1_000_003 + step)
    sources = [(drawn, size)] if generated is None else [(drawn, size // 2), (generated, size - size // 2)]
    images, facts = [], []
    for faces, count in sources:
        rows = torch.randint(len(faces.facts), (count,), generator=rng)
        images.append(faces.images(rows))
        facts.append(faces.facts[rows])
    wording = Random(seed * 1_000_003 + step)
    captions = [caption(row, wording) for row in torch.cat(facts).tolist()]
    stated = torch.tensor([one.stated for one in captions])
    texts = tuple(one.text for one in captions)
    return Batch(augment(torch.cat(images), rng), torch.cat(facts), texts, stated)


def prepare(
    images: Float[Tensor, "face 3 size size"], image_size: int, rng: Random
) -> Float[Tensor, "face 3 size size"]:
    """Returns some images preprocessed as by StyleCLIP, the others as by CLIP; which ones is drawn."""
    order = torch.tensor(rng.sample(range(len(images)), len(images)))
    chosen = torch.zeros(len(images), dtype=torch.bool)
    chosen[order[: round(REFERENCE_SHARE * len(images))]] = True
    return torch.where(
        chosen.view(-1, 1, 1, 1).to(images.device),
        reference_preprocess(images, image_size),
        clip_preprocess(images, image_size),
    )
