"""The whole optimisation of a clip, with its final render, against as many steps of the reference loop.

Networks of the true shapes.
"""

import statistics
import time
from typing import Any

import torch
from progressive import optimise
from true_shapes import TrueShapes, true_shapes

from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.hardware import Speed, cpu_precisions, keep_freed_memory
from stylewav_pl.optimisation.phases import Refinement
from stylewav_pl.types import Clip, ClipBatch

REFERENCE_STEPS = 3


def measure(resolution: int, coarse: int, steps: int, clips: int, with_compilation: bool) -> dict[str, Any]:
    """Seconds per clip of every way to do it.

    Those of the reference loop are the median of a few of its steps, times ``steps``.
    """
    torch.manual_seed(0)
    shapes = true_shapes(resolution, clips, torch.device("cpu"))
    slow = {"reference loop": steps * reference_seconds(shapes)}
    keep_freed_memory()
    slow["reference loop, memory kept"] = steps * reference_seconds(shapes)
    ways: dict[str, dict[str, Any]] = {"exact": {}}
    ways |= {
        f"{coarse} px, the last {full} full": {"refinement": Refinement(coarse, full)} for full in (8, 2)
    }
    quick = {}
    for precision in cpu_precisions():
        for compile in (False, True) if with_compilation else (False,):
            for name, settings in ways.items():
                told = f"{name}, {precision}" + (f", compiled, {clips} clips" if compile else "")
                quick[told] = seconds(
                    shapes,
                    clips if compile else 1,
                    {**settings, "num_steps": steps, "speed": Speed(precision, compile=compile)},
                )
    base = slow["reference loop"]
    rows = {
        name: {"seconds per clip": taken, "times the reference loop": base / taken}
        for name, taken in (slow | quick).items()
    }
    return {"resolution": resolution, "steps": steps, "threads": torch.get_num_threads(), "rows": rows}


def reference_seconds(shapes: TrueShapes) -> float:
    """The median of a few steps, after one that is not counted."""
    latent = torch.zeros(1, 512, requires_grad=True)
    optimizer = torch.optim.Adam([latent], lr=0.1)
    taken = []
    for _ in range(1 + REFERENCE_STEPS):
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        shapes.reference(latent, lambda: None).sum().backward()
        optimizer.step()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def seconds(shapes: TrueShapes, clips: int, settings: dict[str, Any]) -> float:
    """Of one clip of a cohort that is optimised through a real trainer.

    Compiling and one step of each resolution come before.
    """
    model = StyleWav(shapes.generator, shapes.guide, shapes.audio, cohort_size=clips, **settings)
    targets = torch.zeros(clips, shapes.guide.embed_dim)
    for resolution in {phase.resolution for phase in model.recipe.phases}:
        scored = model.renderer.compiled_render_and_score(model.latents, targets, resolution)
        scored[2].sum().backward()
    slots = tuple(Clip(f"clip-{index}", "") for index in range(clips))
    return optimise(model, ClipBatch(0, slots, tuple(shapes.waveforms[:clips]))).seconds / clips


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [
        f"{figures['resolution']} px, {figures['steps']} steps, {figures['threads']} threads",
        f"{'':<60}{'s/clip':>10}{'ratio':>8}",
    ]
    return "\n".join(
        lines
        + [f"{name:<60}" + "{:>10.1f}{:>8.2f}".format(*row.values()) for name, row in figures["rows"].items()]
    )
