"""Latent spaces: where they start, and that all three describe the same first image."""

import pytest
import torch

from stylewav_pl.generators import load_generator
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.latents import LatentSpace, S, W, WPlus, pulled_to_mean, style_sizes

SPACES = [W(), WPlus(), S(), S(to_rgb=False)]


def name_of(space: LatentSpace) -> str:
    return "s-without-to_rgb" if isinstance(space, S) and not space.to_rgb else space.name


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


@pytest.mark.parametrize("space", SPACES, ids=name_of)
def test_every_space_starts_at_the_same_image(space: LatentSpace, generator: Generator) -> None:
    with torch.no_grad():
        expected = generator.synthesize(generator.w_mean[None], noise="const")
        found = generator.synthesize(space.expand(space.start(generator)[None], generator), noise="const")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("space", SPACES, ids=name_of)
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


@pytest.mark.parametrize("space", SPACES, ids=name_of)
def test_gradient_reaches_the_latent_of_its_own_clip_only(space: LatentSpace) -> None:
    generator = load_generator("linear")
    latents = torch.stack([space.start(generator)] * 3).requires_grad_()
    generator.synthesize(space.expand(latents, generator))[1].sum().backward()
    assert latents.grad is not None
    assert latents.grad[1].abs().sum() > 0
    assert latents.grad[[0, 2]].abs().sum() == 0


@pytest.mark.parametrize("space", SPACES, ids=name_of)
def test_any_w_can_be_written_in_every_space(space: LatentSpace, generator: Generator) -> None:
    with torch.no_grad():
        w = walk(generator)
        latents = space.from_w(w, generator)
        assert latents.shape == (2, *space.start(generator).shape)
        found = generator.synthesize(space.expand(latents, generator))
        torch.testing.assert_close(found, generator.synthesize(w), atol=1e-5, rtol=0)


def to_rgb_channels(generator: Generator) -> list[bool]:
    return [layer.to_rgb for layer in generator.style_layers for _ in range(layer.channels)]


def test_without_to_rgb_no_gradient_reaches_its_styles_and_the_others_have_the_same(
    generator: Generator,
) -> None:
    gradients = []
    for space in (S(), S(to_rgb=False)):
        latents = space.from_w(walk(generator), generator).requires_grad_()
        generator.synthesize(space.expand(latents, generator)).square().sum().backward()
        gradients.append(latents.grad)
    every, some = gradients
    colours = torch.tensor(to_rgb_channels(generator))
    assert torch.equal(some[:, ~colours], every[:, ~colours]) and some[:, ~colours].abs().min() > 0
    assert (some[:, colours] == 0).all() and (every[:, colours] != 0).all()


def test_what_is_held_are_the_to_rgb_styles_of_every_second_of_three_layers() -> None:
    pocket = load_generator("pocket")
    held = S(to_rgb=False).held(pocket)
    assert held is not None and held.tolist() == to_rgb_channels(pocket)
    layers = torch.split(held, style_sizes(pocket))
    assert [bool(layer.all()) for layer in layers] == [index % 3 == 1 for index in range(len(layers))]
    assert all(space.held(pocket) is None for space in (W(), WPlus(), S()))
    linear = load_generator("linear")
    assert not S(to_rgb=False).held(linear).any(), "it has no such layers"


@pytest.mark.parametrize("cutoff", [None, 0, 1, 3])
def test_truncation_means_the_same_in_every_space(generator: Generator, cutoff: int | None) -> None:
    """The image that map itself leads to, whether w, w+ or the styles are pulled."""
    w = walk(generator)
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = generator.synthesize(generator.map(z, truncation=0.4, cutoff=cutoff))
        for space in SPACES:
            pulled = pulled_to_mean(space.from_w(w, generator), space, generator, 0.4, cutoff)
            torch.testing.assert_close(generator.synthesize(pulled), expected, atol=1e-5, rtol=0)
        assert cutoff == 0 or not torch.allclose(generator.synthesize(w), expected, atol=1e-3)
