"""What the CLIP image tower sees."""

import pytest
import torch
from torch import nn

from stylewav_pl.embedders.preprocess import clip_preprocess, reference_matrix, reference_preprocess
from stylewav_pl.types import ConfigError


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


@pytest.mark.parametrize(("shape", "image_size"), [((1, 3, 100, 100), 224), ((1, 3, 64, 128), 224), ((1, 3, 64, 64), 100)])
def test_reference_refuses_sizes_it_cannot_map(shape: tuple[int, ...], image_size: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 32"):
        reference_preprocess(torch.zeros(shape), image_size)


def test_clip_needs_no_resize_at_its_own_size() -> None:
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    red = clip_preprocess(image, 64)[:, 0] * 0.26862954 + 0.48145466
    torch.testing.assert_close(red, (image[:, 0] + 1) / 2)


def test_clip_resizes_with_antialiasing() -> None:
    stripes = torch.tensor([-1.0, 1.0]).repeat(128).expand(1, 3, 256, 256)
    grey = clip_preprocess(stripes, 64)[0, 2] * 0.27577711 + 0.40821073
    torch.testing.assert_close(grey[:, 2:-2], torch.full((64, 60), 0.5), atol=1e-3, rtol=0)
