"""What each start, term, view count and choice of what moves is worth, alone, on the pocket networks."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

import stylewav_pl
from stylewav_pl.data import BuiltinVoices, Window
from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.face.defaults import defaults
from stylewav_pl.generators import load_generator
from stylewav_pl.optimisation.latents import S, WPlus
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.start import Start
from stylewav_pl.optimisation.views import Views
from stylewav_pl.pictures.images import from_picture
from stylewav_pl.training.base_rates import AGE, SEX, RandomFaces, answer
from stylewav_pl.training.base_rates import measure as base_rates
from stylewav_pl.training.nuisance import embed, random_faces

JUDGE = "pocket-judge"
CHILDREN_SHARE = 4  # one child in so many voices
AGES = ("child", "adult", "old")
SILENT = ("glasses", "hair-colour", "skin", "background")  # what no voice says
NEIGHBOUR, PIXELS = 3, 16
ADAM = torch.optim.Adam

MEAN, DRAWN = Start(), Start(prior="pocket")
MOVED = Start(prior="pocket", truncation=1.0)
VOICE, ALL = Objective(follow="voice"), Objective()
FROM_PRIOR = {"start": MOVED, "objective": VOICE, "steps": 4, "optimizer": partial(ADAM, lr=0.01)}
FROM_MEAN = {"start": MEAN, "objective": ALL, "steps": 20, "optimizer": partial(ADAM, lr=0.07)}

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "mean face, 20 steps": FROM_MEAN,
    "best of 8 samples near the mean, 20 steps": {**FROM_MEAN, "start": Start(truncation=0.3, candidates=8)},
    "own sample, 20 steps": {**FROM_MEAN, "start": Start(truncation=1.0)},
    "prior's draw, no step": {"start": DRAWN, "steps": 0},
    "prior's draw, 4 steps": {**FROM_PRIOR, "start": DRAWN, "objective": ALL},
    "own sample moved by the prior, no step": {"start": MOVED, "steps": 0},
    "**the same, 4 steps, `follow: voice` (default)**": FROM_PRIOR,
    "`follow: all`": {**FROM_PRIOR, "objective": ALL},
    "20 steps": {**FROM_PRIOR, "steps": 20},
    "20 steps, `follow: all`": {**FROM_PRIOR, "steps": 20, "objective": ALL},
    "20 steps, `follow: all`, `reach: 2`": {**FROM_PRIOR, "steps": 20, "objective": ALL, "reach": 2.0},
    "direction 1": {**FROM_PRIOR, "objective": Objective(follow="voice", direction=1.0)},
    "distance to the start .003": {
        **FROM_PRIOR,
        "objective": Objective(follow="voice", distance_to_start=0.003),
    },
    "4 views": {**FROM_PRIOR, "views": Views(count=4)},
    "W+": {**FROM_PRIOR, "latent_space": WPlus()},
    "W+, layers 0-3": {**FROM_PRIOR, "latent_space": WPlus(), "layers": ["0-3"]},
    "S without ToRGB": {**FROM_PRIOR, "latent_space": S(to_rgb=False)},
}


def shrunk(images: Float[Tensor, "face 3 height width"]) -> Float[Tensor, "face value"]:
    """Colours and shapes without detail."""
    return F.adaptive_avg_pool2d(images.clamp(-1, 1), PIXELS).flatten(start_dim=1)


def within(faces: Float[Tensor, "face value"], random: Float[Tensor, "sample value"]) -> float:
    """Returns the share of faces nearer to a random sample than that sample's third neighbour is.

    Source: the precision of Kynkaanniemi et al. (2019), arXiv:1904.06991.
    """
    radii = torch.cdist(random, random).kthvalue(NEIGHBOUR + 1, dim=1).values  # first: itself
    return float((torch.cdist(faces, random) <= radii).any(dim=1).float().mean())


def voices(count: int) -> tuple[list[tuple[Any, int]], Tensor, Tensor]:
    """Returns recordings, whether each voice is male (children: false), and its age group."""
    children = count // CHILDREN_SHARE
    source = BuiltinVoices((count - children) // 2, children=children)
    clips = source.list_clips()
    spoken = [(source.read(clip, 16_000, Window(5.0)).numpy(), 16_000) for clip in clips]
    male = torch.tensor([clip.labels.get("sex") == "male" for clip in clips])
    return spoken, male, torch.tensor([AGES.index(clip.labels["age_group"]) for clip in clips])


def of_variant(
    settings: Mapping[str, Any],
    seeds: int,
    heard: tuple[list[tuple[Any, int]], Tensor, Tensor],
    judge: ImageTextEmbedder,
    random: RandomFaces,
    pixels: Float[Tensor, "sample value"],
) -> dict[str, float]:
    """Makes faces of all voices under each seed, and judges them."""
    spoken, male, age = heard
    began = time.perf_counter()
    faces = []
    for seed in range(seeds):
        faces += stylewav_pl.generate(
            spoken, seed=seed, side_by_side=defaults().side_by_side * 4, frame_steps=(), **settings
        )
    seconds = time.perf_counter() - began
    images = torch.stack([from_picture(face.image) for face in faces])
    male, age = male.repeat(seeds), age.repeat(seeds)
    seen, grown = embed(judge, images), age != AGES.index("child")
    found = base_rates(images[grown], male[grown], judge, random)
    right = (answer(judge, seen, SEX) == 0) == male
    return {
        "similarity": sum(face.similarity for face in faces) / len(faces),
        "sex": float(right[grown].float().mean()),
        "age": float((answer(judge, seen, AGE) == age).float().mean()),
        "shift": max(one.shift for name, one in found.shares.items() if name.split(":")[0] in SILENT),
        "diversity": found.diversity,
        "plausible": within(seen, random.embedded),
        "plausible in pixels": within(shrunk(images), pixels),
        "seconds": seconds / len(faces),
    }


def measure(
    count: int, seeds: int, samples: int = 1000, only: str | None = None
) -> dict[str, dict[str, float]]:
    """All variants, or those whose name contains ``only``.

    Args:
        count: Voices.
        seeds: Of the run; each gives every voice another face.
        samples: Random faces to compare with.
        only: Part of a name.
    """
    generator, judge = load_generator("pocket"), load_image_text_embedder(JUDGE)
    random = RandomFaces.of(generator, judge, 1.0, samples)
    pixels = shrunk(random_faces(generator, samples, 1.0)[1])
    heard = voices(count)
    rows = {}
    for name, settings in VARIANTS.items():
        if only is None or only in name:
            rows[name] = of_variant(settings, seeds, heard, judge, random, pixels)
            print(row(name, rows[name]), flush=True)
    return rows


def row(name: str, found: Mapping[str, float]) -> str:
    """One line of the table."""
    cells = [f"{value:.2f}" for value in found.values()]
    return f"| {name} | {' | '.join(cells)} |"


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Returns Markdown."""
    columns = ("start, steps, setting", *next(iter(figures.values())))
    head = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join([*head, *(row(name, found) for name, found in figures.items())])
