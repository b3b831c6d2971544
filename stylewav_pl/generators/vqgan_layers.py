"""The convolutional encoder and decoder of VQGAN.

Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis" (2021, arXiv:2012.09841),
appendix A. Modules are called as in the published checkpoints.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

GROUPS, EPSILON = 32, 1e-6


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, channels, eps=EPSILON)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each after normalisation and swish, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = _norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Float[Tensor, "clip inputs h w"]) -> Float[Tensor, "clip outputs h w"]:
        """Adds what the convolutions make of the features."""
        y = self.conv1(functional.silu(self.norm1(x)))
        y = self.conv2(functional.silu(self.norm2(y)))
        shortcut = x if self.nin_shortcut is None else self.nin_shortcut(x)
        features: Tensor = y + shortcut
        return features


class AttentionBlock(nn.Module):
    """Attention of every place to every place, with one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Float[Tensor, "clip channel h w"]) -> Float[Tensor, "clip channel h w"]:
        """Adds what the places tell each other."""
        normalised = self.norm(x)
        q, k, v = (part(normalised).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        mixed = functional.scaled_dot_product_attention(q, k, v)  # [clip, place, channel]
        mixed = mixed.transpose(1, 2).reshape(x.shape)
        features: Tensor = x + self.proj_out(mixed)
        return features


class _Middle(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block_1, self.attn_1 = ResidualBlock(channels, channels), AttentionBlock(channels)
        self.block_2 = ResidualBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.block_2(self.attn_1(self.block_1(x)))
        return features


class _Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        enlarged: Tensor = self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return enlarged


class _Downsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        smaller: Tensor = self.conv(functional.pad(x, (0, 1, 0, 1)))  # right and below only
        return smaller


class _Level(nn.Module):
    """The blocks of one resolution, followed by ``upsample`` or ``downsample``."""

    def __init__(self, inputs: int, outputs: int, blocks: int, attends: bool) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * blocks
        self.block = nn.ModuleList(ResidualBlock(widths[index], outputs) for index in range(blocks))
        self.attn = nn.ModuleList(AttentionBlock(outputs) for _ in range(blocks if attends else 0))
        self.upsample: nn.Module | None = None
        self.downsample: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        for index, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[index](x)
        for resample in (self.upsample, self.downsample):
            x = x if resample is None else resample(x)
        return x


class Decoder(nn.Module):
    """From latents to images.

    Args:
        first: Channels before the first level, which of the encoder are those after its first convolution.
        channels: Of each level, from the image's resolution down.
        attends: Which levels have attention.
        res_blocks: Residual blocks of a level of the encoder; the decoder has one more.
        z_channels: Of the latents.
    """

    def __init__(
        self, first: int, channels: Sequence[int], attends: Sequence[bool], res_blocks: int, z_channels: int
    ) -> None:
        super().__init__()
        deepest = channels[-1]
        self.conv_in = nn.Conv2d(z_channels, deepest, 3, padding=1)
        self.mid = _Middle(deepest)
        levels: list[_Level] = []
        for index, (width, attention) in enumerate(zip(channels, attends, strict=True)):
            before = channels[min(index + 1, len(channels) - 1)]
            level = _Level(before, width, res_blocks + 1, attention)
            level.upsample = _Upsample(width) if index else None
            levels.append(level)
        self.up = nn.ModuleList(levels)
        self.norm_out, self.conv_out = _norm(channels[0]), nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, z: Float[Tensor, "clip z h w"]) -> Float[Tensor, "clip 3 height width"]:
        """Decodes."""
        x = self.mid(self.conv_in(z))
        for index in reversed(range(len(self.up))):
            x = self.up[index](x)
        image: Tensor = self.conv_out(functional.silu(self.norm_out(x)))
        return image


class Encoder(nn.Module):
    """From images to latents; arguments as of :class:`Decoder`."""

    def __init__(
        self, first: int, channels: Sequence[int], attends: Sequence[bool], res_blocks: int, z_channels: int
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, first, 3, padding=1)
        levels: list[_Level] = []
        before = first
        for index, (width, attention) in enumerate(zip(channels, attends, strict=True)):
            level = _Level(before, width, res_blocks, attention)
            level.downsample = _Downsample(width) if index < len(channels) - 1 else None
            levels.append(level)
            before = width
        self.down = nn.ModuleList(levels)
        self.mid = _Middle(before)
        self.norm_out, self.conv_out = _norm(before), nn.Conv2d(before, z_channels, 3, padding=1)

    def forward(self, image: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip z h w"]:
        """Encodes."""
        x = self.conv_in(image)
        for level in self.down:
            x = level(x)
        latents: Tensor = self.conv_out(functional.silu(self.norm_out(self.mid(x))))
        return latents


class ClampWithGradient(torch.autograd.Function):
    """Clamps; a gradient passes where it leads back into the range.

    Source: VQGAN-CLIP (Crowson et al. 2022, arXiv:2204.08583).
    """

    @staticmethod
    def forward(ctx: "torch.autograd.function.FunctionCtx", x: Tensor, least: float, most: float) -> Tensor:
        """Clamps ``x``."""
        clamped = x.clamp(least, most)
        ctx.save_for_backward(x - clamped)
        return clamped

    @staticmethod
    def backward(ctx: "torch.autograd.function.FunctionCtx", *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Zero where descending would lead farther out."""
        (beyond,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0] * (gradients[0] * beyond >= 0), None, None


def clamp_with_gradient(x: Tensor, least: float, most: float) -> Tensor:
    """See :class:`ClampWithGradient`.

    >>> x = torch.tensor([2.0, 2.0, 0.0], requires_grad=True)
    >>> (clamp_with_gradient(x, -1.0, 1.0) * torch.tensor([1.0, -1.0, 3.0])).sum().backward()
    >>> x.grad.tolist()
    [1.0, -0.0, 3.0]
    """
    return ClampWithGradient.apply(x, least, most)  # type: ignore[no-any-return]


def codes_of_noise(z: Float[Tensor, "clip place"], codes: int) -> Tensor:
    """Returns uniformly distributed numbers of codes for Gaussian noise: ``floor(codes Phi(z))``.

    >>> codes_of_noise(torch.tensor([[-9.0, -0.1, 0.1, 9.0]]), 10).tolist()
    [[0, 4, 5, 9]]
    """
    below = 0.5 * (1 + torch.erf(z.double() / math.sqrt(2)))
    return (below * codes).long().clamp(0, codes - 1)
