"""StyleGAN2 against an independent slow implementation, and its public promises."""

import pytest
import torch
from slow_stylegan2 import slow_image, slow_map, values_of

from stylewav_pl.generators import StyleGAN2

CHANNELS = {4: 5, 8: 7, 16: 3}
DOUBLE_TOLERANCE = 1e-9


@pytest.fixture
def generator():
    """A small network with uneven widths; everything that starts at zero is made to count."""
    torch.manual_seed(0)
    network = StyleGAN2(
        CHANNELS, z_dim=6, w_dim=9, mapping_depth=3, mapping_learning_rate_multiplier=0.1
    ).double()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                parameter.add_(0.3 * torch.randn_like(parameter))
        network.w_mean.copy_(torch.randn(9))
    return network


@pytest.mark.parametrize("noise", ["const", "none"])
def test_image_and_gradient_equal_the_slow_implementation(generator, noise):
    ws = torch.randn(3, generator.num_ws, 9, dtype=torch.float64, requires_grad=True)
    image = generator.synthesize(ws, noise)
    slow = torch.stack([slow_image(values_of(generator), one, noise) for one in ws])
    torch.testing.assert_close(image, slow, atol=DOUBLE_TOLERANCE, rtol=0)
    inputs = [
        ws,
        *(
            p
            for name, p in generator.named_parameters()
            if not name.startswith("mapping") and (noise == "const" or "noise" not in name)
        ),
    ]
    weight = torch.randn_like(image)
    found = torch.autograd.grad((image * weight).sum(), inputs)
    expected = torch.autograd.grad((slow * weight).sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-7)


def test_mapping_equals_the_slow_implementation(generator):
    z = 3 * torch.randn(4, 6, dtype=torch.float64)
    torch.testing.assert_close(
        generator.map(z), slow_map(values_of(generator), z), atol=DOUBLE_TOLERANCE, rtol=0
    )


def test_truncation_moves_towards_the_mean(generator):
    z = torch.randn(4, 6, dtype=torch.float64)
    full = generator.map(z)
    torch.testing.assert_close(generator.map(z, truncation=0.0), generator.w_mean.expand(4, -1))
    torch.testing.assert_close(
        generator.map(z, truncation=0.7), generator.w_mean + 0.7 * (full - generator.w_mean)
    )


@pytest.mark.parametrize("channels", [{4: 3}, {4: 3, 8: 2}, {4: 2, 8: 5, 16: 4, 32: 3}])
def test_every_size_follows_from_the_channel_table(channels):
    network = StyleGAN2(channels, z_dim=4, w_dim=5, mapping_depth=1)
    resolution = max(channels)
    assert (network.resolution, network.num_ws) == (resolution, 2 * (resolution.bit_length() - 1) - 2)
    assert network.synthesize(network.map(torch.randn(2, 4))).shape == (2, 3, resolution, resolution)


@pytest.mark.parametrize("channels", [{}, {8: 4}, {4: 3, 16: 3}, {4: 3, 8: 3, 12: 3}])
def test_a_channel_table_with_gaps_is_refused(channels):
    with pytest.raises(ValueError, match="Expected channels for the resolutions"):
        StyleGAN2(channels)


def test_styles_come_in_styleclip_order(generator):
    ws = torch.randn(2, generator.num_ws, 9, dtype=torch.float64)
    styles = generator.styles(ws)
    assert [style.shape[1] for style in styles] == [
        5,
        5,
        5,
        7,
        7,
        7,
        3,
        3,
    ]  # conv rgb | conv conv rgb | conv conv rgb
    torch.testing.assert_close(styles[1], generator.to_rgbs[0].affine(ws[:, 1]))
    torch.testing.assert_close(styles[2], generator.convolutions[1].affine(ws[:, 1]))
    torch.testing.assert_close(styles[7], generator.to_rgbs[2].affine(ws[:, 5]))


def test_noise_modes_differ_as_they_should(generator):
    w = generator.map(torch.randn(1, 6, dtype=torch.float64)).expand(2, -1)
    const, random = generator.synthesize(w, "const"), generator.synthesize(w, "random")
    torch.testing.assert_close(const[0], const[1])
    assert (random[0] - random[1]).abs().max() > 1e-3  # every image gets its own noise
    assert (const - generator.synthesize(w, "none")).abs().max() > 1e-3
    assert not torch.equal(random, generator.synthesize(w, "random"))


def test_stages_end_with_the_image(generator):
    w = torch.randn(1, 9, dtype=torch.float64)
    stages = list(generator.stages(w))
    assert [stage.shape[-1] for stage in stages] == [4, 8, 16]
    torch.testing.assert_close(stages[-1], generator.synthesize(w))


def test_conv_clamp_bounds_every_layer():
    torch.manual_seed(0)
    free, clamped = (
        StyleGAN2({4: 4, 8: 4}, z_dim=4, w_dim=4, mapping_depth=1, conv_clamp=clamp) for clamp in (None, 0.25)
    )
    clamped.load_state_dict(free.state_dict())
    w = torch.randn(2, 4)
    stage = next(clamped.stages(w))
    assert free.synthesize(w).abs().max() > 0.5 >= clamped.synthesize(w).abs().max()
    assert stage.abs().max() <= 0.25
    x = clamped.convolutions[0](
        clamped.constant.expand(2, -1, -1, -1), clamped.convolutions[0].affine(w), None
    )
    assert x.abs().max() <= 0.25


def test_frozen_weights_cost_no_gradient(generator):
    generator.requires_grad_(False)
    w = torch.randn(2, 9, dtype=torch.float64, requires_grad=True)
    generator.synthesize(w).sum().backward()
    assert w.grad is not None and w.grad.abs().min() > 0
    assert all(parameter.grad is None for parameter in generator.parameters())


@pytest.mark.parametrize(("architecture", "colours"), [("skip", [1, 4, 7]), ("resnet", [5]), ("orig", [5])])
def test_the_colours_layers_are_those_that_styleclip_leaves_alone(architecture, colours):
    """The second style and every third from there on; with one ToRGB layer, the last."""
    layers = StyleGAN2(CHANNELS, architecture=architecture).style_layers
    assert [index for index, layer in enumerate(layers) if layer.to_rgb] == colours
