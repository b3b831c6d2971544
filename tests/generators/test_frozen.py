"""A frozen StyleGAN2 computes the same numbers as one that learns, by another way and with less memory."""

import copy

import pytest
import torch

from stylewav_pl.generators import StyleGAN2
from stylewav_pl.generators.stylegan2_layers import ModulatedConvolution
from stylewav_pl.generators.upsampling import Upsample, doubled

CHANNELS = {4: 6, 8: 7, 16: 5, 32: 3}


def network(dtype=torch.float64, **settings):
    """Uneven widths; everything that starts at zero is made to count."""
    torch.manual_seed(0)
    made = StyleGAN2(CHANNELS, z_dim=6, w_dim=9, mapping_depth=2, **settings)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith(("bias", "noise_strength")):
                parameter.add_(0.3 * torch.randn_like(parameter))
    return made.to(dtype)


def image_and_gradient(generator, latents, noise="const"):
    latents = latents.detach().requires_grad_()
    image = generator.synthesize(latents, noise)
    weight = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(
        image
    )
    return image.detach(), torch.autograd.grad((image * weight).sum(), latents)[0]


@pytest.mark.parametrize("noise", ["const", "none"])
@pytest.mark.parametrize("clamp", [None, 1.5], ids=["free", "clamped"])
@pytest.mark.parametrize(
    "taps", [(1.0, 3.0, 3.0, 1.0), (1.0, 2.0, 3.0, 4.0), (1.0, 1.0), (1.0, 2.0, 4.0, 4.0, 2.0, 3.0)], ids=len
)
@pytest.mark.parametrize("fold", [False, True], ids=["cpu", "gpu"])
def test_image_and_gradient_are_those_of_the_network_that_learns(noise, clamp, taps, fold):
    """In the form for CPUs and in that for GPUs, where a filter is part of the kernel before it."""
    generator = network(conv_clamp=clamp, resample_taps=taps)
    ws = torch.randn(3, generator.num_ws, 9, dtype=torch.float64)
    image, gradient = image_and_gradient(generator, ws, noise)
    frozen = copy.deepcopy(generator).freeze()
    for layer in frozen.convolutions:
        layer.freeze(fold=fold)
    assert {layer.frozen_filter is None for layer in frozen.convolutions[1::2]} == {fold}
    found, found_gradient = image_and_gradient(frozen, ws, noise)
    torch.testing.assert_close(found, image, atol=1e-12, rtol=0)
    torch.testing.assert_close(found_gradient, gradient, atol=0, rtol=1e-9)


def test_styles_get_the_same_gradients():
    generator = network()
    styles = [
        style.detach().requires_grad_()
        for style in generator.styles(torch.randn(2, generator.num_ws, 9, dtype=torch.float64))
    ]
    expected = torch.autograd.grad(generator.synthesize(styles).square().sum(), styles)
    found = torch.autograd.grad(generator.freeze().synthesize(styles).square().sum(), styles)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-9)


def test_random_noise_is_still_random():
    generator = network().freeze()
    w = torch.randn(1, 9, dtype=torch.float64)
    assert not torch.equal(generator.synthesize(w, "random"), generator.synthesize(w, "random"))


def test_computing_feature_maps_again_changes_nothing():
    ws = torch.randn(2, 8, 9, dtype=torch.float64)
    kept, again = (
        image_and_gradient(network().freeze(recompute_from=resolution), ws) for resolution in (None, 8)
    )
    for one, other in zip(again, kept, strict=True):
        assert torch.equal(one, other)


def test_other_weights_and_learning_undo_it():
    generator, other = network().freeze(), network()
    with torch.no_grad():
        other.convolutions[2].weight.mul_(-1)
    w = torch.randn(1, 9, dtype=torch.float64)
    generator.load_state_dict(other.state_dict())
    torch.testing.assert_close(generator.freeze().synthesize(w), other.synthesize(w).detach())
    generator.requires_grad_(True)
    generator.synthesize(w).sum().backward()
    assert generator.convolutions[0].weight.grad is not None


