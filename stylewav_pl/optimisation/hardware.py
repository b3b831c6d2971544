"""What a machine can do for a step: precisions, compiled code, and memory that stays with the process."""

import ctypes
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from stylewav_pl.errors import ConfigError, one_line
from stylewav_pl.ranges import check_number
from stylewav_pl.weights.cache import cache_directory

Precision = Literal["float32", "tfloat32", "bfloat16", "float16"]
Compile = bool | Literal["cuda-graphs"]
DTYPES = {
    "float32": torch.float32,
    "tfloat32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h
GROW_BYTES = 64 << 20


@dataclass(frozen=True)
class Speed:
    """What makes steps faster or smaller without changing what they do.

    Attributes:
        precision: Of the generator's four finest resolutions: ``float32``; ``bfloat16`` for GPUs and for CPUs
            that have such numbers; ``tfloat32`` and ``float16`` for GPUs.
        recompute_from: From this height in pixels on feature maps are computed again instead of kept, which
            takes about a quarter more time and lets more clips into memory; ``None``: never.
        compile: Compiles a step (``torch.compile``), which takes a minute or two of each process and saves
            two fifths of a step on an H100, less on a CPU; ``cuda-graphs`` also records it, for small
            generators on a GPU.
    """

    precision: Precision = "float32"
    recompute_from: int | None = None
    compile: Compile = False

    def __post_init__(self) -> None:
        """Checks the values that need no device."""
        check_number("model.speed.recompute_from", self.recompute_from, least=1)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the numbers in the finest resolutions."""
        return DTYPES[self.precision]

    def check(self, device: torch.device) -> None:
        """Refuses what this device, or this machine, cannot do.

        Raises:
            ConfigError: The precision would only be slow, or nothing can be compiled here.
        """
        check_precision(self.precision, device)
        if self.compile:
            check_compiler(device)

    def apply(self, device: torch.device) -> None:
        """Sets what holds for the whole process.

        On a GPU the precision of products, and convolutions that sum in the same order every time; on a CPU
        freed memory that stays.

        Raises:
            ConfigError: The device cannot work in the precision that was asked for.
        """
        check_precision(self.precision, device)
        if device.type == "cpu":
            keep_freed_memory()
            return
        allow = self.precision != "float32"
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allow


def keep_freed_memory() -> bool:
    """Lets the process keep memory that it frees, instead of giving it back to the system at once.

    glibc maps each large tensor anew, and the system fills it with zeros page by page at its first touch: for
    the feature maps of a 1024 px generator this takes longer than the arithmetic on them. Only allocations
    from now on are affected.
    Source: ``mallopt(3)``.

    Returns:
        Whether it worked; other C libraries than glibc have no such switch.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL("libc.so.6").mallopt
    return all(
        mallopt(option, value)
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, GROW_BYTES))
    )


def check_precision(precision: str, device: torch.device) -> None:
    """Refuses what would only be slow.

    Raises:
        ConfigError: The device is a CPU that does not compute in this precision.
    """
    if device.type != "cpu" or precision in cpu_precisions():
        return
    raise ConfigError(
        f"model.speed.precision {precision} is for GPUs: this CPU is not known to compute in it and would "
        f"take many times as long. Use {' or '.join(cpu_precisions())} here."
    )


def cpu_precisions() -> tuple[Precision, ...]:
    """Lists the precisions that this CPU is known to compute in.

    Of x86, bfloat16 since Intel's Cooper Lake and AMD's Zen 4.
    """
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return ("float32", "bfloat16")
    return ("float32",)


def check_compiler(device: torch.device) -> None:
    """Compiles a sum as a trial, which takes some seconds.

    Raises:
        ConfigError: It fails: there is no C++ compiler, no Triton, or the system is unknown to torch.
    """
    try:
        compiled(lambda tensor: tensor + 1, how=True)(torch.zeros(4, device=device))
    except (RuntimeError, OSError, ImportError) as error:
        raise ConfigError(
            f"model.speed.compile is set, and {platform.node()} cannot compile: {one_line(error)} Install "
            "what is missing, or set it to false."
        ) from error


def compiled(function: Callable[..., Any], how: bool | str) -> Callable[..., Any]:
    """The function compiled for fixed shapes; what was compiled once is kept in the cache of this package."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_directory() / "compiled"))
    mode = "reduce-overhead" if how == "cuda-graphs" else "default"
    made: Callable[..., Any] = torch.compile(function, dynamic=False, mode=mode)
    return made
