"""StyleGAN2 against an independent slow implementation, and its public promises."""

import pytest
import torch

from stylewav_pl.generators import StyleGAN2

CHANNELS = {4: 5, 8: 7, 16: 3}
DOUBLE_TOLERANCE = 1e-9


@pytest.fixture
def generator():
    """A small network with uneven widths; everything that starts at zero is made to count."""
    torch.manual_seed(0)
    network = StyleGAN2(CHANNELS, z_dim=6, w_dim=9, mapping_depth=3, mapping_learning_rate_multiplier=0.1).double()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                parameter.add_(0.3 * torch.randn_like(parameter))
        network.w_mean.copy_(torch.randn(9))
    return network


def activation(x):
    return torch.where(x >= 0, x, 0.2 * x) * 2**0.5


def filtered_up(image):
    """Zero insertion and the outer product of [1, 3, 3, 1], gain 4, each output pixel by the definition of the sum."""
    size = image.shape[-1]
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=image.dtype) / 8
    zeros = image.new_zeros(*image.shape[:-2], 2 * size + 3, 2 * size + 3)  # two zeros before the first pixel, one after the last
    zeros[..., 2 : 2 * size + 2 : 2, 2 : 2 * size + 2 : 2] = image
    out = torch.zeros_like(zeros[..., : 2 * size, : 2 * size])
    for row in range(4):
        for column in range(4):
            out = out + 4 * taps[row] * taps[column] * zeros[..., row : row + 2 * size, column : column + 2 * size]
    return out


def correlated(image, weight):
    """A 3x3 correlation of one image [in, H, W] with zero borders, tap by tap."""
    size = image.shape[-1]
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    return sum(
        torch.einsum("oi,ihw->ohw", weight[:, :, row, column], padded[:, row : row + size, column : column + size])
        for row in range(3)
        for column in range(3)
    )


def convolved_up(image, weight):
    """The weights stamped at every other pixel, then the filter: a transposed convolution by its definition."""
    size = image.shape[-1]
    stamped = image.new_zeros(weight.shape[0], 2 * size + 1, 2 * size + 1)
    for row in range(3):
        for column in range(3):
            stamp = torch.einsum("oi,ihw->ohw", weight[:, :, row, column], image)
            stamped = stamped + torch.zeros_like(stamped).index_put(
                (
                    torch.arange(weight.shape[0])[:, None, None],
                    (torch.arange(size) * 2 + row)[None, :, None],
                    (torch.arange(size) * 2 + column)[None, None, :],
                ),
                stamp,
            )
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=image.dtype) / 4
    padded = torch.nn.functional.pad(stamped, (1, 1, 1, 1))
    return sum(taps[row] * taps[column] * padded[:, row : row + 2 * size, column : column + 2 * size] for row in range(4) for column in range(4))


def slow_image(network, ws, noise):
    """One image [3, R, R] from ws [layer, w_dim] with weights modulated for this sample, as the paper writes it."""
    x = network.constant
    image = None
    for block, to_rgb in enumerate(network.to_rgbs):
        for index in [0] if block == 0 else [2 * block - 1, 2 * block]:
            layer = network.convolutions[index]
            style = layer.affine.weight @ ws[index] / 9**0.5 + layer.affine.bias
            weight = layer.weight / (9 * layer.weight.shape[1]) ** 0.5 * style[None, :, None, None]
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
            x = convolved_up(x, weight) if block > 0 and index == 2 * block - 1 else correlated(x, weight)
            if noise == "const":
                x = x + layer.noise_strength * layer.noise_const
            x = activation(x + layer.bias[:, None, None])
        style = to_rgb.affine.weight @ ws[2 * block + 1] / 9**0.5 + to_rgb.affine.bias
        weight = to_rgb.weight[:, :, 0, 0] / to_rgb.weight.shape[1] ** 0.5 * style
        colours = torch.einsum("oi,ihw->ohw", weight, x) + to_rgb.bias[:, None, None]
        image = colours if image is None else filtered_up(image) + colours
    return image


@pytest.mark.parametrize("noise", ["const", "none"])
def test_image_and_gradient_equal_the_slow_implementation(generator, noise):
    ws = torch.randn(3, generator.num_ws, 9, dtype=torch.float64, requires_grad=True)
    image = generator.synthesize(ws, noise)
    slow = torch.stack([slow_image(generator, one, noise) for one in ws])
    torch.testing.assert_close(image, slow, atol=DOUBLE_TOLERANCE, rtol=0)
    inputs = [ws, *(p for name, p in generator.named_parameters() if not name.startswith("mapping") and (noise == "const" or "noise" not in name))]
    weight = torch.randn_like(image)
    found = torch.autograd.grad((image * weight).sum(), inputs)
    expected = torch.autograd.grad((slow * weight).sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-7)


def test_mapping_equals_the_slow_implementation(generator):
    z = 3 * torch.randn(4, 6, dtype=torch.float64)
    x = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for layer in generator.mapping.layers:
        x = activation((x @ layer.weight.T) * 0.1 / x.shape[1] ** 0.5 + 0.1 * layer.bias)
    torch.testing.assert_close(generator.map(z), x, atol=DOUBLE_TOLERANCE, rtol=0)


def test_truncation_moves_towards_the_mean(generator):
    z = torch.randn(4, 6, dtype=torch.float64)
    full = generator.map(z)
    torch.testing.assert_close(generator.map(z, truncation=0.0), generator.w_mean.expand(4, -1))
    torch.testing.assert_close(generator.map(z, truncation=0.7), generator.w_mean + 0.7 * (full - generator.w_mean))


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
    assert [style.shape[1] for style in styles] == [5, 5, 5, 7, 7, 7, 3, 3]  # conv rgb | conv conv rgb | conv conv rgb
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
    free, clamped = (StyleGAN2({4: 4, 8: 4}, z_dim=4, w_dim=4, mapping_depth=1, conv_clamp=clamp) for clamp in (None, 0.25))
    clamped.load_state_dict(free.state_dict())
    w = torch.randn(2, 4)
    stage = next(clamped.stages(w))
    assert free.synthesize(w).abs().max() > 0.5 >= clamped.synthesize(w).abs().max()
    assert stage.abs().max() <= 0.25
    x = clamped.convolutions[0](clamped.constant.expand(2, -1, -1, -1), clamped.convolutions[0].affine(w), None)
    assert x.abs().max() <= 0.25


def test_frozen_weights_cost_no_gradient(generator):
    generator.requires_grad_(False)
    w = torch.randn(2, 9, dtype=torch.float64, requires_grad=True)
    generator.synthesize(w).sum().backward()
    assert w.grad is not None and w.grad.abs().min() > 0
    assert all(parameter.grad is None for parameter in generator.parameters())
