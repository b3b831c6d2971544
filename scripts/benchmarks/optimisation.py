"""The whole optimisation of a clip, with its final render, against as many steps of the reference loop.

Networks of the true shapes.
"""

import statistics
from typing import Any

import torch
from progressive import optimise
from step import machine, now, precisions_of
from true_shapes import TrueShapes, true_shapes

from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.hardware import Precision, Speed, keep_freed_memory
from stylewav_pl.optimisation.phases import Refinement
from stylewav_pl.types import Clip, ClipBatch

REFERENCE_STEPS = 3


def measure(
    resolution: int,
    coarse: int,
    steps: int,
    clips: int,
    with_compilation: bool,
    device: str,
    precisions: list[Precision] | None,
) -> dict[str, Any]:
    """Seconds per clip of every way to do it; on a GPU always with all clips side by side.

    Those of the reference loop are the median of a few of its steps, times ``steps``.
    """
    torch.manual_seed(0)
    place = torch.device(device)
    shapes = true_shapes(resolution, clips, place)
    slow = {"reference loop": steps * reference_seconds(shapes, place)}
    if place.type == "cpu":
        keep_freed_memory()
        slow["reference loop, memory kept"] = steps * reference_seconds(shapes, place)
    ways: dict[str, dict[str, Any]] = {"exact": {}}
    ways |= {
        f"{coarse} px, the last {full} full": {"refinement": Refinement(coarse, full)} for full in (8, 2)
    }
    quick = {}
    for precision in precisions or precisions_of(place):
        for compile in (False, True) if with_compilation else (False,):
            for name, settings in ways.items():
                count = clips if compile or place.type == "cuda" else 1
                told = f"{name}, {precision}" + (", compiled" if compile else "")
                told += f", {count} clips" if count > 1 else ""
                quick[told] = seconds(
                    shapes,
                    count,
                    place,
                    {**settings, "num_steps": steps, "speed": Speed(precision, compile=compile)},
                )
    base = slow["reference loop"]
    rows = {
        name: {"seconds per clip": taken, "times the reference loop": base / taken}
        for name, taken in (slow | quick).items()
    }
    return {"machine": machine(place), "resolution": resolution, "steps": steps, "rows": rows}


def reference_seconds(shapes: TrueShapes, place: torch.device) -> float:
    """The median of a few steps, after one that is not counted."""
    latent = torch.zeros(1, 512, device=place, requires_grad=True)
    optimizer = torch.optim.Adam([latent], lr=0.1)
    taken = []
    for _ in range(1 + REFERENCE_STEPS):
        began = now(place)
        optimizer.zero_grad(set_to_none=True)
        shapes.reference(latent, lambda: None).sum().backward()
        optimizer.step()
        taken.append(now(place) - began)
    return statistics.median(taken[1:])


def seconds(shapes: TrueShapes, clips: int, place: torch.device, settings: dict[str, Any]) -> float:
    """Of one clip of a cohort that is optimised through a real trainer.

    Compiling and one step of each resolution come before.
    """
    model = StyleWav(shapes.generator, shapes.guide, shapes.audio, cohort_size=clips, **settings).to(place)
    model.speed.apply(place)
    targets = torch.zeros(clips, shapes.guide.embed_dim, device=place)
    for resolution in {phase.resolution for phase in model.recipe.phases}:
        scored = model.renderer.compiled_render_and_score(model.latents, targets, resolution)
        scored[2].sum().backward()
    slots = tuple(Clip(f"clip-{index}", "") for index in range(clips))
    return optimise(model, ClipBatch(0, slots, tuple(shapes.waveforms[:clips]))).seconds / clips


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [
        ", ".join(f"{name} {value}" for name, value in figures["machine"].items()),
        f"{figures['resolution']} px, {figures['steps']} steps",
        f"{'':<60}{'s/clip':>10}{'ratio':>8}",
    ]
    return "\n".join(
        lines
        + [f"{name:<60}" + "{:>10.4g}{:>8.2f}".format(*row.values()) for name, row in figures["rows"].items()]
    )
