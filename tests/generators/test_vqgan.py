"""VQGAN from checkpoints as its authors publish them, against the slow implementation."""

import pytest
import torch
from slow_vqgan import SlowVqgan, vqgan_state, write_checkpoint

from stylewav_pl.cli import main
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.generators import VQGAN, load_generator
from stylewav_pl.generators.vqgan_layers import clamp_with_gradient

VARIANTS = {
    "plain": {},
    "gumbel": {"gumbel": True},
    "deep": {"channels": (32, 32, 64), "attends": (False, True, True), "blocks": 2},
    "one-level": {"channels": (64,), "attends": (False,)},
}
YAML = "model:\n  params:\n    ddconfig: {resolution: 8}\n"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "model.yaml").write_text(YAML, "utf-8")
    return tmp_path / "last.ckpt"


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def state(request):
    return vqgan_state(**request.param)


def random_latents(generator, clips=2, height=4, width=4):
    random = torch.Generator().manual_seed(1)
    return torch.randn(clips, generator.latent_shape[0], height, width, generator=random)


@pytest.mark.parametrize("callbacks", [True, False])
def test_a_checkpoint_gives_the_images_of_the_values_written(state, callbacks, path):
    write_checkpoint(path, state, callbacks=callbacks)
    generator, slow = load_generator(path), SlowVqgan(state)
    z = random_latents(generator, height=generator.grid, width=generator.grid).requires_grad_()
    numbers = torch.stack([slow.nearest(one) for one in z.detach().double()])
    assert torch.equal(generator.nearest(z), numbers)
    codes = torch.stack([slow.codes(one) for one in numbers]).requires_grad_()
    expected = torch.stack([slow.decode(one) for one in codes])
    torch.testing.assert_close(generator.decode(generator.quantized(z)).double(), expected, atol=1e-4, rtol=0)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2))
    (straight,) = torch.autograd.grad((generator.decode(generator.quantized(z)) * weight).sum(), z)
    (slow_gradient,) = torch.autograd.grad((expected * weight).sum(), codes)
    scale = float(slow_gradient.abs().max())
    torch.testing.assert_close(straight.double(), slow_gradient, atol=1e-4 * scale, rtol=0)
    image = generator.synthesize(z.flatten(1))
    torch.testing.assert_close(image.double(), expected.clamp(-1, 1), atol=1e-4, rtol=0)


def test_pictures_become_codes(state, path):
    write_checkpoint(path, state)
    generator, slow = load_generator(path), SlowVqgan(state)
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(3)) * 2 - 1
    expected = torch.stack([slow.codes(slow.encode(one)) for one in images.double()])
    torch.testing.assert_close(generator.encode(images).double(), expected, atol=1e-6, rtol=0)


def test_any_multiple_of_the_factor_can_be_rendered(path):
    state = vqgan_state()
    write_checkpoint(path, state)
    generator = load_generator(path)
    assert (generator.factor, generator.resolution, generator.latent_shape) == (2, 8, (5, 4, 4))
    codes = generator.quantized(random_latents(generator, 1, height=3, width=5))
    expected = SlowVqgan(state).decode(codes[0].double())
    torch.testing.assert_close(generator.decode(codes)[0].double(), expected, atol=1e-4, rtol=0)
    generator.resize(12)
    w = generator.map(torch.randn(2, generator.z_dim))
    assert generator.synthesize(w).shape == (2, 3, 12, 12)
    with pytest.raises(ValueError, match="expected a multiple of 2"):
        generator.resize(7)


def test_random_codes_are_codes_and_equally_likely(path):
    write_checkpoint(path, vqgan_state(codes=4))
    generator = load_generator(path)
    w = generator.map(torch.randn(2000, 16, generator=torch.Generator().manual_seed(4)))
    grid = w.unflatten(1, generator.latent_shape)
    torch.testing.assert_close(generator.quantized(grid), grid, atol=1e-6, rtol=0)
    share = generator.nearest(grid).flatten().bincount(minlength=4) / 32_000
    assert (share - 0.25).abs().max() < 0.02


def test_a_gradient_passes_the_clamp_where_it_leads_back():
    x = torch.tensor([1.5, 1.5, -1.5, -1.5, 0.5], requires_grad=True)
    towards = torch.tensor([1.0, -1.0, 1.0, -1.0, -2.0])
    (clamp_with_gradient(x, -1.0, 1.0) * towards).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 0.0, -1.0, -2.0]


