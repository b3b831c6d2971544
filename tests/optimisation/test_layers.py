"""Which layers move, and which stay to the last bit."""

import pytest
import torch
from one_cohort import CountingAudio, CountingGuide, optimise, small_stylegan2
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.latents import LatentSpace, S, W, WPlus
from stylewav_pl.optimisation.layers import held_entries, layer_names

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none


def moved(space: LatentSpace, layers: list[str] | None) -> Tensor:
    model = StyleWav(
        small_stylegan2(), CountingGuide(), CountingAudio(), 2, space, num_steps=3, layers=layers
    )
    result = optimise(model, ["a", "b"])
    return (result.latents != model.mean_latent).flatten(start_dim=1)


def test_rows_of_w_plus() -> None:
    network = small_stylegan2()
    for layers, rows in ((["1"], [1]), (["0-1", "3"], [0, 1, 3]), (None, range(network.num_ws))):
        expected = torch.zeros(network.num_ws, network.w_dim, dtype=torch.bool)
        expected[list(rows)] = True
        assert torch.equal(moved(WPlus(), layers), expected.flatten().expand(2, -1))


def test_styles_by_name_and_by_the_vector_that_they_follow() -> None:
    network = small_stylegan2()
    assert layer_names(S(), network) == ["conv1", "to_rgb1", "conv2", "conv3", "to_rgb2"]
    sizes = [layer.channels for layer in network.style_layers]
    of_names = held_entries(["conv3", "to_rgb1"], S(), network)
    assert [part.any().item() for part in torch.split(~of_names, sizes)] == [False, True, False, True, False]
    rows = [layer.ws_index for layer in network.style_layers]
    of_rows = held_entries(["1-2"], S(), network)
    assert [part.all().item() for part in torch.split(~of_rows, sizes)] == [row in (1, 2) for row in rows]
    without_colours = held_entries(["1-2"], S(to_rgb=False), network)
    assert torch.equal(without_colours, of_rows | S(to_rgb=False).held(network))


@pytest.mark.parametrize(
    ("space", "layers", "words"),
    [
        (W(), ["0"], "one vector is for all"),
        (WPlus(), [], "at least one layer"),
        (WPlus(), ["0-9"], r"from 0 to 3, such as 3 or 0-7; found '0-9'"),
        (WPlus(), ["conv1"], "found 'conv1'"),
        (WPlus(), ["2-1"], "found '2-1'"),
        (S(), ["conv9"], "or styles such as conv1 and to_rgb2; found 'conv9'"),
        (S(to_rgb=False), ["to_rgb1"], "holds still: nothing would move"),
    ],
)
def test_layers_that_are_not_there(space: LatentSpace, layers: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        held_entries(layers, space, small_stylegan2())
