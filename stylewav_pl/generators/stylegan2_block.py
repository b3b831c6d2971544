"""One resolution of StyleGAN2: its convolutions, its colours, and what joins it to the block before.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), figure 7.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stylewav_pl.generators.base import Noise, StyleLayer, Styles
from stylewav_pl.generators.stylegan2_layers import ModulatedConvolution, Shortcut, ToRGB
from stylewav_pl.generators.upsampling import Upsample


class Block(nn.Module):
    """From the feature maps and the image of half the resolution to those of its own.

    Args:
        in_channels: Channels of the features that come in.
        out_channels: Channels of those that go out.
        resolution: Height and width of the output in pixels; at 4 px nothing is enlarged.
        w_dim: Width of w.
        has_rgb: Whether the block adds colours to the image.
        has_shortcut: Whether its features are added to those that came in (the residual architecture).
        clamp: Bound of every layer's output; ``None`` for no bound.
        taps: See :class:`~stylewav_pl.generators.stylegan2_layers.Upsample`.

    Attributes:
        first_w: Index of the w vector that the first layer reads. The last one is shared: the ToRGB of a
            block reads the same vector as the first convolution of the next.
        recompute: Whether feature maps are computed again for the backward pass instead of being kept.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        resolution: int,
        w_dim: int,
        *,
        has_rgb: bool,
        has_shortcut: bool,
        clamp: float | None,
        taps: Sequence[float],
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.first_w = max(2 * int(math.log2(resolution)) - 5, 0)  # 4 px: 0, 8 px: 1, 16 px: 3, ...
        self.recompute = False
        self.conv_up: ModulatedConvolution | None = None
        if resolution > 4:
            self.conv_up = ModulatedConvolution(
                in_channels, out_channels, w_dim, resolution, upsample=True, clamp=clamp, taps=taps
            )
        self.conv = ModulatedConvolution(
            out_channels, out_channels, w_dim, resolution, upsample=False, clamp=clamp, taps=taps
        )
        self.to_rgb = ToRGB(out_channels, w_dim, clamp=clamp) if has_rgb else None
        self.shortcut = Shortcut(in_channels, out_channels, taps) if has_shortcut else None
        self.upsample = Upsample(taps)

    @property
    def convolutions(self) -> list[ModulatedConvolution]:
        """The 3x3 convolutions, in the order of the forward pass."""
        return [self.conv] if self.conv_up is None else [self.conv_up, self.conv]

    @property
    def layers(self) -> list[ModulatedConvolution | ToRGB]:
        """All layers that have a style, in StyleCLIP's order."""
        return [*self.convolutions, self.to_rgb] if self.to_rgb is not None else [*self.convolutions]

    @property
    def style_layers(self) -> list[StyleLayer]:
        """Facts of each of :attr:`layers`."""
        return [
            StyleLayer(self.first_w + index, layer.affine.weight.shape[0], layer is self.to_rgb)
            for index, layer in enumerate(self.layers)
        ]

    def styles(self, ws: Float[Tensor, "clip layer width"]) -> list[Float[Tensor, "clip _"]]:
        """Returns the style of each of :attr:`layers`, from the w vectors of the whole network."""
        return [layer.affine(ws[:, self.first_w + index]) for index, layer in enumerate(self.layers)]

    def forward(
        self, x: Tensor, image: Tensor | None, styles: Styles, noise: Noise
    ) -> tuple[Tensor, Tensor | None]:
        """Computes the features and the image of this resolution R.

        Args:
            x: ``[clip, in, R/2, R/2]``; at 4 px ``[clip, in, 4, 4]``.
            image: ``[clip, 3, R/2, R/2]``, what the blocks before have drawn; ``None`` before the first
                colours.
            styles: One for each of :attr:`layers`.
            noise: ``const`` adds the stored noise maps, ``random`` new ones, ``none`` nothing.

        Returns:
            ``[clip, out, R, R]`` and ``[clip, 3, R, R]``.
        """
        block_input = x
        for layer, style in zip(self.convolutions, styles, strict=False):
            x = layer(x, style, _noise_map(layer, noise, x))  # [clip, out, R, R]
        if self.shortcut is not None:
            x = (x + self.shortcut(block_input)) * math.sqrt(0.5)
        if self.to_rgb is None:
            return x, image
        colours = self.to_rgb(x, styles[-1])  # [clip, 3, R, R]
        return x, colours if image is None else self.upsample(image) + colours


def _noise_map(layer: ModulatedConvolution, noise: Noise, x: Tensor) -> Tensor | None:
    """The noise ``[R, R]`` or ``[clip, 1, R, R]`` that a layer adds."""
    if noise == "none":
        return None
    if noise == "const":
        return layer.noise_const
    height, width = layer.noise_const.shape
    return torch.randn(len(x), 1, height, width, device=x.device, dtype=x.dtype)


def checked_channels(channels: Mapping[int, int]) -> dict[int, int]:
    """The channel table from coarse to fine, or an error that names what is wrong."""
    largest = max(channels, default=4)
    expected = [4 << exponent for exponent in range(max(int(math.log2(max(largest, 4))) - 1, 1))]
    if sorted(channels) != expected:
        raise ValueError(
            f"Expected channels for the resolutions {expected}, found {sorted(channels)}; every power of "
            "two from 4 up is needed."
        )
    return {resolution: channels[resolution] for resolution in expected}
