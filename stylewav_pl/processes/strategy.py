"""Many processes that never exchange a gradient.

Every clip has its own latent, so the processes of a job need nothing from each other: each takes its share of
the plan, and the run directory is where they meet. Plain DDP would be wrong here (it averages the latents of
different clips), and even an idle process group hurts: its collectives tie every rank to the pace of rank 0
and turn one slow disk into a time-out.
"""

import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.optimizer import _optimizers_to_device
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, StrategyRegistry
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from stylewav_pl.processes.launch import LAUNCH, name_of_launch
from stylewav_pl.processes.parent import PARENT, follow_parent

# Set by Lightning's launcher.
LAUNCHED_WITH = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")


class Launcher(_SubprocessScriptLauncher):
    """Starts the other processes of this machine as Lightning does.

    The job looks after them.

    Lightning's own observer kills everybody, the first process included, as soon as one fails; then nobody
    can say why.

    Attributes:
        name: What this launch is called.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        starts_here = not self.cluster_environment.creates_processes_externally
        self.name = name_of_launch(starts_them_all=starts_here and self.num_nodes == 1)

    @property
    def is_interactive_compatible(self) -> bool:
        """Whether it works in a notebook, which other processes would have to run again: one starts none."""
        return self.num_processes == self.num_nodes == 1

    def launch(
        self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any
    ) -> Any:
        """Starts the processes, then calls ``function``."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
        return function(*args, **kwargs)

    def _call_children_scripts(self) -> None:
        """Starts the processes, and tells them who started them and what the launch is called."""
        before = {name: os.environ.get(name) for name in (LAUNCH, PARENT)}
        os.environ.update({LAUNCH: self.name, PARENT: str(os.getpid())})
        try:
            super()._call_children_scripts()
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                os.environ.update({name: value} if value is not None else {})

    def end(self, grace_seconds: float = 5.0) -> None:
        """Ends the processes that are still there: asked first, killed after ``grace_seconds``."""
        running = [process for process in self.procs if process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class IndependentStrategy(DDPStrategy):
    """Launches processes as DDP does, on one machine or many, but creates no process group and wraps nothing.

    Hours of difference between ranks are fine, and so is a rank without work.
    """

    strategy_name = "independent"

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = Launcher(self.cluster_environment, self.num_processes, self.num_nodes)

    def setup_distributed(self) -> None:
        """Learns this process's rank; no process group is made."""
        self.set_world_ranks()
        # lightning keeps the rank on the function
        rank_zero_only.rank = self.global_rank  # type: ignore[attr-defined]
        follow_parent()  # for programs that are not ours; the command line has done so at its start
        # A rank may have nothing left to do; Lightning believes that to be a mistake.
        warnings.filterwarnings("ignore", message="Total length of .* across ranks is zero")

    def configure_ddp(self) -> None:
        """Leaves the module as it is."""

    def setup(self, trainer: Trainer) -> None:
        """Moves the module to its device and makes the optimiser.

        The parent class would also synchronise module states.
        """
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

        Lightning leaves these words in the environment; the next run in this process, or one that it starts,
        would take itself for a part of this job and wait for processes that nobody starts.
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


StrategyRegistry.register(
    "independent",
    IndependentStrategy,
    description="processes that share nothing but the run directory",
    override=True,
)
