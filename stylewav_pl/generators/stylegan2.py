"""StyleGAN2: mapping network, modulated convolutions, skip ToRGB; any resolution and any channel table.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), configuration F without
path regularisation.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, ClassVar, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from stylewav_pl.generators.base import Generator, Noise, StyleLayer, Styles
from stylewav_pl.generators.frozen_convolution import GAIN, SLOPE
from stylewav_pl.generators.stylegan2_layers import (
    BINOMIAL,
    EqualizedLinear,
    ModulatedConvolution,
    Shortcut,
    ToRGB,
    Upsample,
    normalize_second_moment,
)
from stylewav_pl.weights.store import save_weights

DESIGNS = ("skip", "resnet", "orig")


class MappingNetwork(nn.Module):
    """From noise to w: the noise is normalised, then layers with leaky ReLU.

    Args:
        z_dim: Width of the noise.
        w_dim: Width of w.
        width: Width of the layers in between.
        depth: Number of layers.
        learning_rate_multiplier: See :class:`EqualizedLinear`.
    """

    def __init__(
        self, z_dim: int, w_dim: int, width: int, depth: int, learning_rate_multiplier: float
    ) -> None:
        super().__init__()
        widths = [z_dim] + [width] * (depth - 1) + [w_dim] * (depth > 0)
        self.layers = nn.ModuleList(
            EqualizedLinear(widths[i], widths[i + 1], learning_rate_multiplier=learning_rate_multiplier)
            for i in range(depth)
        )

    def forward(self, z: Float[Tensor, "clip z"]) -> Float[Tensor, "clip width"]:
        """Maps noise to w."""
        w = normalize_second_moment(z)
        for layer in self.layers:
            w = functional.leaky_relu(layer(w), SLOPE) * GAIN
        return w


class StyleGAN2(Generator):
    """The generator of StyleGAN2.

    Layers lie in two flat lists, from coarse to fine: ``convolutions`` (one at 4 px, then two per resolution,
    the first of which doubles the resolution) and ``to_rgbs`` (one per resolution, or the last alone: see
    ``design``). Convolution ``i`` reads w vector
    ``i``; the ToRGB of block ``k`` reads vector ``2 k + 1``, which it shares with the first convolution of
    the next block.

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
        design: How the paper's figure 7 joins the blocks, by NVIDIA's names: ``skip`` sums the colours of all
            resolutions (configuration F);
            ``resnet`` sums the features of a block and of a shortcut, ``orig`` nothing, and both have colours
            at the last resolution only.

    Raises:
        ValueError: ``channels`` lacks a resolution or holds one that is no power of two, the filter has an
            odd number of taps, or there is no such design.
    """

    architecture: ClassVar[str] = "stylegan2"

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
        design: str = "skip",
    ) -> None:
        super().__init__()
        if design not in DESIGNS:
            raise ValueError(f"Expected a design of {', '.join(DESIGNS)}; found {design!r}.")
        self.design = design
        self.channels = _checked(channels)
        self.resolution = max(self.channels)
        self.z_dim, self.w_dim, self.conv_clamp = z_dim, w_dim, conv_clamp
        self.num_ws = 2 * len(self.channels)
        self.mapping_depth, self.mapping_learning_rate_multiplier = (
            mapping_depth,
            mapping_learning_rate_multiplier,
        )
        self.mapping_width, self.resample_taps = mapping_width or w_dim, tuple(resample_taps)
        self.mapping = MappingNetwork(
            z_dim, w_dim, self.mapping_width, mapping_depth, mapping_learning_rate_multiplier
        )
        self.register_buffer("w_mean", torch.zeros(w_dim))
        self.constant = nn.Parameter(torch.randn(self.channels[4], 4, 4))
        self.convolutions = nn.ModuleList(self._convolutions())
        widths = list(self.channels.values())
        self.to_rgbs = nn.ModuleList(
            ToRGB(width, w_dim, clamp=conv_clamp) for width in (widths if design == "skip" else widths[-1:])
        )
        self.shortcuts = nn.ModuleList(
            Shortcut(*ends, self.resample_taps) for ends in pairwise(widths) if design == "resnet"
        )
        self.upsample = Upsample(self.resample_taps)
        self._recompute_from = math.inf

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Every power of two from 4 to the image's; without skip connections there are no colours before the last."""
        return tuple(self.channels)[-len(self.to_rgbs) :]

    def freeze(
        self, dtype: torch.dtype = torch.float32, float32_up_to: int = 0, recompute_from: int | None = None
    ) -> "StyleGAN2":
        """See :meth:`Generator.freeze`; what does not depend on the latent is computed once, so the weights must stay as they are.

        ``requires_grad_(True)`` and ``load_state_dict`` undo it.
        """
        super().freeze()
        self._recompute_from = recompute_from or math.inf
        for layer in self._modulated():
            fine = layer.noise_const.shape[0] > float32_up_to
            layer.freeze(dtype if fine and dtype != torch.float32 else None)
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
        self._recompute_from = math.inf
        for layer in self._modulated():
            layer.thaw()

    def _modulated(self) -> Iterator[ModulatedConvolution]:
        yield from self.convolutions  # type: ignore[misc]  # nn.ModuleList forgets its element type

    def _convolutions(self) -> Iterator[ModulatedConvolution]:
        previous = self.channels[4]
        layer = partial(
            ModulatedConvolution, w_dim=self.w_dim, clamp=self.conv_clamp, taps=self.resample_taps
        )
        for resolution, width in self.channels.items():
            if resolution > 4:
                yield layer(previous, width, resolution=resolution, upsample=True)
            yield layer(width, width, resolution=resolution, upsample=False)
            previous = width

    @property
    def config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them (see :meth:`from_config`)."""
        return {
            "channels": {str(resolution): width for resolution, width in self.channels.items()},
            "z_dim": self.z_dim,
            "w_dim": self.w_dim,
            "mapping_depth": self.mapping_depth,
            "mapping_width": self.mapping_width,
            "mapping_learning_rate_multiplier": self.mapping_learning_rate_multiplier,
            "conv_clamp": self.conv_clamp,
            "resample_taps": list(self.resample_taps),
            "design": self.design,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "StyleGAN2":
        """Builds an untrained network from :attr:`config`."""
        channels = {int(resolution): int(width) for resolution, width in config["channels"].items()}
        return cls(**{**config, "channels": channels})

    def to_file(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Writes the network as one safetensors file that ``load_generator`` reads."""
        save_weights(
            path,
            kind="generator",
            architecture=self.architecture,
            config=self.config,
            tensors=self.state_dict(),
            dtype=dtype,
        )

    def map(
        self, z: Float[Tensor, "clip ..."], truncation: float = 1.0, cutoff: int | None = None
    ) -> Float[Tensor, "clip *layer width"]:
        """Maps noise to w and pulls it towards ``w_mean``; see :meth:`Generator.map`.

        Raises:
            ValueError: ``z`` is not ``[clip, z_dim]``, or there are fewer layers than ``cutoff``.
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise ValueError(f"Expected z of shape [clip, {self.z_dim}], found {list(z.shape)}.")
        return self.truncated(self.mapping(z), truncation, cutoff)

    def styles(self, ws: Float[Tensor, "clip ..."]) -> list[Float[Tensor, "clip _"]]:
        """The style of each layer: convolution and ToRGB at 4 px, then convolution, convolution, ToRGB per resolution (of the ToRGBs there are).

        Raises:
            ValueError: ``ws`` is not ``[clip, num_ws, w_dim]``.
        """
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(
                f"Expected ws of shape [clip, {self.num_ws}, {self.w_dim}], found {list(ws.shape)}. "
                "Give one W+ latent its clip axis with ws[None]; repeat W over the layers with w[:, "
                "None].expand(-1, num_ws, -1)."
            )
        return [layer.affine(ws[:, index]) for layer, index in self._layers()]

    @property
    def style_layers(self) -> tuple[StyleLayer, ...]:
        """See :meth:`Generator.style_layers`; ToRGB layers are those of the resolutions whose colours count."""
        return tuple(
            StyleLayer(index, layer.affine.weight.shape[0], isinstance(layer, ToRGB))
            for layer, index in self._layers()
        )

    def _layers(self) -> Iterator[tuple[ModulatedConvolution | ToRGB, int]]:
        """Every modulated layer in StyleCLIP's order, with the index of its w vector."""
        for block in range(len(self.channels)):
            for index in self._indices(block):
                yield self.convolutions[index], index  # type: ignore[misc]  # nn.ModuleList forgets its element type
            if (to_rgb := self._to_rgb(block)) is not None:
                yield to_rgb, 2 * block + 1

    def _indices(self, block: int) -> range:
        """The convolutions of one resolution."""
        return range(max(2 * block - 1, 0), 2 * block + 1)

    def _to_rgb(self, block: int) -> ToRGB | None:
        """The ToRGB of one resolution, if its colours count."""
        found = self.to_rgbs[block - len(self.channels)] if 4 << block in self.resolutions else None
        assert found is None or isinstance(found, ToRGB)
        return found

    def synthesize(
        self,
        ws_or_styles: Float[Tensor, "clip ..."] | Styles,
        noise: Noise = "const",
        resolution: int | None = None,
    ) -> Float[Tensor, "clip 3 height width"]:
        """Renders W ``[clip, w_dim]``, W+ ``[clip, num_ws, w_dim]`` or S (the list of :meth:`styles`) to RGB, about [-1, 1].

        Args:
            ws_or_styles: The latents.
            noise: ``const`` adds the stored noise maps, ``random`` new ones, ``none`` nothing.
            resolution: Where to stop: the image as the skip connections have built it up to this resolution.

        Raises:
            ValueError: The latents have another shape, ``noise`` is another word, or there is no such
                resolution.
        """
        last = self.resolutions.index(self.checked_resolution(resolution))
        with torch.autocast(
            self.constant.device.type, enabled=False
        ):  # precision is chosen in freeze, resolution by resolution
            return next(islice(self.stages(ws_or_styles, noise), last, None))

    def stages(
        self, ws_or_styles: Float[Tensor, "clip ..."] | Styles, noise: Noise = "const"
    ) -> Iterator[Float[Tensor, "clip 3 _ _"]]:
        """The image at 4 px, at 8 px, and so on to the full resolution, or the last alone; arguments as in :meth:`synthesize`."""
        if noise not in get_args(Noise):
            raise ValueError(f"Expected noise to be one of {', '.join(get_args(Noise))}; found {noise!r}.")
        styles = iter(self._as_styles(ws_or_styles))
        x: Tensor = self.constant
        image: Tensor | None = None
        for block in range(len(self.channels)):
            count = len(self._indices(block)) + (self._to_rgb(block) is not None)
            x, colours = self._block(block, x, list(islice(styles, count)), noise)
            if colours is not None:
                image = colours if image is None else self.upsample(image) + colours
                yield image

    def _block(self, block: int, x: Tensor, styles: Styles, noise: Noise) -> tuple[Tensor, Tensor | None]:
        """One resolution: its feature maps, and the colours that it adds to the image."""
        x = x if block else x.expand(len(styles[0]), -1, -1, -1)
        if 4 << block < self._recompute_from or not torch.is_grad_enabled():
            return self._layers_of(block, x, noise, *styles)
        again = partial(checkpoint, use_reentrant=False, preserve_rng_state=noise == "random")
        return again(self._layers_of, block, x, noise, *styles)  # type: ignore[no-any-return]

    def _layers_of(
        self, block: int, x: Tensor, noise: Noise, *styles: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        before, rest = x, iter(styles)
        for index in self._indices(block):
            layer = self.convolutions[index]
            maps = {"const": layer.noise_const, "none": None}
            if noise == "random":
                size: int = layer.noise_const.shape[0]  # type: ignore[index,assignment]
                maps["random"] = torch.randn(len(x), 1, size, size, device=x.device, dtype=x.dtype)
            x = layer(x, next(rest), maps[noise])
        if block and self.shortcuts:
            x = (x + self.shortcuts[block - 1](before)) * math.sqrt(0.5)
        to_rgb = self._to_rgb(block)
        return x, None if to_rgb is None else to_rgb(x, next(rest))

    def _as_styles(self, latents: Tensor | Styles) -> Styles:
        if isinstance(latents, Tensor):
            return self.styles(self.broadcast(latents))
        expected = [layer.channels for layer in self.style_layers]
        found = [list(style.shape) for style in latents]
        if (
            any(len(shape) != 2 or shape[0] != found[0][0] for shape in found)
            or [shape[1] for shape in found] != expected
        ):
            raise ValueError(
                f"Expected {len(expected)} styles [clip, channels] with channels {expected}, found shapes "
                f"{found}."
            )
        return latents


def _checked(channels: Mapping[int, int]) -> dict[int, int]:
    """The channel table from coarse to fine, or an error that names what is wrong."""
    largest = max(channels, default=4)
    expected = [4 << exponent for exponent in range(max(int(math.log2(max(largest, 4))) - 1, 1))]
    if sorted(channels) != expected:
        raise ValueError(
            f"Expected channels for the resolutions {expected}, found {sorted(channels)}; every power of "
            "two from 4 up is needed."
        )
    return {resolution: channels[resolution] for resolution in expected}
