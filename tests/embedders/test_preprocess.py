"""What the CLIP image tower sees."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from stylewav_pl.embedders.preprocess import (
    clip_preprocess,
    reference_matrix,
    reference_preprocess,
    resize_matrix,
)
from stylewav_pl.errors import ConfigError


@pytest.mark.parametrize("size", [64, 256, 512, 1024])
def test_reference_equals_enlarging_and_pooling(size: int) -> None:
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(size)) * 2 - 1
    if size > 512:
        image = image[:, :1]
    naive = nn.AvgPool2d(kernel_size=size // 32)(nn.Upsample(scale_factor=7)(image))
    ours = reference_preprocess(image.expand(1, 3, size, size), 224)[:, : image.shape[1]]
    assert ours.shape[-1] == 224
    torch.testing.assert_close(ours, naive, atol=1e-5, rtol=0)


def test_reference_rows_are_averages() -> None:
    matrix = reference_matrix(1024, 224)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(224))
    torch.testing.assert_close(matrix.sum(dim=0), torch.full((1024,), 224 / 1024))


SIZES = [224, 288, 336, 384, 448]


def _naive(size: int, image_size: int) -> tuple[nn.Module, nn.Module]:
    """StyleCLIP's two steps; 336 is no multiple of 32, but 21 times enlarged and averaged over size / 16 is
    the same scale."""
    grid = 32 if image_size % 32 == 0 else 16
    return nn.Upsample(scale_factor=image_size // grid), nn.AvgPool2d(size // grid)


@pytest.mark.parametrize("image_size", SIZES)
def test_reference_equals_enlarging_and_pooling_for_every_model(image_size: int) -> None:
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    upsample, pool = _naive(256, image_size)
    naive = pool(upsample(image[:, :1]))
    torch.testing.assert_close(reference_preprocess(image, image_size)[:, :1], naive, atol=1e-5, rtol=0)


@pytest.mark.parametrize("image_size", SIZES)
@pytest.mark.parametrize("size", [256, 512, 1024])
def test_reference_matrix_equals_enlarging_and_pooling_of_a_line(size: int, image_size: int) -> None:
    line = torch.rand(1, 1, size, generator=torch.Generator().manual_seed(size))
    upsample, pool = _naive(size, image_size)
    naive = nn.AvgPool1d(pool.kernel_size)(upsample(line))[0, 0]
    torch.testing.assert_close(reference_matrix(size, image_size) @ line[0, 0], naive, atol=1e-6, rtol=0)


def test_reference_matrix_serves_gradients_whoever_made_it() -> None:
    with torch.inference_mode():
        reference_preprocess(torch.zeros(1, 3, 96, 96), 48)
    image = torch.zeros(1, 3, 96, 96, requires_grad=True)
    reference_preprocess(image, 48).sum().backward()
    torch.testing.assert_close(image.grad, torch.full_like(image, 0.25))


def test_reference_refuses_images_that_are_not_square() -> None:
    with pytest.raises(ConfigError, match="64x128"):
        reference_preprocess(torch.zeros(1, 3, 64, 128), 224)


def test_clip_needs_no_resize_at_its_own_size() -> None:
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    red = clip_preprocess(image, 64)[:, 0] * 0.26862954 + 0.48145466
    torch.testing.assert_close(red, (image[:, 0] + 1) / 2)


def test_clip_resizes_with_antialiasing() -> None:
    stripes = torch.tensor([-1.0, 1.0]).repeat(128).expand(1, 3, 256, 256)
    grey = clip_preprocess(stripes, 64)[0, 2] * 0.27577711 + 0.40821073
    torch.testing.assert_close(grey[:, 2:-2], torch.full((64, 60), 0.5), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("size", "image_size"), [(128, 224), (1024, 224), (64, 32), (50, 37)])
@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_a_matrix_for_each_axis_resizes_with_antialiasing(size: int, image_size: int, mode: str) -> None:
    """What a GPU does instead, to add in the same order every time."""
    images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0)).double()
    expected = F.interpolate(
        images, size=(image_size, image_size), mode=mode, antialias=True, align_corners=False
    )
    matrix = resize_matrix(size, image_size, mode, dtype=torch.float64)
    torch.testing.assert_close(matrix @ images @ matrix.T, expected, atol=1e-10, rtol=0)


def test_a_matrix_is_made_once_with_numbers_whoever_asks_first() -> None:
    """A step that is only counted, or that is compiled, has tensors without numbers."""
    with FakeTensorMode():
        first = resize_matrix(6, 3)
    assert resize_matrix(6, 3) is first and resize_matrix(6, 2) is not first
    torch.testing.assert_close(first.sum(dim=1), torch.ones(3))
    step = torch.compile(lambda lines: resize_matrix(6, 3) @ lines, backend="eager", fullgraph=True)
    torch.testing.assert_close(step(torch.eye(6)), first)
