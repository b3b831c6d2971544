"""Layers that each clip chooses by its own loss: StyleGAN-NADA's rule, written again slowly."""

from dataclasses import replace

import pytest
import torch
from one_cohort import CountingAudio, CountingGuide, optimise, small_stylegan2
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.adaptive_layers import AdaptiveLayers, Layers
from stylewav_pl.optimisation.latents import LatentSpace, S, W, WPlus
from stylewav_pl.optimisation.start import Start
from stylewav_pl.types import ClipBatch

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none

NO_WORDS = ClipBatch(0, (), ())
NAMES = ["a", "bc", "d", "ef", "g", "hij"]


def system(space: LatentSpace, layers: object, size: int, steps: int = 3) -> StyleWav:
    return StyleWav(
        small_stylegan2(),
        CountingGuide(),
        CountingAudio(),
        size,
        space,
        Start(0.8),
        num_steps=steps,
        layers=layers,
    )


def rows_moved(model: StyleWav, names: list[str | None]) -> tuple[Tensor, Tensor]:
    """Which rows of W+ have moved, and where every clip ended."""
    result = optimise(model, names)
    starts = model.initial_latents(list(result.seeds), result.targets, NO_WORDS)
    return (result.latents != starts).any(dim=2), result.latents


def test_the_rows_are_those_with_the_steepest_loss_at_the_start() -> None:
    model = system(WPlus(), AdaptiveLayers(2), 6)
    moved, _ = rows_moved(model, NAMES)
    assert (moved.sum(dim=1) == 2).all()
    plain = system(WPlus(), None, 6)
    result = optimise(plain, NAMES)
    for row, target in enumerate(result.targets):
        start = plain.initial_latents(result.seeds, result.targets, NO_WORDS)[row : row + 1].requires_grad_()
        image = plain.generator.synthesize(start)
        (slope,) = torch.autograd.grad(1 - plain.guide.embed_image(image)[0] @ target, start)
        steepest = slope.abs().mean(dim=2)[0].topk(2).indices.sort().values
        assert torch.equal(moved[row].nonzero()[:, 0], steepest)
    assert len(moved.unique(dim=0)) > 1, "each its own"


@pytest.mark.parametrize("steps", [1, 3])
def test_a_clip_chooses_the_same_layers_in_any_company(steps: int) -> None:
    layers = AdaptiveLayers(2, steps)
    together, latents = rows_moved(system(WPlus(), layers, 3), ["a", "bc", "d"])
    alone, latent = rows_moved(system(WPlus(), layers, 3), [None, "bc", None])
    assert torch.equal(alone[0], together[1])
    torch.testing.assert_close(latent[0], latents[1], rtol=0, atol=1e-5)


def test_styles_are_chosen_without_those_that_the_space_holds() -> None:
    model = system(S(to_rgb=False), AdaptiveLayers(1), 2)
    assert model.layers.movable == [0, 2, 3]  # conv1, conv2, conv3
    result = optimise(model, ["a", "bc"])
    starts = model.initial_latents(list(result.seeds), result.targets, NO_WORDS)
    sizes = [layer.channels for layer in model.generator.style_layers]
    for change in result.latents != starts:
        parts = [part.any().item() for part in torch.split(change, sizes)]
        assert sum(parts) == 1 and not (parts[1] or parts[4])


def test_the_word_alone_means_a_third() -> None:
    assert Layers("adaptive", WPlus(), small_stylegan2()).count == 1
    assert Layers("adaptive", S(), small_stylegan2()).count == 1
    assert Layers(AdaptiveLayers(4), WPlus(), small_stylegan2()).count == 4


@pytest.mark.parametrize(
    ("space", "layers", "words"),
    [
        (W(), "adaptive", "in w one vector is for all"),
        (WPlus(), AdaptiveLayers(5), "at most 4, the layers that may move here; found 5"),
        (S(to_rgb=False), AdaptiveLayers(4), "at most 3"),
    ],
)
def test_what_contradicts_itself(space: LatentSpace, layers: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Layers(layers, space, small_stylegan2())


@pytest.mark.parametrize("change", [{"count": 0}, {"steps": 0}])
def test_numbers_out_of_their_range(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"model\.layers\."):
        replace(AdaptiveLayers(), **change)
