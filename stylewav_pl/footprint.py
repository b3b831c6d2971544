"""How much memory and arithmetic a step takes, found without computing it; the cohort that fits, and whether compilation pays."""

import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from stylewav_pl.errors import ConfigError, one_line

OVERHEAD = {
    "cpu": 2.5,
    "cuda": 1.4,
}  # what allocators and the scratch memory of convolutions take beside the tensors; measured on a CPU
LARGEST_COHORT = 256  # beyond it a larger batch gains nothing, and an interruption costs more
RATES = {
    "cpu": 5e10,
    "cuda": 2e13,
}  # FLOP/s of a core, or of a GPU, in whole steps; measured on a CPU, moderate for a GPU
PAYS_AFTER_SECONDS = (
    4 * 3600.0
)  # an eighth less of four hours is half an hour, and compilation takes one or two minutes of each process


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]
    """Adds up the storages that the operations inside have made and that still live.

    Attributes:
        peak: The most so far, in bytes.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.peak = self._now = 0
        self._living: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operation and looks at what came out."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._meet(tensor.untyped_storage())
        return made

    def _meet(self, storage: Any) -> None:
        key = storage._cdata
        if key not in self._living:
            self._living[key] = storage.nbytes()
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._leave, key)

    def _leave(self, key: int) -> None:
        self._now -= self._living.pop(key, 0)


@contextmanager
def without_numbers() -> Iterator[None]:
    """Operations inside have shapes but no values, and take no time.

    Raises:
        ConfigError: A network looks at values.
    """
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield
    except RuntimeError as error:
        raise ConfigError(
            "What a step takes cannot be counted beforehand, because a network looks at the values that it "
            f"computes ({one_line(error)}). "
            "Give data.cohort_size as a number and model.compile as true or false."
        ) from error


def peak_bytes(step: Callable[[Tensor], Tensor], like: Tensor, clips: int) -> int:
    """The most that the tensors of a step and its backward pass take at one time, in bytes.

    Args:
        step: From latents ``[clip, ...]`` to one value for each clip.
        like: One latent.
        clips: How many are done side by side.

    Raises:
        ConfigError: See :func:`without_numbers`.
    """
    with without_numbers():
        latents = torch.empty(clips, *like.shape, dtype=like.dtype, device=like.device, requires_grad=True)
        with LiveBytes() as living:
            torch.autograd.backward(step(latents).sum())
    return int(living.peak)


def flops(step: Callable[[Tensor], Tensor], like: Tensor) -> int:
    """Floating-point operations of a step of one clip and its backward pass, counted as torch does: two for a multiplication and a sum.

    Back through a frozen network, where no weight has a gradient, takes about as many as forth.

    Args:
        step: See :func:`peak_bytes`.
        like: One latent.

    Raises:
        ConfigError: See :func:`without_numbers`.
    """
    with without_numbers(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        step(torch.empty_like(like)[None])
    return 2 * int(counter.get_total_flops())


def compilation_pays(operations: int, device: str, threads: int) -> bool:
    """Whether so many floating-point operations are the work of hours, of which compilation saves more than it takes.

    The answer is the same however many processes share the run, so that its results are. Where dozens share
    it, each may compile longer than it saves.

    Args:
        operations: Of all clips together.
        device: The kind of device that will compute.
        threads: CPU threads of a process.
    """
    rate = RATES[device] * (threads if device == "cpu" else 1) if device in RATES else math.inf
    return operations / rate > PAYS_AFTER_SECONDS


def cohort_that_fits(
    step: Callable[[Tensor], Tensor], like: Tensor, free: int, clips: int, device: str = "cpu"
) -> int:
    """How many clips to optimise side by side: as many as fit, at most :data:`LARGEST_COHORT`, and no more than there are.

    Args:
        step: See :func:`peak_bytes`.
        like: One latent.
        free: Bytes that may be taken.
        clips: How many clips one process will have.
        device: The kind of device that will compute.
    """
    few, more = (peak_bytes(step, like, count) for count in (1, 3))
    each = max(1, (more - few) // 2)
    room = free / OVERHEAD.get(device, max(OVERHEAD.values())) - max(0, few - each)
    return max(1, min(math.floor(room / each), LARGEST_COHORT, clips))
