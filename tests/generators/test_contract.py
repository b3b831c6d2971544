"""What every generator promises."""

import pytest
import torch
from slow_stylegan import stylegan_values, write_stylegan_conversion
from slow_stylegan3 import random_values, write_alias_free
from slow_vqgan import vqgan_state, write_checkpoint

from stylewav_pl.generators import LinearGenerator, StyleGAN2, load_generator


def small_stylegan2():
    torch.manual_seed(0)
    return StyleGAN2({4: 6, 8: 4}, z_dim=5, w_dim=7, mapping_depth=2)


def prepared_stylegan2():
    return small_stylegan2().freeze()


def small_stylegan3(path):
    write_alias_free(path, random_values())
    return load_generator(path)


def small_stylegan(path):
    write_stylegan_conversion(path, stylegan_values())
    return load_generator(path)


BUILT = {"linear": LinearGenerator, "stylegan2": small_stylegan2, "frozen-stylegan2": prepared_stylegan2}


def small_vqgan(path):
    write_checkpoint(path, vqgan_state())
    return load_generator(path).resize(8)


FROM_FILES = {"stylegan": small_stylegan, "stylegan3": small_stylegan3, "vqgan": small_vqgan}


@pytest.fixture(params=[*BUILT, *FROM_FILES])
def generator(request, tmp_path):
    if request.param in BUILT:
        return BUILT[request.param]().eval().requires_grad_(False)
    return FROM_FILES[request.param](tmp_path / "network.dat")


def random_ws(generator, clips=3):
    return torch.randn(clips, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(1))


def test_shapes(generator):
    w = generator.map(torch.randn(3, generator.z_dim))
    assert w.shape == (3, generator.w_dim)
    assert generator.w_mean.shape == (generator.w_dim,)
    assert generator.synthesize(w).shape == (3, 3, generator.resolution, generator.resolution)


def test_mean_is_where_truncation_zero_leads(generator):
    torch.testing.assert_close(
        generator.map(torch.randn(2, generator.z_dim), truncation=0.0), generator.w_mean.expand(2, -1)
    )


def test_w_is_repeated_for_all_layers(generator):
    w = torch.randn(2, generator.w_dim)
    wide = w[:, None].expand(-1, generator.num_ws, -1)
    torch.testing.assert_close(generator.synthesize(w), generator.synthesize(wide))


def test_styles_give_the_image_of_their_ws(generator):
    ws = random_ws(generator)
    torch.testing.assert_close(generator.synthesize(generator.styles(ws)), generator.synthesize(ws))


def test_every_layer_of_w_plus_counts(generator):
    ws = random_ws(generator, 1).requires_grad_()
    generator.synthesize(ws).square().sum().backward()
    assert (ws.grad[0].abs().sum(dim=1) > 0).all()


def test_a_clip_does_not_see_its_company(generator):
    ws = random_ws(generator, 4)
    torch.testing.assert_close(generator.synthesize(ws)[2:3], generator.synthesize(ws[2:3]))


def test_empty_batches_stay_empty(generator):
    assert generator.synthesize(torch.zeros(0, generator.w_dim)).shape == (
        0,
        3,
        generator.resolution,
        generator.resolution,
    )


def test_wrong_latents_are_named(generator):
    wrong = [
        torch.zeros(2, generator.w_dim + 1),
        torch.zeros(2, generator.num_ws + 1, generator.w_dim),
        torch.zeros(1, 3, 8, 8),
    ]
    for latents in wrong:
        with pytest.raises(ValueError, match=r"Expected W \["):
            generator.synthesize(latents)
    with pytest.raises(ValueError, match=r"Expected z of shape \[clip"):
        generator.map(torch.zeros(2, generator.z_dim + 1))


def test_w_plus_without_clip_axis_is_named(generator):
    with pytest.raises(ValueError, match=rf"\[clip, {generator.num_ws}, {generator.w_dim}\]"):
        generator.styles(torch.zeros(generator.num_ws, generator.w_dim))


def test_wrong_styles_are_named(generator):
    styles = generator.styles(random_ws(generator))
    for wrong in (styles[:-1], [*styles[:-1], styles[-1][:, :-1]]):
        with pytest.raises(ValueError, match=r"Expected \d+ styles"):
            generator.synthesize(wrong)


def test_coarser_images_have_their_size_and_keep_the_gradient(generator):
    for resolution in generator.resolutions:
        w = torch.randn(2, generator.w_dim, requires_grad=True)
        image = generator.synthesize(w, resolution=resolution)
        assert image.shape == (2, 3, resolution, resolution)
        image.square().sum().backward()
        assert w.grad.abs().sum() > 0
    assert generator.resolutions[-1] == generator.resolution
    torch.testing.assert_close(image, generator.synthesize(w))


def test_a_resolution_that_it_does_not_have_is_named(generator):
    with pytest.raises(ValueError, match=rf"Expected a resolution of .*{generator.resolution}; found 3"):
        generator.synthesize(torch.zeros(1, generator.w_dim), resolution=3)


def test_the_layers_say_what_their_styles_are(generator):
    """Each style follows its own w vector alone, and has the width that is said."""
    ws = random_ws(generator, 1)
    styles = generator.styles(ws)
    assert [style.shape[1] for style in styles] == [layer.channels for layer in generator.style_layers]
    for index in range(generator.num_ws):
        moved = ws.clone()
        moved[:, index] += 1
        changed = [not torch.equal(*pair) for pair in zip(styles, generator.styles(moved), strict=True)]
        assert changed == [layer.ws_index == index for layer in generator.style_layers]


def test_truncation_ends_at_the_cutoff(generator):
    """As NVIDIA's truncation_cutoff: the first layers are pulled to the mean, the others stay."""
    z = torch.randn(3, generator.z_dim, generator=torch.Generator().manual_seed(2))
    full, mean = generator.map(z), generator.w_mean
    ws = generator.map(z, truncation=0.5, cutoff=1)
    assert ws.shape == (3, generator.num_ws, generator.w_dim)
    torch.testing.assert_close(ws[:, 0], mean + 0.5 * (full - mean))
    for layer in range(1, generator.num_ws):
        assert torch.equal(ws[:, layer], full)
    everywhere = generator.map(z, truncation=0.5, cutoff=generator.num_ws)
    torch.testing.assert_close(everywhere, generator.broadcast(generator.map(z, truncation=0.5)))
    torch.testing.assert_close(generator.map(z, 0.5, cutoff=0), generator.broadcast(full))


@pytest.mark.parametrize("beyond", [-1, 1])
def test_a_cutoff_beyond_the_layers_is_named(generator, beyond):
    cutoff = beyond if beyond < 0 else generator.num_ws + beyond
    with pytest.raises(ValueError, match=rf"from 0 to {generator.num_ws}, .* found {cutoff}"):
        generator.map(torch.zeros(1, generator.z_dim), truncation=0.5, cutoff=cutoff)
