"""Faces that share their identity and differ in all the rest: what the pocket identity network learns from.

Identity is what an edit should leave: the tone of the skin, the shape of head, eyes, nose and mouth, brows,
irises and freckles, each measured against the mean of a face's sex and age. Sex and age are not part of it,
for a voice of the other sex is to change the one and keep the other; nor are glasses, hair, beard, smile,
gaze, clothes, position and background.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from stylewav_pl.generators.base import Generator
from stylewav_pl.pocket.faces import Z_DIM, render
from stylewav_pl.pocket.faces.attributes import IDENTITY, normalise
from stylewav_pl.training.clip_faces import generated

FULL, TOP, LEFT, WINDOW = 128, 12, 16, 96  # pixels: what is kept of an image, with a border to move it in
DRAWN, GENERATED = 2, 2  # images of each identity
VERSIONS = DRAWN + GENERATED
CHUNK = 50  # identities
Images = Float[Tensor, "face 3 size size"]


@dataclass(frozen=True)
class People:
    """Stored faces of several identities.

    Attributes:
        pixels: 8 bit, in a file; the first versions are drawn, the others generated.
        identities: The numbers that the faces of one identity share, about standard normal.
    """

    pixels: UInt8[np.ndarray, "identity version 3 size size"]
    identities: Float[Tensor, "identity number"]

    def images(self, rows: Int[Tensor, " row"], versions: Int[Tensor, " row"]) -> Images:
        """Returns some of them in [-1, 1]."""
        return torch.from_numpy(self.pixels[rows.numpy(), versions.numpy()]).float() / 127.5 - 1


def same_identity(z: Float[Tensor, "face 64"], rng: torch.Generator) -> Float[Tensor, "face 64"]:
    """Returns other noise for faces of the same identities.

    The new numbers are as long as those that they replace, since only the direction of z counts.
    """
    shared = torch.zeros(Z_DIM, dtype=torch.bool)
    shared[list(IDENTITY)] = True
    old, new = z.masked_fill(shared, 0), torch.randn(z.shape, generator=rng).masked_fill(shared, 0)
    longer = torch.linalg.vector_norm(old, dim=1, keepdim=True)
    longer = longer / torch.linalg.vector_norm(new, dim=1, keepdim=True)
    other: Tensor = z.masked_fill(~shared, 0) + new * longer
    return other


def identity_numbers(z: Float[Tensor, "face 64"]) -> Float[Tensor, "face number"]:
    """Returns what faces of one identity share."""
    return normalise(z)[:, list(IDENTITY)]


def versions_of(
    z: Float[Tensor, "face 64"], generator: Generator, rng: torch.Generator
) -> Float[Tensor, "face version 3 128 128"]:
    """Returns all versions of some identities: drawn ones, then generated ones."""
    drawn = [render(same_identity(z, rng), FULL) for _ in range(DRAWN)]
    made = [generated(generator, same_identity(z, rng), rng, FULL) for _ in range(GENERATED)]
    return torch.stack([*drawn, *made], dim=1)


def noise_of(seed: int, start: int, count: int) -> tuple[torch.Generator, Float[Tensor, "face 64"]]:
    """Returns the noise of one chunk of identities, and the random numbers of their versions."""
    rng = torch.Generator().manual_seed(seed * 1_000_003 + start)
    return rng, torch.randn(min(CHUNK, count - start), Z_DIM, generator=rng)


def people(
    path: Path,
    count: int,
    seed: int,
    generator: Generator,
    shown: Callable[[range], Iterable[int]] = lambda starts: starts,
) -> People:
    """Returns faces of ``count`` identities; they are made once and kept in ``path``.

    Args:
        path: The file.
        count: Identities.
        seed: Decides on all of them.
        generator: Makes half of the faces.
        shown: Wraps the loop, to show how far it is.
    """
    starts = range(0, count, CHUNK)
    if not path.is_file():
        part = path.with_name(path.name + ".part")
        shape = (count, VERSIONS, 3, WINDOW, WINDOW)
        file = np.lib.format.open_memmap(part, "w+", np.uint8, shape)
        for start in shown(starts):
            rng, z = noise_of(seed, start, count)
            windows = versions_of(z, generator, rng)[..., TOP : TOP + WINDOW, LEFT : LEFT + WINDOW]
            file[start : start + len(z)] = ((windows + 1) * 127.5).round().clamp(0, 255).byte().numpy()
        file.flush()
        part.replace(path)
    numbers = [identity_numbers(noise_of(seed, start, count)[1]) for start in starts]
    return People(np.load(path, mmap_mode="r"), torch.cat(numbers))
