"""Small files of each published format against the slow implementation, computed from the values that were
written."""

import argparse
import json
import sys
from dataclasses import replace
from functools import partial

import published_stylegan2
import pytest
import torch
from published_stylegan2 import (
    Persistent,
    dump,
    nvidia_generator,
    rosinality_state,
    write_ada,
    write_rosinality,
    write_stylegan3,
    write_tensorflow,
)
from slow_stylegan2 import doubled, random_values, slow_image, slow_map, slow_style

from stylewav_pl.cli import main
from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import StyleGAN2, load_generator

WRITERS = {
    "ada": write_ada,
    "ada-protocol-2": partial(write_ada, protocol=2),
    "ada-protocol-5": partial(write_ada, protocol=5),
    "stylegan3": write_stylegan3,
    "tensorflow": write_tensorflow,
    "tensorflow-protocol-2": partial(write_tensorflow, protocol=2),
    "tensorflow-protocol-5": partial(write_tensorflow, protocol=5),
    "rosinality": write_rosinality,
    "rosinality-legacy": partial(write_rosinality, zipped=False),
}
NVIDIA = {name: writer for name, writer in WRITERS.items() if not name.startswith("rosinality")}
SMALL = random_values([5, 7, 3])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.dat"  # the suffix says nothing


def compare(path, values, clips=2):
    generator = load_generator(path)
    exact = doubled(values)
    z = 2 * torch.randn(clips, generator.z_dim, generator=torch.Generator().manual_seed(1))
    w = slow_map(exact, z.double())
    torch.testing.assert_close(generator.map(z).double(), w, atol=1e-5, rtol=1e-5)
    shift = 0.3 * torch.randn(
        clips, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(2)
    )
    ws = (w.float()[:, None] + shift).requires_grad_()
    slow_ws = ws.detach().double().requires_grad_()
    for noise in ("const", "none"):
        image = generator.synthesize(ws, noise)
        slow = torch.stack([slow_image(exact, one, noise) for one in slow_ws])
        torch.testing.assert_close(image.double(), slow, atol=1e-4, rtol=0)
    (gradient,) = torch.autograd.grad(image.square().mean(), ws)
    (expected,) = torch.autograd.grad(slow.square().mean(), slow_ws)
    torch.testing.assert_close(gradient.double(), expected, atol=1e-4 * float(expected.abs().max()), rtol=0)
    return generator


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_gives_the_images_of_the_values_written(write, path):
    write(path, SMALL)
    generator = compare(path, SMALL)
    assert "torch_utils" not in sys.modules and "dnnlib" not in sys.modules
    torch.testing.assert_close(generator.w_mean, SMALL.mean)
    assert generator.config["channels"] == {"4": 5, "8": 7, "16": 3}
    assert (generator.z_dim, generator.w_dim, generator.mapping_depth, generator.conv_clamp) == (
        6,
        9,
        3,
        None,
    )


@pytest.mark.parametrize("write", NVIDIA.values(), ids=NVIDIA)
def test_every_dimension_and_setting_comes_from_the_file(write, path):
    values = random_values(
        [4, 2, 6, 3],
        z=5,
        w=7,
        hidden=8,
        depth=2,
        multiplier=0.5,
        taps=(1.0, 2.0, 5.0, 3.0, 2.0, 1.0),
        clamp=0.75,
    )
    write(path, values)
    generator = compare(path, values)
    assert (generator.resolution, generator.mapping_width, generator.mapping_learning_rate_multiplier) == (
        32,
        8,
        0.5,
    )
    assert generator.conv_clamp == 0.75
    assert generator.synthesize(generator.map(torch.randn(2, 5))).abs().max() <= 0.75 * 4 * 2


@pytest.mark.parametrize("taps", [(1.0, 2.0, 1.0), (5.0, 1.0, 3.0, 2.0, 4.0), (1.0,)], ids=len)
@pytest.mark.parametrize("write", [write_ada, write_tensorflow, write_rosinality])
def test_filters_of_an_odd_number_of_taps(write, taps, path):
    values = random_values([4, 2, 6], z=7, w=7, taps=taps)
    write(path, values)
    compare(path, values)


