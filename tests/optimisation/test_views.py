"""Copies of images: what each operation does to them, and that a clip's are its own."""

import pytest
import torch
from one_cohort import CountingAudio, CountingGenerator, CountingGuide, optimise
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.views import Views, cut_out, recoloured, warped

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers.*")  # one cohort needs none
STILL = {"colour": 0.0, "shift": 0.0, "scale": 0.0, "perspective": 0.0, "cutout": 0.0, "noise": 0.0}


def images(count: int = 3, size: int = 16) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(4)) * 2 - 1


def test_without_any_change_copies_are_the_images() -> None:
    copies = Views(count=2, **STILL).copies(images(), [1, 2, 3], 0)
    torch.testing.assert_close(copies, images().expand(2, -1, -1, -1, -1))


def test_a_copy_depends_on_its_seed_and_step_alone() -> None:
    views = Views(count=3)
    together = views.copies(images(), [7, 8, 9], 5)
    assert together.shape == (3, 3, 3, 16, 16)
    for row, seed in enumerate((7, 8, 9)):
        alone = views.copies(images()[[row]], [seed], 5)
        torch.testing.assert_close(alone[:, 0], together[:, row])
    assert torch.equal(views.copies(images(), [7, 8, 9], 5), together)
    assert not torch.allclose(views.copies(images(), [7, 8, 9], 6), together)
    same_image = images()[[0, 0]]
    copies = views.copies(same_image, [7, 8], 5)
    assert not torch.allclose(copies[:, 0], copies[:, 1])
    fewer = Views(count=1).copies(images(), [7, 8, 9], 5)
    assert fewer.shape[0] == 1


def test_a_shift_of_whole_pixels_moves_them() -> None:
    image, two = images(1), 2 * 2 / 16  # two pixels, in half heights
    none = torch.zeros(1, 4, 2)
    found = warped(image, torch.ones(1), torch.tensor([[two, 0.0]]), none)
    torch.testing.assert_close(found[..., :-2], image[..., 2:], atol=1e-5, rtol=0)
    down = warped(image, torch.ones(1), torch.tensor([[0.0, two]]), none)
    torch.testing.assert_close(down[..., :-2, :], image[..., 2:, :], atol=1e-5, rtol=0)


def test_scale_and_corners_place_the_same_points() -> None:
    """A scale of 0.5 is what four corners do that move half of the way to the middle."""
    corners = torch.tensor([[[0.5, 0.5], [-0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]]])
    scaled = warped(images(1), torch.tensor([0.5]), torch.zeros(1, 2), torch.zeros(1, 4, 2))
    bent = warped(images(1), torch.ones(1), torch.zeros(1, 2), corners)
    torch.testing.assert_close(bent, scaled, atol=1e-5, rtol=0)


def test_colours() -> None:
    image, one = images(1), torch.ones(1)
    torch.testing.assert_close(recoloured(image, 0.2 * one, one, one), image + 0.2)
    grey = recoloured(image, 0 * one, 0 * one, one)
    torch.testing.assert_close(grey[:, 0], grey[:, 1])
    flat = recoloured(image, 0 * one, one, 0 * one)
    torch.testing.assert_close(flat, image.mean().expand_as(image))


def test_a_square_of_the_right_size_is_cut_out() -> None:
    cut = cut_out(torch.ones(1, 3, 16, 16), torch.tensor([[0.0, 0.0]]), 0.25)
    rows, columns = torch.nonzero(cut[0, 0] == 0, as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 9, 6, 9)
    assert torch.equal(cut_out(images(), torch.zeros(3, 2), 0.0), images())


def test_gradients_reach_the_image() -> None:
    image = images().requires_grad_()
    Views(count=2).copies(image, [1, 2, 3], 0).square().sum().backward()
    assert (image.grad.flatten(1).abs().sum(dim=1) > 0).all()


def run(names: list[str | None], **settings) -> tuple[dict[str, Tensor], StyleWav]:
    guide = CountingGuide()
    model = StyleWav(CountingGenerator(), guide, CountingAudio(), len(names), num_steps=4, **settings)
    result = optimise(model, names)
    return {clip.id: latent for clip, latent in zip(result.clips, result.latents, strict=True)}, model


def test_views_are_rendered_once_and_a_clip_stays_alone() -> None:
    views = Views(count=2)
    together, model = run(["a", None, "b"], views=views)
    assert len(model.generator.asked) == 5 and model.guide.calls == 4 * 2 + 1
    alone, _ = run(["b"], views=views)
    torch.testing.assert_close(alone["b"], together["b"], atol=1e-5, rtol=0)
    again, _ = run(["a", None, "b"], views=views)
    assert all(torch.equal(again[name], together[name]) for name in together)
    plain, _ = run(["b"])
    assert not torch.allclose(plain["b"], together["b"])


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.views\.shift"):
        Views(shift=2.0)
