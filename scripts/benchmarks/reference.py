"""What the package is compared with.

Latent optimisation as StyleCLIP and StyleWav do it, written from its description.

One clip at a time; every network's weights count as trainable; each sample has modulated weights of its own;
zeros are inserted, padded and filtered in separate operations; the image is enlarged to 7 times its size and
averaged down to what CLIP sees; the target is embedded again at every step.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def resample(x: Tensor, kernel: Tensor, up: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Zeros between the pixels, a border of zeros, then the filter, channel by channel."""
    clips, channels, height, width = x.shape
    x = x.reshape(-1, height, 1, width, 1)
    x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1]) if up > 1 else x
    x = F.pad(x.reshape(-1, 1, height * up, width * up), [*padding, *padding])
    x = F.conv2d(x, kernel.flip(0, 1)[None, None])
    return x.reshape(clips, channels, *x.shape[2:])


class ModulatedConvolution(nn.Module):
    """Equations 1 and 3 of the StyleGAN2 paper, on the weights of each sample."""

    kernel: Tensor

    def __init__(self, layer: Any, demodulate: bool, up: bool) -> None:
        super().__init__()
        self.demodulate, self.up = demodulate, up
        self.weight = nn.Parameter(layer.weight.detach().clone())
        self.style_weight = nn.Parameter(layer.affine.weight.detach().clone())
        self.style_bias = nn.Parameter(layer.affine.bias.detach().clone())
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(taps, taps) / 16)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """``x`` ``[clip, in, h, w]``, ``w`` ``[clip, width]``."""
        (clips, channels, height, width), (outputs, _, size, _) = x.shape, self.weight.shape
        style = F.linear(w, self.style_weight / math.sqrt(w.shape[1]), self.style_bias)
        weight = self.weight[None] / math.sqrt(channels * size**2) * style[:, None, :, None, None]
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum(dim=(2, 3, 4)) + 1e-8)[:, :, None, None, None]
        x = x.reshape(1, clips * channels, height, width)
        if not self.up:
            weight = weight.reshape(clips * outputs, channels, size, size)
            return F.conv2d(x, weight, padding=size // 2, groups=clips).view(clips, outputs, height, width)
        weight = weight.transpose(1, 2).reshape(clips * channels, outputs, size, size)
        x = F.conv_transpose2d(x, weight, stride=2, groups=clips)
        return resample(x.view(clips, outputs, *x.shape[2:]), self.kernel, padding=(1, 1))


class ReferenceGenerator(nn.Module):
    """A copy of one of our generators (skip architecture, without bounds) that works in this way."""

    noises: list[Tensor]

    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.constant = nn.Parameter(generator.constant.detach().clone())
        layers = generator.convolutions
        self.convolutions = nn.ModuleList(
            ModulatedConvolution(layer, True, layer.upsample is not None) for layer in layers
        )
        self.to_rgbs = nn.ModuleList(ModulatedConvolution(layer, False, False) for layer in generator.to_rgbs)
        self.biases = nn.ParameterList(layer.bias.detach().clone() for layer in layers)
        self.strengths = nn.ParameterList(layer.noise_strength.detach().clone() for layer in layers)
        self.rgb_biases = nn.ParameterList(layer.bias.detach().clone() for layer in generator.to_rgbs)
        self.noises = [layer.noise_const for layer in layers]

    def forward(self, w: Tensor) -> Tensor:
        """Images of W ``[clip, width]``."""
        x = self._layer(0, self.constant.repeat(len(w), 1, 1, 1), w)
        image = self._colours(0, x, w)
        for block in range(1, len(self.to_rgbs)):
            x = self._layer(2 * block, self._layer(2 * block - 1, x, w), w)
            kernel: Tensor = self.to_rgbs[block].kernel  # type: ignore[assignment]
            image = resample(image, kernel, up=2, padding=(2, 1)) + self._colours(block, x, w)
        return image

    def _layer(self, index: int, x: Tensor, w: Tensor) -> Tensor:
        x = self.convolutions[index](x, w)
        x = x + self.strengths[index] * self.noises[index]
        return F.leaky_relu(x + self.biases[index][:, None, None], 0.2) * math.sqrt(2)

    def _colours(self, block: int, x: Tensor, w: Tensor) -> Tensor:
        colours: Tensor = self.to_rgbs[block](x, w)
        return colours + self.rgb_biases[block][:, None, None]


class ReferenceLoss(nn.Module):
    """1 - cosine of the enlarged and averaged image's embedding and the target, which is embedded again."""

    def __init__(self, clip_model: nn.Module, resolution: int, embed_target: Callable[[], Tensor]) -> None:
        super().__init__()
        self.clip_model = clip_model
        self.enlarge = nn.Upsample(scale_factor=7)
        self.average = nn.AvgPool2d(kernel_size=resolution // 32)
        self.embed_target = embed_target

    def forward(self, image: Tensor) -> Tensor:
        """The loss of one image."""
        embedding = self.clip_model.encode_image(self.average(self.enlarge(image)))  # type: ignore[operator]
        return (1 - F.cosine_similarity(embedding, self.embed_target())).mean()
