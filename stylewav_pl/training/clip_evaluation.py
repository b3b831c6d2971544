"""How well a CLIP model tells the facts of faces it has never seen: zero-shot accuracy by prompt set."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.embedders.preprocess import Preprocess
from stylewav_pl.generators import load_generator
from stylewav_pl.pocket.faces import FACT_NAMES, PROMPT_SETS, Z_DIM, attributes_of, facts_of, render

HELD_OUT_SEED = 2_000_000_011
MEN_ONLY = ("beard", "moustache")


def evaluate(
    weights: str | Path,
    *,
    generator: str | Path | None = "pocket",
    renders: int = 1000,
    outputs: int = 500,
    preprocess: Preprocess = "clip",
) -> dict[str, dict[str, float]]:
    """Zero-shot balanced accuracy of a weight file on held-out faces.

    Args:
        weights: A registry name or the path of a CLIP weight file.
        generator: Whose outputs are asked about beside drawn faces; ``None`` for none.
        renders: Number of drawn faces.
        outputs: Number of generator outputs.
        preprocess: See :mod:`stylewav_pl.embedders.preprocess`.

    Returns:
        Prompt set to ``{"renders": accuracy, "generator": accuracy}``.

    Raises:
        WeightsError: There are no such weights.
    """
    embedder = load_image_text_embedder(weights, preprocess=preprocess)
    z = torch.randn(renders, Z_DIM, generator=torch.Generator().manual_seed(HELD_OUT_SEED))
    columns = {"renders": zero_shot(embedder, render(z), facts_of(attributes_of(z)))}
    if generator is not None:
        network = load_generator(generator)
        z = torch.randn(outputs, Z_DIM, generator=torch.Generator().manual_seed(HELD_OUT_SEED + 1))
        images = torch.cat([network.synthesize(network.map(z[i : i + 50])) for i in range(0, outputs, 50)])
        columns["generator"] = zero_shot(embedder, images, facts_of(attributes_of(z)))
    return {name: {column: values[name] for column, values in columns.items()} for name in PROMPT_SETS}


@torch.no_grad()
def zero_shot(
    embedder: ImageTextEmbedder, images: Float[Tensor, "face 3 height width"], facts: Int[Tensor, "face fact"]
) -> dict[str, float]:
    """Balanced accuracy for each prompt set.

    The prompt nearest to the image against the fact, where the fact is clear.
    """
    embedded = torch.cat([embedder.embed_image(images[i : i + 100]) for i in range(0, len(images), 100)])
    men = facts[:, FACT_NAMES.index("sex")] == 0
    accuracies = {}
    for name, one in PROMPT_SETS.items():
        index, clear = one.answers(facts)
        asked = clear & men if one.fact in MEN_ONLY else clear
        chosen = (embedded @ embedder.embed_text(one.prompts()).T).argmax(dim=1)
        accuracies[name] = balanced_accuracy(chosen[asked] == index[asked], index[asked])
    return accuracies


def balanced_accuracy(right: Bool[Tensor, " face"], truth: Int[Tensor, " face"]) -> float:
    """Mean over the true answers of the share that was answered right.

    >>> balanced_accuracy(torch.tensor([True, True, True, False]), torch.tensor([0, 0, 0, 1]))
    0.5
    """
    return float(
        torch.stack([right[truth == value].float().mean() for value in sorted(set(truth.tolist()))]).mean()
    )


def table(accuracies: Mapping[str, Mapping[str, float]]) -> str:
    """The accuracies as Markdown."""
    columns = list(next(iter(accuracies.values())))
    lines = ["| prompt set | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(f"{values[column]:.3f}" for column in columns) + " |"
        for name, values in accuracies.items()
    ]
    return "\n".join(lines)
