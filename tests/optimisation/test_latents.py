"""Latent spaces: where they start, and that all three describe the same first image."""

import pytest
import torch

from stylewav_pl.generators import load_generator
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.latents import LatentSpace, S, W, WPlus, style_sizes

SPACES = [W(), WPlus(), S()]


@pytest.fixture(scope="module", params=["linear", "pocket"])
def generator(request: pytest.FixtureRequest) -> Generator:
    return load_generator(request.param)


def walk(generator: Generator) -> torch.Tensor:
    """Two w vectors away from the mean, so that equal images are no accident."""
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(3))
    return generator.map(z)


def test_starts(generator: Generator) -> None:
    width, layers = generator.w_dim, generator.num_ws
    assert torch.equal(W().start(generator), generator.w_mean)
    assert torch.equal(WPlus().start(generator), torch.stack([generator.w_mean] * layers))
    styles = generator.styles(generator.w_mean.expand(1, layers, width))
    assert torch.equal(S().start(generator), torch.cat([style[0] for style in styles]))


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_every_space_starts_at_the_same_image(space: LatentSpace, generator: Generator) -> None:
    with torch.no_grad():
        expected = generator.synthesize(generator.w_mean[None], noise="const")
        found = generator.synthesize(space.expand(space.start(generator)[None], generator), noise="const")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_start_is_a_copy(space: LatentSpace) -> None:
    generator = load_generator("linear")
    before = generator.w_mean.clone()
    space.start(generator).add_(1.0)
    assert torch.equal(generator.w_mean, before)


def test_w_gives_each_layer_the_same_vector(generator: Generator) -> None:
    w = walk(generator)
    expanded = W().expand(w, generator)
    assert expanded.shape == (2, generator.num_ws, generator.w_dim)
    assert all(torch.equal(expanded[:, layer], w) for layer in range(generator.num_ws))


def test_styles_round_trip(generator: Generator) -> None:
    """Concatenated and split again, S renders what W renders; needs sizes and order to be the generator's."""
    with torch.no_grad():
        w = walk(generator)
        ws = W().expand(w, generator)
        flat = torch.cat(generator.styles(ws), dim=1)
        found = S().expand(flat, generator)
        assert [style.shape[1] for style in found] == style_sizes(generator)
        assert all(torch.equal(a, b) for a, b in zip(found, generator.styles(ws), strict=True))
        torch.testing.assert_close(generator.synthesize(found), generator.synthesize(w), atol=1e-5, rtol=0)


def test_style_order_is_that_of_the_layers() -> None:
    """The linear generator's styles are its layers, so a distinct vector per layer must come out in place."""
    generator = load_generator("linear")
    ws = torch.arange(generator.num_ws, dtype=torch.float32)[None, :, None].expand(1, -1, generator.w_dim)
    styles = S().expand(torch.cat(generator.styles(ws), dim=1), generator)
    assert [float(style.unique()) for style in styles] == list(range(generator.num_ws))


def test_pocket_styles_have_the_order_of_styleclip() -> None:
    """conv1, to_rgb1, then conv, conv, to_rgb per resolution: the last w reaches only the last to_rgb."""
    generator = load_generator("pocket")
    ws = WPlus().start(generator)[None]
    moved = ws.clone()
    moved[:, -1] += 1.0
    changed = [
        not torch.equal(a, b) for a, b in zip(generator.styles(ws), generator.styles(moved), strict=True)
    ]
    assert changed == [False] * (len(changed) - 1) + [True]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_gradient_reaches_the_latent_of_its_own_clip_only(space: LatentSpace) -> None:
    generator = load_generator("linear")
    latents = torch.stack([space.start(generator)] * 3).requires_grad_()
    generator.synthesize(space.expand(latents, generator))[1].sum().backward()
    assert latents.grad is not None
    assert latents.grad[1].abs().sum() > 0
    assert latents.grad[[0, 2]].abs().sum() == 0


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_any_w_can_be_written_in_every_space(space: LatentSpace, generator: Generator) -> None:
    with torch.no_grad():
        w = walk(generator)
        latents = space.from_w(w, generator)
        assert latents.shape == (2, *space.start(generator).shape)
        found = generator.synthesize(space.expand(latents, generator))
        torch.testing.assert_close(found, generator.synthesize(w), atol=1e-5, rtol=0)
