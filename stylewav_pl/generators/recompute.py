"""Memory for time: a part whose feature maps are not kept for the backward pass."""

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from stylewav_pl.generators.base import Noise


def run(part: nn.Module, *inputs: Any, noise: Noise = "none") -> Any:
    """Calls a part of a generator; where its ``recompute`` is set the backward pass calls it once more.

    Args:
        part: Has an attribute ``recompute``.
        inputs: Its arguments.
        noise: What it draws: ``random`` is drawn again as before.
    """
    if part.recompute and torch.is_grad_enabled():
        return checkpoint(part, *inputs, use_reentrant=False, preserve_rng_state=noise == "random")
    return part(*inputs)
