"""StyleGAN3 from files as NVIDIA writes them, against the slow implementation."""

import math
from dataclasses import replace

import pytest
import torch
from published_stylegan2 import dump
from slow_stylegan3 import doubled, generator_of, random_values, slow_image, slow_map, write_alias_free

from stylewav_pl.cli import main
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.generators import StyleGAN3, filtered_relu, load_generator
from stylewav_pl.generators.stylegan3_placed import PlacedStyleGAN3

VARIANTS = {
    "T": {},
    "R": {"kernel": 1, "radial": True},
    "clamped": {"clamp": 0.4},
    "unbounded": {"clamp": None},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.dat"


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def values(request):
    return random_values(**request.param)


def compare(generator, values):
    exact = doubled(values)
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(1))
    w = slow_map(exact, z.double())
    torch.testing.assert_close(generator.map(z).double(), w, atol=1e-5, rtol=1e-5)
    shift = torch.randn(2, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(2))
    ws = (w.float()[:, None] + 0.3 * shift).requires_grad_()
    slow_ws = ws.detach().double().requires_grad_()
    image = generator.synthesize(ws)
    slow = torch.stack([slow_image(exact, one) for one in slow_ws])
    torch.testing.assert_close(image.double(), slow, atol=2e-5, rtol=1e-5)
    (gradient,) = torch.autograd.grad(image.square().mean(), ws)
    (expected,) = torch.autograd.grad(slow.square().mean(), slow_ws)
    torch.testing.assert_close(gradient.double(), expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_file_gives_the_images_of_the_values_written(values, protocol, path):
    write_alias_free(path, values, protocol)
    generator = load_generator(path)
    compare(generator, values)
    assert torch.equal(generator.w_mean, values.mean)
    assert (generator.resolution, generator.num_ws, generator.z_dim, generator.w_dim) == (8, 5, 5, 7)


@pytest.mark.parametrize("chunk", [1, 700, 1 << 25])
def test_large_maps_are_convolved_in_parts(values, chunk, path, monkeypatch):
    """The way that maps of more pixels take, forward and backward."""
    monkeypatch.setattr(filtered_relu, "LARGEST_MATRIX", 0)
    monkeypatch.setattr(filtered_relu, "LARGEST_CHUNK", chunk)
    write_alias_free(path, values)
    compare(load_generator(path), values)


@pytest.mark.parametrize("recompute_from", [1, None])
def test_feature_maps_may_be_computed_again(values, recompute_from, path):
    write_alias_free(path, values)
    compare(load_generator(path).freeze(recompute_from=recompute_from), values)


def test_half_precision_is_close(values, path):
    write_alias_free(path, values)
    generator = load_generator(path)
    w = generator.map(torch.randn(2, 5, generator=torch.Generator().manual_seed(0)))
    full = generator.synthesize(w)
    half = generator.freeze(torch.bfloat16, float32_up_to=8).synthesize(w)
    assert half.dtype == torch.float32 and not torch.equal(half, full)
    assert (half - full).square().mean() < 0.003 * full.square().mean()


def test_a_turn_of_the_image_turns_the_waves(path):
    """Half a turn maps the pixels of the input onto each other: its features come out mirrored."""
    plain = random_values()
    values = replace(plain, transform=torch.eye(3), input_style_weight=torch.zeros(4, 7))
    values = replace(values, input_style_bias=torch.tensor([1.0, 0.0, 0.0, 0.0]))
    write_alias_free(path, values)
    straight, turned = load_generator(path), PlacedStyleGAN3(path, angle=180)
    style = straight.styles(torch.zeros(1, 5, 7))[0]
    torch.testing.assert_close(turned.input(style), straight.input(style).flip(2, 3), atol=1e-5, rtol=0)
    shifted = PlacedStyleGAN3(path, right=0.125)  # one pixel of eight
    torch.testing.assert_close(
        shifted.input(style)[..., 1:], straight.input(style)[..., :-1], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("wrong", [{"angle": math.nan}, {"right": math.inf}])
def test_an_impossible_placement_is_named(path, wrong):
    write_alias_free(path, random_values())
    with pytest.raises(ConfigError, match=r"Expected model\.generator"):
        PlacedStyleGAN3(path, **wrong)


def test_only_a_stylegan3_can_be_placed():
    with pytest.raises(WeightsError, match="'pocket' holds no StyleGAN3"):
        PlacedStyleGAN3("pocket")


def test_convert_and_inspect(values, path, tmp_path, capsys):
    write_alias_free(path, values)
    target = tmp_path / "own.safetensors"
    assert main(["weights", "convert", str(path), str(target)]) == 0
    one, other = load_generator(path), load_generator(target)
    assert isinstance(other, StyleGAN3) and one.config == other.config
    w = torch.randn(2, 7)
    assert torch.equal(one.synthesize(w), other.synthesize(w))
    for file in (path, target):
        capsys.readouterr()
        assert main(["weights", "inspect", str(file)]) == 0
        told = capsys.readouterr().out
        assert "family        stylegan3" in told and "resolution    8" in told


def test_a_missing_mean_is_estimated_and_said(path, caplog):
    write_alias_free(path, replace(random_values(), mean=None))
    generator = load_generator(path)
    assert "holds no mean w: it was estimated" in caplog.text
    mean = generator.map(torch.randn(20_000, 5, generator=torch.Generator().manual_seed(7))).mean(dim=0)
    torch.testing.assert_close(generator.w_mean, mean, atol=0.02, rtol=0.05)


WRONG = {
    "conditional": ({"c_dim": 3}, r"conditional StyleGAN3 \(labels of width 3\)"),
    "padding": ({"padding": [1, 2]}, "as padding. Expected 4 integers"),
    "padding-text": ({"padding": ["x"] * 4}, "as padding. Expected 4 integers"),
    "padding-huge": ({"padding": [1 << 40] * 4}, "damaged"),
    "padding-uneven": ({"padding": [0, 1, 2, 3]}, "damaged: its configuration makes no StyleGAN3"),
    "factor": ({"up_factor": 2.5}, "as up_factor. Expected an integer"),
    "factor-nan": ({"up_factor": math.nan}, "as up_factor. Expected an integer"),
    "factor-huge": ({"up_factor": 1 << 40}, "damaged"),
    "factor-none": ({"down_factor": None}, "as down_factor. Expected a number"),
    "factor-zero": ({"down_factor": 0}, "damaged"),
    "clamp-text": ({"conv_clamp": "x"}, "damaged"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_named(name, path):
    attributes, expected = WRONG[name]
    write_alias_free(path, random_values(), **attributes)
    with pytest.raises(WeightsError, match=expected) as caught:
        load_generator(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize("sizes", [(1 << 20, 1), (4096, 8192)])
def test_a_small_file_cannot_ask_for_large_maps(sizes, path):
    values = random_values()
    write_alias_free(path, replace(values, size=sizes[0]))
    with pytest.raises(WeightsError, match="damaged"):
        load_generator(path)
    layer = replace(values.layers[0], padding=[sizes[1]] * 4)
    write_alias_free(path, replace(values, layers=[layer, *values.layers[1:]]))
    if sizes[1] > 1:
        with pytest.raises(WeightsError, match="damaged"):
            load_generator(path)


def test_wrong_shapes_and_numbers_are_named(path):
    values = random_values()
    for broken, expected in (
        (replace(values, freqs=torch.zeros(5, 2)), "input.freqs has the shape"),
        (replace(values, phases=torch.full((6,), math.inf)), "not finite, in input.phases"),
        (
            replace(values, layers=[replace(values.layers[0], weight=torch.zeros(3)), *values.layers[1:]]),
            "shape",
        ),
        (replace(values, layers=values.layers[:-1]), "no last layer of three colours"),
    ):
        write_alias_free(path, broken)
        with pytest.raises(WeightsError, match=expected):
            load_generator(path)


def test_a_bare_generator_is_read(path):
    values = random_values()
    dump(path, generator_of(values))
    compare(load_generator(path), values)


def test_large_styles_keep_their_direction(path):
    """A clip's own root mean square divides its style: the authors' code takes that of the whole batch."""
    write_alias_free(path, random_values())
    generator = load_generator(path)
    ws = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(3))
    ws[1] *= 1e4
    torch.testing.assert_close(generator.synthesize(ws)[:1], generator.synthesize(ws[:1]), atol=1e-6, rtol=0)
