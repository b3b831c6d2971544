"""What the machine gives: memory that stays with the process, memory that is free, precisions that it has, and compiled code."""

import ctypes
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from stylewav_pl.errors import ConfigError, one_line
from stylewav_pl.weights.cache import cache_directory

Precision = Literal["float32", "tfloat32", "bfloat16", "float16"]
DTYPES = {
    "float32": torch.float32,
    "tfloat32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h
GROW_BYTES = 64 << 20
CONTAINER_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current")


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


def free_memory(device: torch.device) -> int:
    """Bytes that a process could still take on ``device``; of the CPU what the system, and the container, have left.

    Raises:
        ConfigError: It cannot be found out on this system.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
        free = int(found[1]) << 10 if found else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError) as error:
        raise ConfigError(
            "The free memory of this system cannot be found out. Give data.cohort_size as a number instead "
            "of auto."
        ) from error
    return min(free, _left_in_container(free))


def _left_in_container(otherwise: int) -> int:
    try:
        limit, used = (Path(name).read_text().strip() for name in CONTAINER_FILES)
        return max(0, int(limit) - int(used))
    except (OSError, ValueError):  # no container, or "max"
        return otherwise


def check_precision(precision: str, device: torch.device) -> None:
    """Refuses what would only be slow.

    Raises:
        ConfigError: The device is a CPU that does not compute in this precision.
    """
    if device.type != "cpu" or precision in cpu_precisions():
        return
    raise ConfigError(
        f"model.precision {precision} is for GPUs: this CPU is not known to compute in it and would take "
        "many times as long. "
        f"Use {' or '.join(cpu_precisions())} here."
    )


def cpu_precisions() -> tuple[Precision, ...]:
    """Those that this CPU is known to compute in: of x86, bfloat16 since Intel's Cooper Lake and AMD's Zen 4."""
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return ("float32", "bfloat16")
    return ("float32",)


def why_nothing_compiles(device: torch.device) -> str:
    """Compiles a sum as a trial; the first line of what fails, empty where all works. Takes some seconds."""
    try:
        compiled(lambda tensor: tensor + 1, how=True)(torch.zeros(4, device=device))
    except (RuntimeError, OSError, ImportError) as error:  # no C++ compiler, no Triton, an unknown system
        return one_line(error)
    return ""


def compiled(function: Callable[..., Any], how: bool | str) -> Callable[..., Any]:
    """The function compiled for fixed shapes; what was compiled once is kept in the cache of this package."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_directory() / "compiled"))
    mode = "reduce-overhead" if how == "cuda-graphs" else "default"
    made: Callable[..., Any] = torch.compile(function, dynamic=False, mode=mode)
    return made
