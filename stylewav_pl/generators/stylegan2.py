"""StyleGAN2: mapping network, blocks of modulated convolutions, ToRGB; any resolution and any channel table.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), configuration F without
path regularisation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from stylewav_pl.generators import recompute
from stylewav_pl.generators.base import Noise, StyleLayer, Styles
from stylewav_pl.generators.style_based import NOISE_MAP, GrownGenerator
from stylewav_pl.generators.stylegan2_block import Block, checked_channels
from stylewav_pl.generators.stylegan2_layers import ModulatedConvolution, ToRGB
from stylewav_pl.generators.stylegan2_mapping import MappingNetwork
from stylewav_pl.generators.stylegan2_names import layer_names, to_network_names, to_stored_names
from stylewav_pl.generators.upsampling import BINOMIAL

ARCHITECTURES = ("skip", "resnet", "orig")


class StyleGAN2(GrownGenerator):
    """The generator of StyleGAN2: a block per resolution, from coarse to fine.

    Args:
        channels: Feature channels at each resolution, for every power of two from 4 to the image's.
        z_dim: Width of the noise.
        w_dim: Width of w.
        mapping_depth: Number of layers of the mapping network.
        mapping_width: Width between its layers; ``None`` for that of w.
        mapping_learning_rate_multiplier: Their learning-rate multiplier (a constant factor in the forward
            pass, too).
        conv_clamp: Bound of every layer's output; ``None`` for no bound.
        resample_taps: The filter of all upsampling in one dimension, of any scale.
        architecture: How the paper's figure 7 joins the blocks, by NVIDIA's names: ``skip`` sums the colours
            of all resolutions (configuration F); ``resnet`` sums the features of a block and of a shortcut,
            ``orig`` nothing, and both have colours at the last resolution only.

    Raises:
        ValueError: ``channels`` lacks a resolution or holds one that is no power of two, the filter has an
            odd number of taps, or there is no such architecture.
    """

    family: ClassVar[str] = "stylegan2"
    title: ClassVar[str] = "StyleGAN2"

    def __init__(
        self,
        channels: Mapping[int, int],
        *,
        z_dim: int = 512,
        w_dim: int = 512,
        mapping_depth: int = 8,
        mapping_width: int | None = None,
        mapping_learning_rate_multiplier: float = 0.01,
        conv_clamp: float | None = None,
        resample_taps: Sequence[float] = BINOMIAL,
        architecture: str = "skip",
    ) -> None:
        super().__init__()
        if architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(f"Expected an architecture of {known}; found {architecture!r}.")
        self.channels = checked_channels(channels)
        self.resolution = max(self.channels)
        self.z_dim, self.w_dim, self.num_ws = z_dim, w_dim, 2 * len(self.channels)
        self.mapping_depth = mapping_depth
        self.mapping_width = mapping_width or w_dim
        self.mapping_learning_rate_multiplier = mapping_learning_rate_multiplier
        self.conv_clamp, self.resample_taps, self.architecture = (
            conv_clamp,
            tuple(resample_taps),
            architecture,
        )
        self.mapping = MappingNetwork(
            z_dim, w_dim, self.mapping_width, mapping_depth, mapping_learning_rate_multiplier
        )
        self.register_buffer("w_mean", torch.zeros(w_dim))
        self.constant = nn.Parameter(torch.randn(self.channels[4], 4, 4))
        self.blocks = nn.ModuleList(self._make_blocks())

    def _make_blocks(self) -> Iterator[Block]:
        in_channels = self.channels[4]
        for resolution, out_channels in self.channels.items():
            yield Block(
                in_channels,
                out_channels,
                resolution,
                self.w_dim,
                has_rgb=self.architecture == "skip" or resolution == self.resolution,
                has_shortcut=self.architecture == "resnet" and resolution > 4,
                clamp=self.conv_clamp,
                taps=self.resample_taps,
            )
            in_channels = out_channels

    def __iter__(self) -> Iterator[Block]:
        """Iterates over the blocks, from 4 px to the full resolution."""
        # not `yield from`, at which torch 2.14 interrupts a compiled step
        return iter(self.blocks)  # type: ignore[arg-type]  # nn.ModuleList forgets its element type

    @property
    def convolutions(self) -> list[ModulatedConvolution]:
        """The 3x3 convolutions of all blocks, from coarse to fine."""
        found: list[ModulatedConvolution] = []
        for block in self:
            found += block.convolutions
        return found

    @property
    def to_rgbs(self) -> list[ToRGB]:
        """The ToRGB layers, from coarse to fine."""
        return [block.to_rgb for block in self if block.to_rgb is not None]

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Every power of two from 4 to the image's.

        Without skip connections there are no colours before the last.
        """
        return tuple(block.resolution for block in self if block.to_rgb is not None)

    def freeze(
        self, dtype: torch.dtype = torch.float32, float32_up_to: int = 0, recompute_from: int | None = None
    ) -> "StyleGAN2":
        """See :meth:`Generator.freeze`.

        What does not depend on the latent is computed once, so the weights must stay as they are.

        ``requires_grad_(True)`` and ``load_state_dict`` undo it.
        """
        super().freeze()
        for block in self:
            block.recompute = recompute_from is not None and block.resolution >= recompute_from
            is_half = block.resolution > float32_up_to and dtype != torch.float32
            for layer in block.convolutions:
                layer.freeze(dtype if is_half else None)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "StyleGAN2":
        """As of every module; a network that learns is not frozen."""
        if requires_grad:
            self.thaw()
        return super().requires_grad_(requires_grad)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As of every module; other weights undo :meth:`freeze`."""
        self.thaw()
        return super().load_state_dict(*args, **kwargs)

    def thaw(self) -> None:
        """Forgets what :meth:`freeze` has computed and chosen."""
        for block in self:
            block.recompute = False
            for layer in block.convolutions:
                layer.thaw()

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them (see :meth:`from_config`)."""
        return {
            "channels": self.stored_channels,
            "z_dim": self.z_dim,
            "w_dim": self.w_dim,
            "mapping_depth": self.mapping_depth,
            "mapping_width": self.mapping_width,
            "mapping_learning_rate_multiplier": self.mapping_learning_rate_multiplier,
            "conv_clamp": self.conv_clamp,
            "resample_taps": list(self.resample_taps),
            "architecture": self.architecture,
        }

    def fill(self, names: Sequence[str]) -> str:
        """Draws noise maps from a fixed seed."""
        random = torch.Generator().manual_seed(0)
        layers = layer_names(*self._layout)
        for name in names:
            layer = layers[name.removesuffix(NOISE_MAP)]
            self.get_buffer(layer + NOISE_MAP).normal_(generator=random)
        return f"lacks {len(names)} of its noise maps: they were drawn from a fixed seed"

    @property
    def _layout(self) -> tuple[int, str]:
        return len(self.channels), self.architecture

    def stored_tensors(self) -> dict[str, Tensor]:
        """See :meth:`StoredGenerator.stored_tensors`."""
        return to_stored_names(self.state_dict(), *self._layout)

    def load_stored(self, tensors: Mapping[str, Tensor]) -> None:
        """See :meth:`StoredGenerator.load_stored`."""
        super().load_stored(to_network_names(tensors, *self._layout))

    def styles(self, ws: Float[Tensor, "clip ..."]) -> list[Float[Tensor, "clip _"]]:
        """The style of each layer.

        Convolution and ToRGB at 4 px, then convolution, convolution, ToRGB per resolution (of the ToRGBs
        there are).

        Raises:
            ValueError: ``ws`` is not ``[clip, num_ws, w_dim]``.
        """
        ws = self.checked_ws(ws)
        styles: list[Tensor] = []
        for block in self:
            styles += block.styles(ws)
        return styles

    @property
    def style_layers(self) -> tuple[StyleLayer, ...]:
        """See :meth:`Generator.style_layers`."""
        layers: list[StyleLayer] = []
        for block in self:
            layers += block.style_layers
        return tuple(layers)

    def synthesize(
        self,
        ws_or_styles: Float[Tensor, "clip ..."] | Styles,
        noise: Noise = "const",
        resolution: int | None = None,
    ) -> Float[Tensor, "clip 3 height width"]:
        """Renders W, W+ or S to RGB, about [-1, 1].

        W is ``[clip, w_dim]``, W+ is ``[clip, num_ws, w_dim]``, S is the list of :meth:`styles`.

        Args:
            ws_or_styles: The latents.
            noise: ``const`` adds the stored noise maps, ``random`` new ones, ``none`` nothing.
            resolution: Where to stop: the image as the skip connections have built it up to this resolution.

        Raises:
            ValueError: The latents have another shape, ``noise`` is another word, or there is no such
                resolution.
        """
        resolution = self.checked_resolution(resolution)
        # precision is chosen in freeze, resolution by resolution
        with torch.autocast(self.constant.device.type, enabled=False):
            return next(image for image in self.stages(ws_or_styles, noise) if image.shape[-1] == resolution)

    def stages(
        self, ws_or_styles: Float[Tensor, "clip ..."] | Styles, noise: Noise = "const"
    ) -> Iterator[Float[Tensor, "clip 3 _ _"]]:
        """The image at 4 px, at 8 px, and so on to the full resolution, or the last alone.

        Arguments as in :meth:`synthesize`.
        """
        self.check_noise_maps(noise)
        styles = self.as_styles(ws_or_styles)
        x = self.constant.expand(len(styles[0]), -1, -1, -1)  # [clip, channels, 4, 4]
        image = None
        for block in self:
            own, styles = styles[: len(block.layers)], styles[len(block.layers) :]
            x, image = recompute.run(block, x, image, own, noise, noise=noise)
            if image is not None:
                yield image
