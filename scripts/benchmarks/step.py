"""One optimisation step.

The reference loop against this package, each speed-up by itself, and whether the numbers stay the same.
"""

import copy
import ctypes
import gc
import itertools
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor
from true_shapes import true_shapes

from stylewav_pl.embedders.openclip import OpenClipEmbedder
from stylewav_pl.generators import StyleGAN2
from stylewav_pl.optimisation.hardware import (
    DTYPES,
    Precision,
    Speed,
    compiled,
    cpu_precisions,
    keep_freed_memory,
)

LEARNING_RATE = 0.1


@dataclass
class Variant:
    """One way to do a step.

    Attributes:
        name: For the table.
        loss: From latents ``[clip, width]`` to losses, given a function that marks the moments between the
            parts.
        clips: How many at once.
        keeps_memory: Whether freed memory stays with the process.
        coarse: Whether its numbers are meant to differ.
        precision: Sets what holds for the whole process, such as TF32; ``None``: as torch has it by itself.
    """

    name: str
    loss: Callable[[Tensor, Callable[[], None]], Tensor]
    clips: int = 1
    keeps_memory: bool = True
    coarse: bool = False
    precision: Precision | None = "float32"
    latents: Tensor = field(default_factory=lambda: torch.empty(0))
    seconds: list[float] = field(default_factory=list)
    parts: list[list[float]] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    last: float = 0.0
    first: float | None = None


def measure(
    resolution: int,
    clips: int,
    rounds: int,
    with_compilation: bool,
    coarse: int,
    device: str,
    precisions: list[Precision] | None,
    only: str | None,
) -> dict[str, Any]:
    """All figures; the variants take turns, ``rounds`` times: one step to warm up, one that is timed."""
    torch.manual_seed(0)
    place = torch.device(device)
    variants = build(resolution, clips, with_compilation, coarse, place, precisions or precisions_of(place))
    variants = variants[:1] + [one for one in variants[1:] if re.search(only or "", one.name)]
    start = torch.randn(clips, 512, generator=torch.Generator().manual_seed(1)).to(place)
    for variant in variants:
        variant.latents = start[: variant.clips].clone().requires_grad_()
    optimizers = [torch.optim.Adam([variant.latents], lr=LEARNING_RATE) for variant in variants]
    everything = list(zip(variants, optimizers, strict=True))
    # First those with the allocator as it is: what the others have kept would serve them, too.
    for group in ([one for one in everything if one[0].keeps_memory == kept] for kept in (False, True)):
        for _ in range(rounds):
            for variant, optimizer in group:
                take_turn(variant, optimizer, place)
    return {"machine": machine(place), "resolution": resolution, "rounds": rounds, "variants": rows(variants)}


