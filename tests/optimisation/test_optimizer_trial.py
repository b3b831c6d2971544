"""An optimiser is tried before anything is computed with it."""

import re
from functools import partial

import pytest
import torch

from stylewav_pl.errors import ConfigError
from stylewav_pl.optimisation.optimizer_trial import try_optimizer

LATENTS = torch.ones(1, 16)


class Sharpness(torch.optim.SGD):
    """As optimisers that look twice: no closure, no step."""

    def step(self, closure):
        return closure()


@pytest.mark.parametrize(
    "factory",
    [torch.optim.Adam, torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Muon],
)
def test_ordinary_optimisers_pass_and_move_nothing(factory) -> None:
    latents = LATENTS.clone()
    try_optimizer(factory, latents)
    assert torch.equal(latents, LATENTS)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (torch.optim.LBFGS, "LBFGS computes the loss several times"),
        (Sharpness, "Sharpness computes the loss several times"),
        (
            torch.optim.SparseAdam,
            "SparseAdam cannot move latents of shape [1, 16]: SparseAdam does not support",
        ),
        (partial(torch.optim.Adam, lr=float("nan")), "cannot be built: Invalid learning rate: nan"),
        (partial(torch.optim.Adam, lr=-1.0), "cannot be built: Invalid learning rate: -1.0"),
        (partial(torch.optim.Adam, lr=1e308), "model.optimizer.lr of at least 0"),
        (partial(torch.optim.Adam, lr=float("inf")), "model.optimizer.lr of at least 0"),
        (partial(torch.optim.Adam, betas=(2.0, 0.9)), "cannot be built: Invalid beta parameter"),
    ],
)
def test_what_cannot_work_is_named(factory, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        try_optimizer(factory, LATENTS)


def test_an_optimiser_for_matrices_is_refused_for_latents_of_another_shape() -> None:
    with pytest.raises(ConfigError, match=r"Correct model\.optimizer|Choose another"):
        try_optimizer(torch.optim.Muon, torch.ones(1, 4, 16))
