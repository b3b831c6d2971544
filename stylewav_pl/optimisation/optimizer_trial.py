"""One step with the optimiser of a configuration, before anything is computed with it."""

import inspect
import math
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from stylewav_pl.errors import ConfigError, one_line
from stylewav_pl.ranges import check_number

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]


def try_optimizer(factory: OptimizerFactory, latents: Float[Tensor, " clip *latent"]) -> None:
    """Builds the optimiser for a copy of ``latents`` and takes one step with a zero gradient.

    Only a step tells: some want a closure (L-BFGS), some sparse gradients, some matrices.

    Args:
        factory: What the configuration names.
        latents: On the device of the run.

    Raises:
        ConfigError: The optimiser refuses its settings or the step, or its learning rate is out of range.
    """
    parameter = nn.Parameter(latents.detach().clone())
    parameter.grad = torch.zeros_like(parameter)
    try:
        optimizer = factory([parameter])
    except Exception as error:  # whatever a class refuses its settings with
        raise ConfigError(
            f"The optimiser cannot be built: {one_line(error)}. Correct model.optimizer."
        ) from error
    name = type(optimizer).__name__
    if wants_closure(optimizer):
        raise ConfigError(
            f"{name} computes the loss several times in a step (it wants a closure), and here every step is "
            "one look at one image. Choose another model.optimizer, for example torch.optim.Adam."
        )
    _check_rates(optimizer)
    try:
        optimizer.step()
    except Exception as error:
        raise ConfigError(
            f"{name} cannot move latents of shape {list(latents.shape)}: {one_line(error)}. Choose another "
            "model.optimizer, for example torch.optim.Adam."
        ) from error


def wants_closure(optimizer: Optimizer) -> bool:
    """Whether a step needs a function that computes the loss.

    >>> parameter = nn.Parameter(torch.zeros(1))
    >>> wants_closure(torch.optim.LBFGS([parameter])), wants_closure(torch.optim.Adam([parameter]))
    (True, False)
    """
    parameters = inspect.signature(optimizer.step).parameters
    return "closure" in parameters and parameters["closure"].default is inspect.Parameter.empty


def _check_rates(optimizer: Optimizer) -> None:
    for group in optimizer.param_groups:
        check_number("model.optimizer.lr", group.get("lr", math.nan), least=0)