@pytest.mark.parametrize("zipped", [True, False])
def test_convert_and_inspect(zipped, path, tmp_path, capsys):
    state = vqgan_state(gumbel=True)
    write_checkpoint(path, state, zipped=zipped, callbacks=zipped)
    target = tmp_path / "other" / "own.safetensors"
    assert main(["weights", "convert", str(path), str(target)]) == 0
    one, other = load_generator(path), load_generator(target)
    assert isinstance(other, VQGAN) and one.config == other.config
    w = one.map(torch.randn(2, one.z_dim))
    assert torch.equal(one.synthesize(w), other.synthesize(w))
    for file in (path, target):
        capsys.readouterr()
        assert main(["weights", "inspect", str(file)]) == 0
        told = capsys.readouterr().out
        assert "family        vqgan\n" in told and "pixels a code 2\n" in told and "mean w" not in told


def test_without_its_configuration_pictures_have_256_pixels(tmp_path):
    write_checkpoint(tmp_path / "last.ckpt", vqgan_state(channels=(32,) * 5, attends=(False,) * 5))
    generator = load_generator(tmp_path / "last.ckpt")
    assert (generator.resolution, generator.factor, generator.grid) == (256, 16, 16)


def test_the_decoder_may_be_computed_again(path):
    write_checkpoint(path, vqgan_state())
    generator = load_generator(path)
    w = generator.map(torch.randn(2, generator.z_dim)).requires_grad_()
    gradients = []
    for recompute_from in (None, 8):
        generator.freeze(recompute_from=recompute_from)
        gradients += torch.autograd.grad(generator.synthesize(w).square().sum(), w)
    torch.testing.assert_close(*gradients)


def test_half_precision_is_refused_in_words(path):
    write_checkpoint(path, vqgan_state())
    with pytest.raises(ConfigError, match="float32 only"):
        load_generator(path).freeze(torch.float16)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decoder.up.0.block.0.conv1.weight", torch.zeros(3)),
        ("decoder.up.0.block.0.conv1.weight", torch.zeros(31, 64, 3, 3)),
        ("decoder.up.9.block.0.conv1.weight", torch.zeros(32, 32, 3, 3)),
        ("decoder.conv_out.bias", torch.full((3,), float("nan"))),
        ("decoder.further.weight", torch.zeros(1)),
        ("decoder.mid.attn_1.q.weight", None),
        ("encoder.conv_in.weight", None),
        ("quantize.embedding.weight", None),
        ("quantize.embedding.weight", torch.zeros(4)),
        ("quantize.embedding.weight", "text"),
        ("quantize.embed.weight", torch.zeros(4, 5)),
    ],
)
def test_wrong_files_end_in_one_sentence(name, value, path):
    state = {key: tensor for key, tensor in vqgan_state().items() if key != name}
    write_checkpoint(path, state if value is None else state | {name: value})
    with pytest.raises(WeightsError) as caught:
        load_generator(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", ["a: [", "&a [*a]", "model: {params: {ddconfig: {resolution: x}}}"])
def test_a_configuration_that_cannot_be_used_is_named(text, path):
    write_checkpoint(path, vqgan_state())
    path.with_name("model.yaml").write_text(text, "utf-8")
    with pytest.raises(WeightsError, match=r"model\.yaml"):
        load_generator(path)


@pytest.mark.parametrize("resolution", [0, -8, 7, 1 << 20])
def test_an_impossible_size_is_named(resolution, path):
    write_checkpoint(path, vqgan_state())
    path.with_name("model.yaml").write_text(YAML.replace("8", str(resolution)), "utf-8")
    with pytest.raises(WeightsError, match="makes no VQGAN"):
        load_generator(path)


def test_a_class_of_a_checkpoint_is_never_called(path, tmp_path):
    """A name of Lightning's may stand as a key; a call of it, and any other name, is refused."""
    import pickle

    class Call:
        def __reduce__(self):
            return pickle.Pickler, ()

    write_checkpoint(path, vqgan_state())
    torch.save({"state_dict": vqgan_state(), "callbacks": Call()}, path)
    with pytest.raises(WeightsError, match="nothing of it was run"):
        load_generator(path)
