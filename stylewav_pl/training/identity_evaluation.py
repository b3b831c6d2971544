"""How well an identity network tells whose a face is, on faces that no training has seen.

Two faces of one identity share nothing else (:mod:`.identity_faces`); those of two identities are strangers,
or, the hardest case, share all the rest.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.embedders.identity import IdentityEmbedder, load_identity
from stylewav_pl.generators import load_generator
from stylewav_pl.pocket.faces import Z_DIM, render
from stylewav_pl.pocket.faces.attributes import IDENTITY
from stylewav_pl.training.identity_faces import Images, same_identity

HELD_OUT_SEED = 2_000_000_011
COUNT = 400
AT_ONCE = 50
STRICT = 0.01  # of strangers taken for the same
Draw = Callable[[Float[Tensor, "face 64"]], Images]


@torch.no_grad()
def evaluate(
    weights: str | Path, *, generator: str | Path = "pocket", count: int = COUNT
) -> dict[str, dict[str, float]]:
    """Measures a network on drawn and on generated faces.

    Args:
        weights: Any source of :func:`.load_identity`.
        generator: Makes the generated ones.
        count: Identities.

    Returns:
        For each kind of face the figures of :func:`verification`, and as ``told from look-alikes`` the share
        of faces that are nearer to another face of the same identity than to one of another identity that
        shares all the rest with them.

    Raises:
        WeightsError: A network cannot be loaded.
    """
    network, maker = load_identity(weights), load_generator(generator)
    rng = torch.Generator().manual_seed(HELD_OUT_SEED)
    first, other = (torch.randn(count, Z_DIM, generator=rng) for _ in range(2))
    second, alike = same_identity(first, rng), other_identity(first, other)
    kinds: dict[str, Draw] = {"drawn": render, "generated": lambda z: maker.synthesize(maker.map(z))}
    figures = {}
    for name, draw in kinds.items():
        a, b, c = (embed(network, draw, z) for z in (first, second, alike))
        won = (a * b).sum(dim=1) > (a * c).sum(dim=1)
        figures[name] = {**verification(a @ b.T), "told from look-alikes": float(won.float().mean())}
    return figures


def other_identity(
    z: Float[Tensor, "face 64"], strangers: Float[Tensor, "face 64"]
) -> Float[Tensor, "face 64"]:
    """Returns noise for faces like those of ``z`` in all but identity, which is that of strangers."""
    places = list(IDENTITY)
    theirs = strangers[:, places] / strangers.norm(dim=1, keepdim=True) * z.norm(dim=1, keepdim=True)
    return z.index_copy(1, torch.tensor(places), theirs)


def embed(network: IdentityEmbedder, draw: Draw, z: Float[Tensor, "face 64"]) -> Float[Tensor, "face embed"]:
    """Returns embeddings of faces, made and seen in parts."""
    return torch.cat([network.embed_identity(draw(part)) for part in torch.split(z, AT_ONCE)])


def verification(cosines: Float[Tensor, "face face"]) -> dict[str, float]:
    """Returns how well a threshold of the cosine tells the diagonal, the same identity, from the rest.

    ``equal error rate``: where as many strangers are accepted as own faces refused. ``accepted``: own faces
    where 1 % of strangers are. ``nearer than strangers``: mean share of strangers that are farther.

    >>> verification(torch.tensor([[0.9, 0.1], [0.2, 0.8]]))["equal error rate"]
    0.0
    """
    apart = ~torch.eye(len(cosines), dtype=torch.bool)
    own, strangers = cosines.diagonal().double(), cosines[apart].double().sort().values
    below = torch.searchsorted(strangers, own) / len(strangers)
    refused = (torch.arange(len(own)) + 0.0) / len(own)  # if the threshold is just below each own face
    accepted = 1 - below.sort().values
    gap = (refused - accepted).abs()
    at = gap.argmin()
    rate = (refused[at] + accepted[at]) / 2
    return {
        "equal error rate": float(rate),
        "accepted": float((below >= 1 - STRICT).double().mean()),
        "nearer than strangers": float(below.mean()),
    }


def table(networks: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Returns figures of several networks as Markdown."""
    columns = list(next(iter(next(iter(networks.values())).values())))
    lines = ["| network, faces | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for network, kinds in networks.items():
        for kind, figures in kinds.items():
            cells = " | ".join(f"{figures[column]:.3f}" for column in columns)
            lines.append(f"| {network}, {kind} | {cells} |")
    return "\n".join(lines)
