"""Learning rates of the recipes, as factors of their peaks."""

import math
from collections.abc import Iterable

import torch
from torch.optim import Optimizer

HOLD_SHARE = 0.3  # of the steps run at the full learning rates, which then fall linearly to zero


def hold_then_fall(progress: float) -> float:
    """Returns the factor at ``progress`` in [0, 1]: full at first, then falling linearly to 0.

    >>> hold_then_fall(0.0), hold_then_fall(0.3), hold_then_fall(0.65), hold_then_fall(1.0)
    (1.0, 1.0, 0.5, 0.0)
    """
    return min(1.0, (1 - progress) / (1 - HOLD_SHARE))


def damped_cosine(step: int, steps: int, warm_up: int = 30) -> float:
    """Returns the factor of a half cosine over all steps, damped by a short rise.

    >>> damped_cosine(0, 1000), round(damped_cosine(1000, 1000), 6)
    (0.03333333333333333, 0.0)
    """
    decay = 0.5 + 0.5 * float(torch.cos(torch.tensor(torch.pi * step / steps)))
    return min(1.0, (step + 1) / warm_up) * decay


def rise_then_cosine(step: int, steps: int) -> float:
    """Returns the factor that rises over the first twentieth, then falls along half a cosine.

    >>> [round(rise_then_cosine(step, 100), 2) for step in (0, 5, 52, 100)]
    [0.2, 1.0, 0.51, 0.0]
    """
    rise = max(1, steps // 20)
    fallen = min(1.0, max(0, step - rise) / max(1, steps - rise))
    return min((step + 1) / rise, 0.5 + 0.5 * math.cos(math.pi * fallen))


def set_rates(optimisers: Iterable[Optimizer], factor: float) -> None:
    """Sets every learning rate to ``factor`` times its first value, which its group remembers as ``peak``."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = factor * group.setdefault("peak", group["lr"])