@pytest.mark.parametrize("clamp", [None, 0.75])
@pytest.mark.parametrize("design", ["resnet", "orig"])
@pytest.mark.parametrize("write", NVIDIA.values(), ids=NVIDIA)
def test_the_other_architectures_of_the_paper(write, design, clamp, path, tmp_path):
    values = random_values([4, 2, 6], design=design, clamp=clamp, taps=(1.0, 2.0, 5.0, 3.0))
    write(path, values)
    generator = compare(path, values)
    w = generator.map(torch.randn(2, 6))
    styles = generator.styles(generator.broadcast(w))
    assert [style.shape[1] for style in styles] == [4, 4, 2, 2, 6, 6]
    assert torch.equal(generator.synthesize(styles), generator.synthesize(w))
    generator.to_file(tmp_path / "own")
    assert torch.equal(load_generator(tmp_path / "own").synthesize(w), generator.synthesize(w))


@pytest.mark.parametrize("depth", [1, 5])
def test_rosinality_of_other_sizes(path, depth):
    values = (
        random_values([4], z=5, w=7, depth=depth)
        if depth == 1
        else random_values([3, 2, 6, 4], z=7, w=7, depth=depth, taps=(1.0, 1.0))
    )
    write_rosinality(path, values)
    assert compare(path, values).mapping_depth == depth


@pytest.mark.parametrize(
    "write", [write_ada, partial(write_tensorflow, settings={"use_noise": False})], ids=["ada", "tensorflow"]
)
def test_networks_without_noise(write, path):
    silent = [replace(layer, noise=None, noise_strength=torch.zeros(())) for layer in SMALL.convolutions]
    write(path, replace(SMALL, convolutions=silent))
    generator = load_generator(path)
    w = generator.map(torch.randn(2, 6))
    torch.testing.assert_close(
        generator.synthesize(w, "const"), generator.synthesize(w, "none"), atol=0, rtol=0
    )
    exact = slow_image(doubled(SMALL), w[0].double().expand(generator.num_ws, -1), "none")
    torch.testing.assert_close(generator.synthesize(w, "random")[0].double(), exact, atol=1e-4, rtol=0)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_missing_mean_is_estimated_and_said(write, path, caplog):
    write(path, replace(SMALL, mean=None))
    generator = load_generator(path)
    assert "holds no mean w: it was estimated from 10,000 samples" in caplog.text
    z = torch.randn(20_000, 6, generator=torch.Generator().manual_seed(7))
    spread = generator.map(z).std(dim=0)
    assert ((generator.w_mean - generator.map(z).mean(dim=0)).abs() < 0.05 * spread).all()
    assert torch.equal(load_generator(path).w_mean, generator.w_mean)  # the same every time


@pytest.mark.parametrize("name", ["rosinality", "tensorflow"])
def test_missing_noise_maps_are_drawn_and_said(name, path, monkeypatch, caplog):
    def without_maps(variables):
        return lambda values: tuple(
            [pair for pair in part if not pair[0].startswith("noise")] for part in variables(values)
        )

    if name == "tensorflow":
        monkeypatch.setattr(
            published_stylegan2,
            "tensorflow_variables",
            without_maps(published_stylegan2.tensorflow_variables),
        )
        write_tensorflow(path, SMALL)
    else:
        torch.save(
            {
                "g_ema": {
                    key: value
                    for key, value in rosinality_state(SMALL).items()
                    if not key.startswith("noises")
                }
            },
            path,
        )
    generator = load_generator(path)
    assert "lacks 5 of its noise maps: they were drawn from a fixed seed" in caplog.text
    w = generator.map(torch.randn(1, 6))
    exact = slow_image(doubled(SMALL), w[0].double().expand(6, -1), "none")
    torch.testing.assert_close(generator.synthesize(w, "none")[0].double(), exact, atol=1e-4, rtol=0)
    assert torch.equal(generator.synthesize(w), load_generator(path).synthesize(w))
    assert not torch.equal(generator.synthesize(w), generator.synthesize(w, "none"))


