"""The first StyleGAN from files of both layouts, against the slow implementation."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from slow_stylegan import (
    conversion_state,
    exact,
    slow_stylegan,
    slow_w,
    stylegan_values,
    write_stylegan_conversion,
    write_stylegan_tensorflow,
)

from stylewav_pl.cli import main
from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import StyleGAN, load_generator

WRITERS = {
    "tensorflow": write_stylegan_tensorflow,
    "tensorflow-protocol-2": partial(write_stylegan_tensorflow, protocol=2),
    "tensorflow-protocol-5": partial(write_stylegan_tensorflow, protocol=5),
    "conversion": write_stylegan_conversion,
}
SMALL = stylegan_values()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.dat"


def compare(generator, values):
    slow_values = exact(values)
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(1))
    w = slow_w(slow_values, z.double())
    torch.testing.assert_close(generator.map(z).double(), w, atol=1e-5, rtol=1e-5)
    shift = torch.randn(2, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(2))
    ws = (w.float()[:, None] + 0.3 * shift).requires_grad_()
    slow_ws = ws.detach().double().requires_grad_()
    for noise in ("none", "const"):
        image = generator.synthesize(ws, noise)
        slow = torch.stack([slow_stylegan(slow_values, one, noise) for one in slow_ws])
        torch.testing.assert_close(image.double(), slow, atol=1e-4, rtol=0)
    (gradient,) = torch.autograd.grad(image.square().mean(), ws)
    (expected,) = torch.autograd.grad(slow.square().mean(), slow_ws)
    torch.testing.assert_close(gradient.double(), expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_gives_the_images_of_the_values_written(write, path):
    write(path, SMALL)
    generator = load_generator(path)
    compare(generator, SMALL)
    assert torch.equal(generator.w_mean, SMALL.mean)
    assert generator.config["channels"] == {"4": 6, "8": 5, "16": 4}
    assert (generator.z_dim, generator.w_dim, generator.mapping_width, generator.num_ws) == (5, 7, 8, 6)


def test_transposed_convolutions_turn_the_kernel(path):
    values = stylegan_values(fused=True)
    write_stylegan_tensorflow(path, values)
    compare(load_generator(path), values)


def test_published_files_use_them_from_128_pixels_on(path):
    for write in (
        write_stylegan_conversion,
        partial(write_stylegan_tensorflow, settings={"fused_scale": "auto"}),
    ):
        write(path, stylegan_values(channels=(6, 2, 2, 2, 2, 2)))
        assert [layer.fused for layer in load_generator(path).layers] == [False] * 10 + [True, False]


@pytest.mark.parametrize("recompute_from", [1, 16])
def test_feature_maps_may_be_computed_again(recompute_from, path):
    write_stylegan_conversion(path, SMALL)
    compare(load_generator(path).freeze(recompute_from=recompute_from), SMALL)


def test_half_precision_is_close(path):
    write_stylegan_conversion(path, SMALL)
    generator = load_generator(path)
    w = generator.map(torch.randn(2, 5))
    full = generator.synthesize(w)
    half = generator.freeze(torch.bfloat16, float32_up_to=4).synthesize(w)
    assert half.dtype == torch.float32 and not torch.equal(half, full)
    assert (half - full).square().mean() < 0.003 * full.square().mean()


def test_random_noise_differs_and_none_does_not(path):
    write_stylegan_conversion(path, SMALL)
    generator = load_generator(path)
    w = generator.map(torch.randn(1, 5))
    torch.manual_seed(0)
    assert not torch.equal(generator.synthesize(w, "random"), generator.synthesize(w, "random"))
    assert torch.equal(generator.synthesize(w, "none"), generator.synthesize(w, "none"))


@pytest.mark.parametrize("write", [write_stylegan_tensorflow, write_stylegan_conversion])
def test_convert_and_inspect(write, path, tmp_path, capsys):
    write(path, SMALL)
    target = tmp_path / "own.safetensors"
    assert main(["weights", "convert", str(path), str(target)]) == 0
    one, other = load_generator(path), load_generator(target)
    assert isinstance(other, StyleGAN) and one.config == other.config
    w = torch.randn(2, 7)
    assert torch.equal(one.synthesize(w), other.synthesize(w))
    for file in (path, target):
        capsys.readouterr()
        assert main(["weights", "inspect", str(file)]) == 0
        told = capsys.readouterr().out
        assert "family        stylegan\n" in told and "resolution    16\n" in told


@pytest.mark.parametrize("write", [write_stylegan_tensorflow, write_stylegan_conversion])
def test_what_is_missing_is_made_and_said(write, path, caplog):
    write(path, replace(SMALL, mean=None, layers=[replace(layer, noise=None) for layer in SMALL.layers]))
    generator = load_generator(path)
    assert "lacks 6 of its noise maps" in caplog.text and "holds no mean w" in caplog.text
    assert torch.equal(
        load_generator(path).synthesize(generator.w_mean[None]), generator.synthesize(generator.w_mean[None])
    )


def test_a_bare_state_is_read(path):
    torch.save(conversion_state(SMALL), path)
    compare(load_generator(path), SMALL)


SETTINGS = {
    "label_size": 3,
    "use_pixel_norm": True,
    "use_instance_norm": False,
    "nonlinearity": "relu",
    "blur_filter": [1, 1],
    "fused_scale": "never",
    "mapping_lrmul": None,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_variants_are_refused_by_name(name, path):
    write_stylegan_tensorflow(path, SMALL, settings={name: SETTINGS[name]})
    expected = (
        "damaged"
        if name == "mapping_lrmul"
        else f"It is a StyleGAN with .*{SETTINGS[name]!r:.4}".replace("[", r"\[")
    )
    with pytest.raises(WeightsError, match=expected):
        load_generator(path)


def test_wrong_values_are_named(path):
    broken = {
        "synthesis.layer2.weight": (torch.zeros(3), "shape"),
        "synthesis.layer0.bias": (torch.full((6,), np.nan), "not finite, in layers.0.bias"),
        "synthesis.layer0.style.weight": (torch.zeros(2), "too few axes"),
        "synthesis.layer1.bias": ("text", "no plain numbers"),
        "attention.weight": (torch.zeros(1), r"does not have: attention\.weight"),
        "synthesis.layer9.style.weight": (torch.zeros(2, 7), r"lacks the variable"),
    }
    for name, (value, expected) in broken.items():
        torch.save({"generator_smooth": conversion_state(SMALL) | {name: value}}, path)
        with pytest.raises(WeightsError, match=expected) as caught:
            load_generator(path)
        assert "\n" not in str(caught.value)
    write_stylegan_tensorflow(path, SMALL, extra=[("Attention/weight", np.zeros(2, np.float32))])
    with pytest.raises(WeightsError, match="Attention/weight"):
        load_generator(path)
