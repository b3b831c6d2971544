"""A discriminator that scores patches, and its game: what VQGAN's pictures must pass for.

Sources: Isola et al. 2017, arXiv:1611.07004 (patches); Lim and Ye 2017, arXiv:1705.02894 (hinge loss); Esser
et al. 2021, arXiv:2012.09841, equation 7 (balance of the gradients).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from stylewav_pl.training.discriminator import Block, EqualizedConvolution, activated

MOST = 1e4  # what a ratio of gradients is at most


class PatchDiscriminator(nn.Module):
    """One score per patch: high for what looks drawn.

    Args:
        channels: Feature channels from the image's resolution down; each level halves it.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.from_rgb = EqualizedConvolution(3, channels[0], 1)
        self.blocks = nn.ModuleList(Block(*ends) for ends in pairwise(channels))
        self.score = EqualizedConvolution(channels[-1], 1, 3)

    def forward(self, images: Float[Tensor, "face 3 size size"]) -> Float[Tensor, "face 1 h w"]:
        """Returns the scores of the patches of images in [-1, 1]."""
        x = activated(self.from_rgb(images))
        for block in self.blocks:
            x = block(x)
        scores: Tensor = self.score(x)
        return scores


def hinge(drawn: Float[Tensor, "face 1 h w"], made: Float[Tensor, "face 1 h w"]) -> Float[Tensor, ""]:
    """Returns the discriminator's loss for its scores of drawn and of made patches.

    >>> hinge(torch.full((1, 1, 1, 1), 2.0), torch.zeros(1, 1, 1, 1)).item()
    0.5
    """
    return (relu(1 - drawn).mean() + relu(1 + made).mean()) / 2


def balance(
    likeness: Float[Tensor, ""], fooled: Float[Tensor, ""], last: Float[Tensor, "..."]
) -> Float[Tensor, ""]:
    """Returns the factor that makes both losses pull equally at the decoder's last weights.

    Args:
        likeness: Loss by pixels and patch features.
        fooled: Loss by the discriminator's scores.
        last: Weights that both depend on.

    >>> last = torch.ones((), requires_grad=True)
    >>> round(balance(6 * last, 2 * last, last).item(), 3)
    3.0
    """
    (wanted,) = torch.autograd.grad(likeness, last, retain_graph=True)
    (pulled,) = torch.autograd.grad(fooled, last, retain_graph=True)
    factor: Tensor = (wanted.norm() / (pulled.norm() + 1e-6)).clamp(max=MOST)
    return factor.detach()
