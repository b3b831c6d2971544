"""Muon for convolution kernels: momentum steps made orthogonal.

Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024),
https://kellerjordan.github.io/posts/muon/. ``torch.optim.Muon`` takes matrices only; here a kernel ``[out,
in, height, width]`` counts as the matrix ``[out, in * height * width]``.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic that the source found to converge fastest


def orthogonalised(
    matrix: Float[Tensor, "rows columns"], iterations: int = 5
) -> Float[Tensor, "rows columns"]:
    """The matrix with all its singular values moved to about one (0.7 to 1.2) by Newton-Schulz iterations."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.square().sum().sqrt() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class KernelMuon(Optimizer):
    """Nesterov momentum, made orthogonal, with a root mean square of ``lr`` per element.

    Args:
        params: Tensors of at least two axes.
        lr: Root mean square of the change of an element in one step.
        momentum: Share of the old direction.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(list(params), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    # no closure is ever needed
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Moves every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["momentum"])

    def _move(self, parameter: Tensor, lr: float, momentum: float) -> None:
        gradient = parameter.grad
        assert gradient is not None
        average = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        average.lerp_(gradient, 1 - momentum)
        direction = orthogonalised(gradient.lerp(average, momentum).flatten(1))
        # An orthogonal matrix has elements of root mean square 1 / sqrt(its longer side).
        parameter.add_(direction.view_as(parameter), alpha=-lr * math.sqrt(max(direction.shape)))