def test_axes_of_arrays_may_lie_in_any_order(path, monkeypatch):
    def turned(array):
        return (
            array.transpose(2, 0, 3, 1).copy().transpose(1, 3, 0, 2)
            if getattr(array, "ndim", 0) == 4
            else array
        )

    variables = published_stylegan2.tensorflow_variables
    monkeypatch.setattr(
        published_stylegan2,
        "tensorflow_variables",
        lambda v: tuple([(k, turned(a)) for k, a in part] for part in variables(v)),
    )
    write_tensorflow(path, SMALL, protocol=5)
    compare(path, SMALL)


def test_styles_come_in_styleclip_order(path):
    write_rosinality(path, SMALL)
    ws = torch.randn(2, 6, 9)
    styles = load_generator(path).styles(ws)
    exact = doubled(SMALL)
    rgb, conv = exact.to_rgbs, exact.convolutions
    order = [
        (conv[0], 0),
        (rgb[0], 1),
        (conv[1], 1),
        (conv[2], 2),
        (rgb[1], 3),
        (conv[3], 3),
        (conv[4], 4),
        (rgb[2], 5),
    ]
    for style, (layer, index) in zip(styles, order, strict=True):
        expected = torch.stack([slow_style(layer, w[index].double()) for w in ws])
        torch.testing.assert_close(style.double(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", ["bare", "training", "repeated mean", "half"])
def test_variants_of_rosinality(form, path):
    state = rosinality_state(SMALL)
    match form:
        case "bare":
            torch.save(state, path)
        case "training":
            write_rosinality(
                path,
                SMALL,
                args=argparse.Namespace(size=16),
                g_optim={"state": {0: {"step": 3}}},
                ada_aug_p=0.5,
            )
        case "repeated mean":
            torch.save({"g_ema": state, "latent_avg": SMALL.mean.expand(6, -1)}, path)
        case "half":
            torch.save(
                {"g_ema": {name: value.half() for name, value in state.items()}, "latent_avg": SMALL.mean},
                path,
            )
    generator = load_generator(path)
    w = generator.map(torch.randn(1, 6))
    exact = slow_image(doubled(SMALL), w[0].double().expand(6, -1), "const")
    torch.testing.assert_close(
        generator.synthesize(w)[0].double(), exact, atol=0.1 if form == "half" else 1e-4, rtol=0
    )
    assert form == "bare" or torch.equal(generator.w_mean, SMALL.mean)


@pytest.mark.parametrize("name", ["ada", "stylegan3", "tensorflow", "rosinality", "no mean"])
def test_convert_loses_nothing(name, path, tmp_path, capsys):
    WRITERS.get(name, write_ada)(path, SMALL if name in WRITERS else replace(SMALL, mean=None))
    target = tmp_path / "new" / "own.safetensors"
    assert main(["weights", "convert", str(path), str(target)]) == 0
    one, other = load_generator(path), load_generator(target)
    assert isinstance(one, StyleGAN2) and one.config == other.config
    z = torch.randn(2, 6)
    assert torch.equal(one.synthesize(one.map(z, 0.7)), other.synthesize(other.map(z, 0.7)))
    assert torch.equal(one.w_mean, other.w_mean)
    before = target.read_bytes()
    assert main(["weights", "inspect", str(target)]) == 0
    assert (
        'channels      {"4": 5, "8": 7, "16": 3}' in capsys.readouterr().out
    )  # not in the order of the letters
    assert main(["weights", "convert", str(target), str(target)]) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert target.read_bytes() == before


def test_convert_names_a_target_that_cannot_be_written(path, tmp_path, capsys):
    write_ada(path, SMALL)
    assert main(["weights", "convert", str(path), str(tmp_path)]) == 2
    assert f"{tmp_path} is a folder" in capsys.readouterr().err
    assert main(["weights", "convert", str(path), str(path / "own.safetensors")]) == 2
    assert "own.safetensors cannot be written (" in capsys.readouterr().err


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_inspect_tells_every_dimension(write, path, capsys):
    write(path, SMALL)
    assert main(["weights", "inspect", str(path)]) == 0
    facts = dict(
        line.split(maxsplit=1)
        for line in capsys.readouterr().out.splitlines()[1:]
        if not line.startswith(" ")
    )
    assert (facts["family"], facts["architecture"]) == ("stylegan2", "skip")
    assert (
        facts["resolution"],
        facts["z_dim"],
        facts["w_dim"],
        facts["mapping_depth"],
        facts["conv_clamp"],
    ) == ("16", "6", "9", "3", "null")
    assert json.loads(facts["channels"]) == {"4": 5, "8": 7, "16": 3}
    assert json.loads(facts["resample_taps"]) == [0.125, 0.375, 0.375, 0.125]


# refusals


def test_a_conditional_network_is_refused(path):
    write_ada(path, SMALL, c_dim=10)
    with pytest.raises(WeightsError, match=r"conditional StyleGAN2 \(labels of width 10\)"):
        load_generator(path)
    write_tensorflow(path, SMALL, settings={"label_size": 4})
    with pytest.raises(WeightsError, match=r"conditional StyleGAN2 \(labels of width 4\)"):
        load_generator(path)


def test_other_architectures_are_refused_by_name(path):
    write_ada(path, replace(SMALL, design="deep", to_rgbs=SMALL.to_rgbs[-1:]))
    with pytest.raises(WeightsError, match="architecture = 'deep'; this version can use skip, resnet, orig"):
        load_generator(path)
    write_tensorflow(path, SMALL, settings={"architecture": "deep"})
    with pytest.raises(WeightsError, match="architecture = 'deep'; this version can use skip, resnet, orig"):
        load_generator(path)


def test_layers_that_the_architecture_does_not_have_are_named(path):
    write_tensorflow(path, random_values([4, 3], design="resnet"), settings={"architecture": "orig"})
    with pytest.raises(WeightsError, match="8x8/Skip/weight"):
        load_generator(path)
    generator = nvidia_generator(random_values([4, 3], design="resnet"))
    for block in generator.meta["state"]["_modules"]["synthesis"].meta["state"]["_modules"].values():
        block.meta["state"]["architecture"] = "orig"
    dump(path, {"G_ema": generator})
    with pytest.raises(WeightsError, match=r"further layers = .'skip'"):
        load_generator(path)


def test_another_activation_is_refused(path):
    write_tensorflow(path, SMALL, settings={"nonlinearity": "relu"})
    with pytest.raises(WeightsError, match="activation = 'relu'"):
        load_generator(path)


def test_a_discriminator_is_named(path):
    dump(path, {"G_ema": Persistent("Discriminator", modules={"b8": Persistent("DiscriminatorBlock")})})
    with pytest.raises(WeightsError, match="holds a Discriminator with the modules"):
        load_generator(path)


def test_what_no_generator_has_is_named(path):
    torch.save({"g_ema": {**rosinality_state(SMALL), "attention.weight": torch.zeros(1)}}, path)
    with pytest.raises(WeightsError, match=r"attention\.weight"):
        load_generator(path)
    write_tensorflow(path, SMALL, extra=[("Attention/weight", SMALL.mean.numpy())])
    with pytest.raises(WeightsError, match="Attention/weight"):
        load_generator(path)


def test_layers_that_differ_are_refused(path):
    generator = nvidia_generator(SMALL)
    block = generator.meta["state"]["_modules"]["synthesis"].meta["state"]["_modules"]["b8"]
    block.meta["state"]["_modules"]["conv1"].meta["state"]["conv_clamp"] = 3.0
    dump(path, {"G_ema": generator})
    with pytest.raises(WeightsError, match="layers differ in conv_clamp"):
        load_generator(path)


@pytest.mark.parametrize("contents", [{"state_dict": {}}, {}, [1, 2], "text", None], ids=repr)
def test_an_unknown_file_says_what_it_holds(contents, path):
    torch.save(contents, path)
    expected = (
        "'state_dict'"
        if contents == {"state_dict": {}}
        else type(contents).__name__
        if contents != {}
        else "none"
    )
    with pytest.raises(WeightsError, match=f"no generator of a known format.*{expected}"):
        load_generator(path)
