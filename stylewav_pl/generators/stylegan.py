"""The first StyleGAN: a learned constant, and layers whose features take scale and bias from w.

Source: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks" (2019). The
network that the paper of StyleWav explains.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from stylewav_pl.generators import recompute
from stylewav_pl.generators.base import Noise, StyleLayer, Styles
from stylewav_pl.generators.style_based import GrownGenerator
from stylewav_pl.generators.stylegan2_block import checked_channels
from stylewav_pl.generators.stylegan_layers import StyledLayer, StyleGANMapping


class StyleGAN(GrownGenerator):
    """The generator of StyleGAN, of 2018.

    Its authors truncate w in the first eight layers alone: ``map(z, 0.7, cutoff=8)``.

    Args:
        channels: Feature channels at each resolution, for every power of two from 4 to the image's.
        z_dim: Width of the noise.
        w_dim: Width of w.
        mapping_depth: Number of layers of the mapping network.
        mapping_width: Width between its layers; ``None`` for that of w.
        mapping_learning_rate_multiplier: Their learning-rate multiplier.
        fused_from: From this height on layers double the resolution by transposed convolutions; ``None``:
            none does.

    Raises:
        ValueError: ``channels`` lacks a resolution or holds one that is no power of two.
    """

    family: ClassVar[str] = "stylegan"
    title: ClassVar[str] = "StyleGAN"

    def __init__(
        self,
        channels: Mapping[int, int],
        *,
        z_dim: int = 512,
        w_dim: int = 512,
        mapping_depth: int = 8,
        mapping_width: int | None = None,
        mapping_learning_rate_multiplier: float = 0.01,
        fused_from: int | None = 128,
    ) -> None:
        super().__init__()
        self.channels = checked_channels(channels)
        self.resolution = max(self.channels)
        self.z_dim, self.w_dim, self.num_ws = z_dim, w_dim, 2 * len(self.channels)
        self.mapping_depth, self.mapping_width = mapping_depth, mapping_width or w_dim
        self.mapping_learning_rate_multiplier, self.fused_from = mapping_learning_rate_multiplier, fused_from
        self.mapping = StyleGANMapping(
            z_dim, w_dim, self.mapping_width, mapping_depth, mapping_learning_rate_multiplier
        )
        self.register_buffer("w_mean", torch.zeros(w_dim))
        self.constant = nn.Parameter(torch.ones(self.channels[4], 4, 4))
        self.layers = nn.ModuleList()
        before = 0
        for resolution, width in self.channels.items():
            fused = fused_from is not None and resolution >= fused_from
            self.layers.append(
                StyledLayer(before, width, w_dim, resolution, upsample=resolution > 4, fused=fused)
            )
            self.layers.append(StyledLayer(width, width, w_dim, resolution))
            before = width
        self.to_rgb = nn.Conv2d(before, 3, 1)
        nn.init.normal_(self.to_rgb.weight)  # its gain is applied in synthesis, as that of all layers

    @property
    def each_layer(self) -> list[StyledLayer]:
        """All layers, from coarse to fine."""
        return cast(list[StyledLayer], list(self.layers))  # nn.ModuleList forgets its element type

    @property
    def config(self) -> dict[str, Any]:
        """See :meth:`StoredGenerator.config`."""
        return {
            "channels": self.stored_channels,
            "z_dim": self.z_dim,
            "w_dim": self.w_dim,
            "mapping_depth": self.mapping_depth,
            "mapping_width": self.mapping_width,
            "mapping_learning_rate_multiplier": self.mapping_learning_rate_multiplier,
            "fused_from": self.fused_from,
        }

    def fill(self, names: Sequence[str]) -> str:
        """Draws noise maps from a fixed seed."""
        random = torch.Generator().manual_seed(0)
        for name in names:
            self.get_buffer(name).normal_(generator=random)
        return f"lacks {len(names)} of its noise maps: they were drawn from a fixed seed"

    @property
    def resolutions(self) -> tuple[int, ...]:
        """The full one alone: colours of coarser ones are left-overs of the training."""
        return (self.resolution,)

    def freeze(
        self, dtype: torch.dtype = torch.float32, float32_up_to: int = 0, recompute_from: int | None = None
    ) -> "StyleGAN":
        """See :meth:`Generator.freeze`; only convolutions are computed in another precision."""
        super().freeze()
        for layer in self.each_layer:
            size = layer.noise_const.shape[-1]
            layer.dtype = dtype if size > float32_up_to else torch.float32
            layer.recompute = recompute_from is not None and size >= recompute_from
        return self

    def styles(self, ws: Float[Tensor, "clip ..."]) -> list[Float[Tensor, "clip _"]]:
        """The scales (less one) and the biases of each layer, ``[clip, 2 channels]``."""
        ws = self.checked_ws(ws)
        return [layer.affine(ws[:, index]) for index, layer in enumerate(self.each_layer)]

    @property
    def style_layers(self) -> tuple[StyleLayer, ...]:
        """See :meth:`Generator.style_layers`."""
        widths = [2 * len(layer.bias) for layer in self.each_layer]
        return tuple(StyleLayer(index, width) for index, width in enumerate(widths))

    def synthesize(
        self,
        ws_or_styles: Float[Tensor, "clip ..."] | Styles,
        noise: Noise = "const",
        resolution: int | None = None,
    ) -> Float[Tensor, "clip 3 height width"]:
        """See :meth:`Generator.synthesize`; ``resolution`` can only be the network's own."""
        self.checked_resolution(resolution)
        with torch.autocast(self.constant.device.type, enabled=False):  # precision is chosen in freeze
            return next(self.stages(ws_or_styles, noise))

    def stages(
        self, ws_or_styles: Float[Tensor, "clip ..."] | Styles, noise: Noise = "const"
    ) -> Iterator[Float[Tensor, "clip 3 height width"]]:
        """The image at the full resolution, the only one; arguments as in :meth:`synthesize`."""
        self.check_noise_maps(noise)
        styles = self.as_styles(ws_or_styles)
        x = self.constant.expand(len(styles[0]), -1, -1, -1)  # [clip, channels, 4, 4]
        for layer, style in zip(self.each_layer, styles, strict=True):
            x = recompute.run(layer, x, style, noise, noise=noise)
        gain = 1 / math.sqrt(x.shape[1])
        yield functional.conv2d(x, self.to_rgb.weight * gain, self.to_rgb.bias)