def test_what_is_computed_once_is_in_no_file_and_moves_with_the_network():
    generator = network(torch.float32)
    names = set(generator.state_dict())
    assert set(generator.freeze().state_dict()) == names
    w = torch.randn(1, 9, dtype=torch.float64)
    torch.testing.assert_close(
        generator.double().synthesize(w),
        network(torch.float32).double().synthesize(w).detach(),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.08), (torch.float16, 0.01)])
def test_half_precision_of_the_fine_resolutions_stays_near(dtype, tolerance):
    generator = network(torch.float32)
    ws = torch.randn(4, generator.num_ws, 9)
    image, gradient = image_and_gradient(generator.freeze(), ws)
    found, found_gradient = image_and_gradient(generator.freeze(dtype, float32_up_to=8), ws)
    assert found.dtype == torch.float32
    assert 0 < (found - image).abs().max() < tolerance * image.abs().max()
    assert 0 < (found_gradient - gradient).abs().max() < tolerance * gradient.abs().max()


def test_large_styles_do_not_overflow_in_half_precision():
    generator = network(torch.float32)
    styles = [1000 * style for style in generator.styles(torch.randn(1, generator.num_ws, 9))]
    found = generator.freeze(torch.float16).synthesize(styles, "none")
    expected = generator.freeze().synthesize(styles, "none")
    assert (found - expected).abs().max() < 0.01 * expected.abs().max()
    assert found.isfinite().all()


def kept_bytes(generator, noise="const"):
    """Bytes of different storages that the backward pass keeps, the network's own left out."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*generator.parameters(), *generator.buffers())}
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes(), tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        generator.synthesize(torch.randn(2, 9, requires_grad=True), noise)
    return sum(size for pointer, (size, _) in kept.items() if pointer not in own)


def test_one_feature_map_of_each_layer_is_kept():
    generator = network(torch.float32).freeze()
    maps = sum(
        4 * 2 * width * resolution**2 * (1 if resolution == 4 else 2)
        for resolution, width in CHANNELS.items()
    )
    inputs = sum(
        4 * 2 * width * (resolution // 2) ** 2
        for resolution, width in zip([8, 16, 32], CHANNELS.values(), strict=False)
    )
    small = 30_000  # w vectors, styles, filters and noise maps
    assert maps <= kept_bytes(generator) <= maps + small
    assert inputs <= kept_bytes(generator.freeze(recompute_from=4)) <= inputs + small
    assert kept_bytes(network(torch.float32).requires_grad_(False)) > 2 * maps


@pytest.mark.parametrize(
    "taps", [(1.0, 3.0, 3.0, 1.0), (1.0, 2.0, 3.0, 4.0), (1.0, 1.0), (1.0, 2.0, 4.0, 4.0, 2.0, 3.0)], ids=len
)
def test_sums_of_shifted_images_enlarge_as_a_transposed_convolution_does(taps):
    enlarge = Upsample(taps).double()
    image = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    found = doubled(doubled(image, enlarge.taps, dim=2), enlarge.taps, dim=3)
    torch.testing.assert_close(found, enlarge(image), atol=1e-12, rtol=0)


def test_a_layer_that_is_frozen_again_is_never_in_between():
    """Another thread may be rendering with it."""
    seen = []

    class Watched(ModulatedConvolution):
        def __setattr__(self, name, value):
            seen.append((name, None if value is None else tuple(value.shape)))
            super().__setattr__(name, value)

    layer = network().convolutions[1]
    layer.freeze()
    layer.__class__ = Watched
    layer.freeze()
    assert ("frozen_filter", (7, 1, 4, 4)) in seen and ("frozen_filter", None) not in seen


def test_a_move_to_another_device_and_type_leaves_one_type():
    generator = network(torch.float32).freeze(torch.bfloat16, float32_up_to=4)
    generator.to("meta", torch.float32)
    assert {buffer.dtype for buffer in generator.buffers()} == {torch.float32}
