"""What the pocket CLIP models are trained to lower."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.pocket.faces import FACT_NAMES, PROMPT_SETS, UNCLEAR, Z_DIM, attributes_of, facts_of

FACT_WEIGHTS = {"glasses": 2.0, "beard": 2.0, "moustache": 1.5}


def matching_loss(
    logits: Float[Tensor, "face caption"], true: Bool[Tensor, "face caption"]
) -> Float[Tensor, ""]:
    """Returns the cross-entropy in both directions where all true pairs share the target evenly.

    >>> round(float(matching_loss(torch.zeros(2, 2), torch.eye(2, dtype=torch.bool))), 4)  # log 2
    0.6931
    """
    share = true.to(logits.dtype)
    to_text = F.cross_entropy(logits, share / share.sum(dim=1, keepdim=True))
    to_image = F.cross_entropy(logits.T, share.T / share.T.sum(dim=1, keepdim=True))
    return 0.5 * (to_text + to_image)


def choice_loss(logits: Float[Tensor, "face prompt"], facts: Int[Tensor, "face fact"]) -> Float[Tensor, ""]:
    """Returns the mean cross-entropy over the prompt sets.

    All answers of a set count alike, rare ones too.
    """
    total, weights = logits.new_zeros(()), 0.0
    for part, one in zip(_by_set(logits), PROMPT_SETS.values(), strict=True):
        index, clear = one.answers(facts)
        if clear.any():
            weight = FACT_WEIGHTS.get(one.fact, 1.0)
            total = total + weight * F.cross_entropy(
                part[clear], index[clear], weight=_rarity(one.fact).to(part)
            )
            weights += weight
    return total / max(weights, 1.0)


def neutral_loss(logits: Float[Tensor, "face prompt"], facts: Int[Tensor, "face fact"]) -> Float[Tensor, ""]:
    """Returns how far faces between the sexes are from answering every question about sex with an even share.

    Zero for even answers, so that what looks like neither is nearer to neither: without it the answer for the
    mean face, from which latents start, would be a coin.

    >>> one = torch.zeros(1, sum(len(one.phrases) for one in PROMPT_SETS.values()))
    >>> neutral_loss(one, torch.full((1, len(FACT_NAMES)), UNCLEAR)).item()
    0.0
    """
    between = facts[:, FACT_NAMES.index("sex")] == UNCLEAR
    total = logits.new_zeros(())
    if not between.any():
        return total
    asked = [
        part for part, one in zip(_by_set(logits), PROMPT_SETS.values(), strict=True) if one.fact == "sex"
    ]
    for part in asked:
        even = torch.full_like(part[between], 1 / part.shape[1])
        total = total + F.kl_div(part[between].log_softmax(dim=1), even, reduction="batchmean")
    return total / len(asked)


def _by_set(logits: Float[Tensor, "face prompt"]) -> tuple[Tensor, ...]:
    return torch.split(logits, [len(one.phrases) for one in PROMPT_SETS.values()], dim=1)


_RARITY: dict[str, Tensor] = {}


def _rarity(fact: str) -> Float[Tensor, " value"]:
    """Returns one weight per value of a fact, inverse to how often it is seen; mean weight of a face is 1."""
    if not _RARITY:
        z = torch.randn(20_000, Z_DIM, generator=torch.Generator().manual_seed(0))
        for name, column in zip(FACT_NAMES, facts_of(attributes_of(z)).T, strict=True):
            counts = torch.bincount(column[column >= 0]).float()
            _RARITY[name] = counts.sum() / (len(counts) * counts)
    return _RARITY[fact]
