"""What pictures look like to a network that is neither guide nor judge, and learned from nobody's pictures.

Untrained convolutions of a fixed seed: they need no download, and no generator was made with them or against
them. Source: Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models" (2020,
arXiv:2002.09797), who compare generators by the features of a VGG-16 with random weights.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

LEVELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # VGG-16's
PIXELS = 64
SEED = 20_020_979
AT_ONCE = 32


class RandomFeatures(nn.Module):
    """The convolutions of a VGG-16 with weights from a fixed seed (He et al. 2015, arXiv:1502.01852)."""

    def __init__(self) -> None:
        super().__init__()
        chance = torch.Generator().manual_seed(SEED)
        layers: list[nn.Module] = []
        before = 3
        for level in LEVELS:
            for width in level:
                layers += [_convolution(before, width, chance), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers).requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image feature"]:
        """Returns the features of images in [-1, 1] of any size, which are brought to 64 px."""
        size = (PIXELS, PIXELS)
        small = functional.interpolate(images, size=size, mode="bicubic", antialias=True)
        features: Tensor = self.layers(small.clamp(-1, 1))
        return features.flatten(1)

    def of_all(self, images: Iterable[Float[Tensor, "3 height width"]]) -> Float[Tensor, "image feature"]:
        """Returns the features of many images, few of which are in memory together."""
        found, waiting = [], list[Tensor]()
        for image in images:
            waiting.append(image)
            if len(waiting) == AT_ONCE:
                found.append(self._stacked(waiting))
                waiting = []
        if waiting:
            found.append(self._stacked(waiting))
        return torch.cat(found) if found else torch.zeros(0, self.width)

    @property
    def width(self) -> int:
        """How many features an image has."""
        return LEVELS[-1][-1] * (PIXELS >> len(LEVELS)) ** 2

    def _stacked(self, images: list[Tensor]) -> Float[Tensor, "image feature"]:
        sizes = {tuple(image.shape) for image in images}
        if len(sizes) == 1:
            found: Tensor = self(torch.stack(images))
            return found
        return torch.cat([self(image[None]) for image in images])


def _convolution(before: int, width: int, chance: torch.Generator) -> nn.Conv2d:
    with torch.device("meta"):  # its own weights would move the random numbers of everybody else
        layer = nn.Conv2d(before, width, 3, padding=1)
    weight = torch.randn(width, before, 3, 3, generator=chance) * (2 / (9 * before)) ** 0.5
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(torch.zeros(width))
    return layer


def standardised(
    features: Float[Tensor, "image feature"], reference: Float[Tensor, "other feature"]
) -> Float[Tensor, "image feature"]:
    """Returns features less the mean of the reference, in units of its mean deviation.

    One unit for all features: some are silent in nearly every picture, and their own deviation would make a
    picture in which they are not count for everything.

    >>> standardised(torch.tensor([[4.0, 1.0]]), torch.tensor([[0.0, 1.0], [4.0, 1.0]])).tolist()
    [[1.4142135381698608, 0.0]]
    """
    centre = reference.mean(dim=0)
    deviation = (reference - centre).square().mean().sqrt()
    return (features - centre) / deviation.clamp_min(1e-6)
