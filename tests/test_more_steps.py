"""More steps never make it worse: faces stay among those that the generator makes of random noise."""

from functools import partial

import pytest
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

import stylewav_pl
from stylewav_pl.data import BuiltinVoices, Window
from stylewav_pl.face import Face
from stylewav_pl.generators import load_generator
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.optimisation.start import Start
from stylewav_pl.pictures.images import from_picture

RATE = 16_000
RANDOM, NEIGHBOUR, PIXELS = 300, 3, 16


def shrunk(images: Float[Tensor, "face 3 height width"]) -> Float[Tensor, "face value"]:
    """Colours and shapes without detail: there smeared faces differ, which a CLIP model takes for faces."""
    return F.adaptive_avg_pool2d(images.clamp(-1, 1), PIXELS).flatten(start_dim=1)


class Plausibility:
    """The share of faces within the sphere of random samples, in pixels.

    Source: the precision of Kynkaanniemi et al. (2019), arXiv:1904.06991.
    """

    @torch.no_grad()
    def __init__(self) -> None:
        generator = load_generator("pocket")
        z = torch.randn(RANDOM, generator.z_dim, generator=torch.Generator().manual_seed(3))
        parts = torch.split(z, 50)
        self.samples = torch.cat([shrunk(generator.synthesize(generator.map(part))) for part in parts])
        apart = torch.cdist(self.samples, self.samples)
        self.radii = apart.kthvalue(NEIGHBOUR + 1, dim=1).values  # the first is the sample itself

    def __call__(self, faces: list[Face]) -> float:
        seen = shrunk(torch.stack([from_picture(face.image) for face in faces]))
        return float((torch.cdist(seen, self.samples) <= self.radii).any(dim=1).float().mean())


def similarity(faces: list[Face]) -> float:
    return sum(face.similarity for face in faces) / len(faces)


@pytest.mark.slow
def test_more_steps_are_as_plausible_as_few() -> None:
    source = BuiltinVoices(per_sex=4)
    voices = [(source.read(clip, RATE, Window(3.0, "center")), RATE) for clip in source.list_clips()]
    plausibility = Plausibility()

    def faces(steps: int, rate: float, follow: str, reach: float | None = None) -> list[Face]:
        return stylewav_pl.generate(
            voices,
            steps=steps,
            start=Start(prior="pocket", truncation=1.0),
            audio_encoder="pocket",
            device="cpu",
            optimizer=partial(torch.optim.Adam, lr=rate),
            frame_steps=[],
            objective=Objective(follow=follow),
            reach=reach,
        )

    few, many = faces(4, 0.01, "voice"), faces(30, 0.01, "voice")  # as the defaults are
    assert plausibility(few) >= 0.75
    assert plausibility(many) >= plausibility(few) - 1 / len(voices)
    # towards all of the target, as far as hundreds of steps at the usual rate could lead
    free, bounded = faces(15, 0.5, "all"), faces(15, 0.5, "all", reach=0.5)
    assert plausibility(free) <= 0.25, "they smear, and the measure sees it"
    assert plausibility(bounded) >= 0.75
    assert similarity(bounded) > similarity(few) + 0.05