def build(
    resolution: int,
    clips: int,
    with_compilation: bool,
    coarse: int,
    place: torch.device,
    precisions: list[Precision],
) -> list[Variant]:
    """All variants, on the same weights."""
    shapes = true_shapes(resolution, clips, place)
    generator, guide, targets = shapes.generator, shapes.guide, shapes.audio.embed_audio(shapes.waveforms)
    networks: dict[Precision, StyleGAN2] = {}
    for precision in precisions:
        networks[precision] = copy.deepcopy(generator).freeze(DTYPES[precision], resolution // 16)

    made = [
        Variant("reference loop", shapes.reference, keeps_memory=False, precision=None),
    ]
    if place.type == "cpu":
        plain = Step(generator.freeze(), guide, targets, resolution)
        made += [
            Variant("reference loop, memory kept", shapes.reference, precision=None),
            Variant("ours, memory not kept", plain, keeps_memory=False),
        ]
    else:
        frugal = copy.deepcopy(generator).freeze(recompute_from=min(256, resolution))
        made += [Variant("ours, recomputing from 256 px", Step(frugal, guide, targets, resolution))]
    sizes = {
        f" at {size} px" if size < resolution else "": size for size in (resolution, coarse or resolution)
    }
    for (precision, network), (at, size) in itertools.product(networks.items(), sizes.items()):
        for how in ("", ", compiled") if with_compilation else ("",):
            step = (CompiledStep if how else Step)(network, guide, targets, size)
            made += [
                Variant(
                    f"ours{at}, {precision}{how}{f', {count} clips' if count > 1 else ''}",
                    step,
                    count,
                    coarse=size < resolution,
                    precision=precision,
                )
                for count in sorted({1, clips})
            ]
    return made


def precisions_of(place: torch.device) -> list[Precision]:
    """Those that the device computes in."""
    return list(get_args(Precision) if place.type == "cuda" else cpu_precisions())


class Step:
    """What the package does in a step, on the networks alone.

    Args:
        generator: Renders.
        guide: Embeds the images.
        targets: ``[clip, embed]``.
        size: Height of the images in pixels.
    """

    def __init__(self, generator: StyleGAN2, guide: OpenClipEmbedder, targets: Tensor, size: int) -> None:
        self.generator, self.guide, self.targets, self.size = generator, guide, targets, size

    def __call__(self, latents: Tensor, mark: Callable[[], None]) -> Tensor:
        """The losses ``[clip]``; marks the moment when there are images."""
        images = self.generator.synthesize(latents, resolution=self.size)
        mark()
        return self.losses(images, self.targets[: len(latents)])

    def losses(self, images: Tensor, targets: Tensor) -> Tensor:
        """1 - cosine."""
        return 1 - (self.guide.embed_image(images) * targets).sum(dim=1)


class CompiledStep(Step):
    """The same compiled as a whole, so that there is no moment to mark."""

    def __init__(self, generator: StyleGAN2, guide: OpenClipEmbedder, targets: Tensor, size: int) -> None:
        super().__init__(generator, guide, targets, size)
        torch._dynamo.config.recompile_limit = (
            64  # of this one function for all networks and sizes; beyond it nothing would be compiled
        )
        self.quick = compiled(
            lambda latents, aims: self.losses(generator.synthesize(latents, resolution=size), aims), how=True
        )

    def __call__(self, latents: Tensor, mark: Callable[[], None]) -> Tensor:
        """See :class:`Step`."""
        losses: Tensor = self.quick(latents, self.targets[: len(latents)])
        return losses


def take_turn(variant: Variant, optimizer: torch.optim.Optimizer, place: torch.device) -> None:
    """Two steps, the second of which is timed, and the memory that they take beyond what lay there before."""
    _keep(variant.keeps_memory, place)
    _allow_tf32(variant.precision, place)
    resting = _reset_peak(place)
    began = time.perf_counter()
    take_step(variant, optimizer, place, timed=False)
    variant.first = variant.first or time.perf_counter() - began
    take_step(variant, optimizer, place, timed=True)
    variant.peaks.append(_peak(place) - resting)


def take_step(variant: Variant, optimizer: torch.optim.Optimizer, place: torch.device, timed: bool) -> None:
    """One step of Adam, and the time of its parts."""
    marks = [now(place)]
    losses = variant.loss(variant.latents, lambda: marks.append(now(place)))
    marks.append(now(place))
    optimizer.zero_grad(set_to_none=True)
    losses.sum().backward()
    marks.append(now(place))
    optimizer.step()
    seconds = now(place) - marks[0]
    variant.last = losses.detach()[0].item()
    if timed:
        variant.seconds.append(seconds)
        variant.parts.append([after - before for before, after in itertools.pairwise(marks)])


def rows(variants: list[Variant]) -> dict[str, dict[str, Any]]:
    """The figures of each variant; ratios of medians to the reference loop's."""
    base = variants[0]
    found = {}
    for variant in variants:
        each = [seconds / variant.clips for seconds in variant.seconds]
        median = statistics.median(each)
        parts = [statistics.median(part) / variant.clips for part in zip(*variant.parts, strict=True)]
        names = ["synthesis", "encoding", "backward"] if len(parts) == 3 else ["forward", "backward"]
        difference = (variant.latents.detach()[:1] - base.latents.detach()).abs().max().item()
        moved = LEARNING_RATE * 2 * len(variant.seconds)
        found[variant.name] = {
            "seconds per clip-step": median,
            "spread": [min(each), max(each)],
            "times the reference loop": statistics.median(base.seconds) / median,
            "parts": dict(zip(names, parts, strict=True)),
            "peak memory per clip [GB]": min(variant.peaks)
            / variant.clips
            / 1e9,  # in later rounds more is left over from the others
            "first step [s]": variant.first,
            "largest difference of a latent, of the way it went": None
            if variant.coarse
            else difference / moved,
            "difference of the similarity": None if variant.coarse else abs(variant.last - base.last),
        }
    return found


def machine(place: torch.device) -> dict[str, Any]:
    """What computed."""
    name = (
        torch.cuda.get_device_name(place)
        if place.type == "cuda"
        else platform.processor() or platform.machine()
    )
    facts = {
        "device": name,
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "load": os.getloadavg()[0],
    }
    return {**facts, **{package: version(package) for package in ("torch", "open_clip_torch")}}


def now(place: torch.device) -> float:
    """The time in seconds, when all that was asked of the device is done."""
    if place.type == "cuda":
        torch.cuda.synchronize(place)
    return time.perf_counter()


def _keep(memory: bool, place: torch.device) -> None:
    """Gives freed memory back to the system, and keeps what will be freed from now on if ``memory``."""
    if place.type == "cpu" and platform.libc_ver()[0] == "glibc":
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        if memory:
            keep_freed_memory()


def _allow_tf32(precision: Precision | None, place: torch.device) -> None:
    """As a run does; of itself torch rounds the inputs of convolutions and no others."""
    if place.type != "cuda":
        return
    Speed(precision or "tfloat32").apply(place)
    if precision is None:
        torch.backends.cudnn.deterministic = torch.backends.cuda.matmul.allow_tf32 = False


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) << 10


def _reset_peak(place: torch.device) -> int:
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
        return int(torch.cuda.memory_allocated(place))
    Path("/proc/self/clear_refs").write_text("5")
    return _RESTING.setdefault("bytes", _status("VmRSS"))


_RESTING: dict[str, int] = {}


def _peak(place: torch.device) -> int:
    return int(torch.cuda.max_memory_allocated(place)) if place.type == "cuda" else _status("VmHWM")


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [", ".join(f"{name} {value}" for name, value in figures["machine"].items()), ""]
    lines += [
        f"{'':<48}{'ms/clip-step':>13}{'spread':>22}{'per second':>12}{'ratio':>8}{'GB/clip':>9}{'latent':>9}"
        f"{'cosine':>9}  parts"
    ]
    for name, row in figures["variants"].items():
        taken = row["seconds per clip-step"]
        spread = "-".join(f"{1e3 * value:.4g}" for value in row["spread"])
        differ = [
            row["largest difference of a latent, of the way it went"],
            row["difference of the similarity"],
        ]
        parts = ", ".join(f"{part} {1e3 * seconds:.4g}" for part, seconds in row["parts"].items())
        differences = "".join(f"{'-' if value is None else f'{value:.0e}':>9}" for value in differ)
        lines.append(
            f"{name:<48}{1e3 * taken:>13.4g}{spread:>22}{1 / taken:>12.4g}"
            f"{row['times the reference loop']:>8.2f}"
            f"{row['peak memory per clip [GB]']:>9.2f}{differences}  {parts}"
        )
    return "\n".join(lines)
