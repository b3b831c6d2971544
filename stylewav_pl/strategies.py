"""Many processes that never exchange a gradient.

Every clip has its own latent, so the processes of a job need nothing from each other: each takes its share of the plan, and
the run directory is where they meet. Plain DDP would be wrong here (it averages the latents of different clips), and even an
idle process group hurts: its collectives tie every rank to the pace of rank 0 and turn one slow disk into a time-out.
"""

import os
import threading
import time
import warnings
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.optimizer import _optimizers_to_device
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, StrategyRegistry
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

LAUNCHED_WITH = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")  # set by Lightning's launcher


class IndependentStrategy(DDPStrategy):
    """Launches processes as DDP does, on one machine or many, but creates no process group and wraps nothing.

    Hours of difference between ranks are fine, and so is a rank without work. Lightning's own launcher ends the job when
    one of its processes fails; so do torchrun and SLURM.
    """

    strategy_name = "independent"

    def setup_distributed(self) -> None:
        """Learns this process's rank; no process group is made."""
        self.set_world_ranks()
        rank_zero_only.rank = self.global_rank  # type: ignore[attr-defined]  # lightning keeps the rank on the function
        if isinstance(self.cluster_environment, LightningEnvironment) and self.local_rank > 0:
            end_with_parent(os.getppid())
        # A rank may have nothing left to do; Lightning believes that to be a mistake.
        warnings.filterwarnings("ignore", message="Total length of .* across ranks is zero")

    def configure_ddp(self) -> None:
        """Leaves the module as it is."""

    def setup(self, trainer: Trainer) -> None:
        """Moves the module to its device and makes the optimiser; the parent class would also synchronise module states."""
        assert self.accelerator is not None and self.model is not None
        self.accelerator.setup(trainer)
        self.precision_plugin.convert_module(self.model)
        self.model_to_device()
        if trainer.state.fn == TrainerFn.FITTING:
            self.setup_optimizers(trainer)
            _optimizers_to_device(self.optimizers, self.root_device)
        self.setup_precision_plugin()

    def teardown(self) -> None:
        """Ends as the parent class does, and forgets what the launcher told the processes that it started.

        Lightning leaves these words in the environment; the next run in this process, or one that it starts, would take
        itself for a part of this job and wait for processes that nobody starts.
        """
        super().teardown()
        if isinstance(self.cluster_environment, LightningEnvironment) and self.local_rank == 0:
            for name in LAUNCHED_WITH:
                os.environ.pop(name, None)

    def reduce(self, tensor: Any, group: Any = None, reduce_op: Any = "mean") -> Tensor:
        """Nothing is shared: the tensor itself."""
        reduced: Tensor = tensor if isinstance(tensor, Tensor) else torch.as_tensor(tensor)
        return reduced

    def all_gather(self, tensor: Tensor, group: Any = None, sync_grads: bool = False) -> Tensor:
        """Nothing is shared: the tensor itself."""
        return tensor


def end_with_parent(parent: int, period_seconds: float = 1.0) -> None:
    """Ends this process once its parent is gone, so that a killed job leaves nobody writing into its run directory."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(period_seconds)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def use_threads(number: int) -> None:
    """Computes with ``number`` threads from now on, in this process and in those that it starts.

    Sums come out differently in their last bits with another number of threads, and Lightning's launcher would divide the
    cores among the processes; it leaves ``OMP_NUM_THREADS`` alone where that is set.
    """
    torch.set_num_threads(number)
    os.environ["OMP_NUM_THREADS"] = str(number)


StrategyRegistry.register("independent", IndependentStrategy, description="processes that share nothing but the run directory", override=True)
