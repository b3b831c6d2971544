"""A module whose one trainable tensor is the latents of a cohort: what Lightning asks of it."""

from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from stylewav_pl.optimisation.hardware import Speed
from stylewav_pl.optimisation.optimizer_trial import OptimizerFactory, try_optimizer


class LatentModule(LightningModule):
    """Holds the latents of a cohort, the optimiser that moves them, and nothing else that is trained.

    Attributes:
        latents: ``[cohort, ...]``; they and the optimiser state are reset for each cohort.
        mean_latent: ``[...]``, where they lie before a cohort comes.
        optimizer_factory: Builds the optimiser.
        speed: Precision, memory and compilation of a step.
    """

    latents: nn.Parameter
    mean_latent: Tensor

    def __init__(
        self,
        mean_latent: Float[Tensor, " *latent"],
        cohort_size: int | Literal["auto"],
        optimizer: OptimizerFactory | None,
        speed: Speed | None,
    ) -> None:
        """Places the latents at the mean.

        Args:
            mean_latent: Of one clip.
            cohort_size: Slots; ``auto``: those of the trainer's data module.
            optimizer: Adam at 0.1 by default.
            speed: Of a step.
        """
        super().__init__()
        self.automatic_optimization = False
        self.strict_loading = False  # checkpoints hold the latents alone
        self.speed = speed or Speed()
        self.optimizer_factory = optimizer or (lambda parameters: Adam(parameters, lr=0.1))
        self.cohort_size = cohort_size
        self.register_buffer("mean_latent", mean_latent, persistent=False)
        self.latents = self.make_latents(1 if cohort_size == "auto" else cohort_size)

    def make_latents(self, cohort_size: int) -> nn.Parameter:
        """Returns the one trainable tensor, at the mean."""
        return nn.Parameter(self.mean_latent.repeat(cohort_size, *(1 for _ in self.mean_latent.shape)))

    def setup(self, stage: str) -> None:
        """Takes the number of slots from the data where it was not given."""
        if stage == "fit" and self.cohort_size == "auto":
            self.latents = self.make_latents(cast(Any, self.trainer).datamodule.cohort_size)

    def on_fit_start(self) -> None:
        """Prepares the device.

        Raises:
            ConfigError: It cannot work in the precision that was asked for, or with the optimiser.
        """
        self.speed.apply(self.device)
        self.check_optimizer(self.device)

    def on_predict_start(self) -> None:
        """Prepares the device as for the optimisation."""
        self.speed.apply(self.device)

    def check_optimizer(self, device: torch.device) -> None:
        """Tries the optimiser on ``device``.

        Raises:
            ConfigError: It cannot be built, or cannot move this module's latents.
        """
        try_optimizer(self.optimizer_factory, self.mean_latent[None].to(device))

    def configure_optimizers(self) -> Optimizer:
        """Makes one optimiser for the one parameter."""
        return self.optimizer_factory([self.latents])

    def descend(self, loss: Float[Tensor, ""]) -> None:
        """Takes one gradient step; through Lightning, which counts steps and knows the precision."""
        optimizer = cast(LightningOptimizer, self.optimizers())
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()

    # torch's overloads of state_dict differ between releases
    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Returns the latents alone: nothing frozen is ever in a checkpoint."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        return {name: value for name, value in state.items() if name.rpartition(".")[2] == "latents"}
