"""Codes that nothing is near to start anew at latents of the batch."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class CodeUsage(nn.Module):
    """Counts how often each code was the nearest since the last renewal.

    Source of renewal: Dhariwal et al., "Jukebox" (2020, arXiv:2005.00341).

    Args:
        codes: How many there are.
    """

    counts: Tensor
    share_before: Tensor

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(codes, dtype=torch.long))
        self.register_buffer("share_before", torch.zeros(()))

    def count(self, codes: Int[Tensor, "face h w"]) -> None:
        """Counts the codes of a batch."""
        self.counts += torch.bincount(codes.flatten(), minlength=len(self.counts))

    @property
    def share(self) -> float:
        """Share of the codes that were used, up to the last renewal or since, in [0, 1]."""
        return max(float(self.share_before), float((self.counts > 0).float().mean()))

    @torch.no_grad()
    def renew(self, codebook: nn.Embedding, latents: Float[Tensor, "face code h w"], seed: int) -> None:
        """Puts unused codes at random latents, and counts anew.

        Args:
            codebook: Whose codes they are; at the first call all of them.
            latents: Of this batch; with fewer places than unused codes some codes stay.
            seed: Of the choice.
        """
        places = latents.permute(0, 2, 3, 1).flatten(0, 2)
        unused = (self.counts == 0).nonzero()[:, 0]
        order = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed))
        order = order[: len(unused)].to(places.device)
        codebook.weight[unused[: len(order)]] = places[order]
        self.share_before.fill_(1 - len(unused) / len(self.counts))
        self.counts.zero_()
