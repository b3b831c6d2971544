"""StyleGAN3, configurations T and R: Fourier features, then layers that treat images as continuous signals.

Source: Karras et al., "Alias-Free Generative Adversarial Networks" (2021). The low-pass filters are tensors
of the weight file, so nothing here designs them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stylewav_pl.generators.base import Noise, StyleLayer, Styles
from stylewav_pl.generators.stored import StoredGenerator
from stylewav_pl.generators.stylegan2_mapping import MappingNetwork
from stylewav_pl.generators.stylegan3_input import TRANSFORM_NUMBERS, FourierInput, placement
from stylewav_pl.generators.stylegan3_layers import AliasFreeLayer, LayerShape
from stylewav_pl.ranges import Number


class StyleGAN3(StoredGenerator):
    """The generator of StyleGAN3. It has no noise inputs, so the ``noise`` argument is only checked.

    Args:
        layers: Sizes of each layer (see :class:`LayerShape`), the last of which makes colours.
        input_channels: Number of Fourier features.
        input_size: Height and width of their map.
        input_sampling_rate: See :class:`FourierInput`.
        input_bandwidth: See :class:`FourierInput`.
        z_dim: Width of the noise.
        w_dim: Width of w.
        mapping_depth: Number of layers of the mapping network.
        mapping_width: Width between its layers; ``None`` for that of w.
        mapping_learning_rate_multiplier: Their learning-rate multiplier.
        output_scale: Factor of the image at the end.

    Raises:
        ValueError: The layers do not make a square image of three colours.
    """

    family: ClassVar[str] = "stylegan3"
    title: ClassVar[str] = "StyleGAN3"

    def __init__(
        self,
        layers: Sequence[Mapping[str, Any]],
        *,
        input_channels: int,
        input_size: int,
        input_sampling_rate: float,
        input_bandwidth: float,
        z_dim: int = 512,
        w_dim: int = 512,
        mapping_depth: int = 2,
        mapping_width: int | None = None,
        mapping_learning_rate_multiplier: float = 0.01,
        output_scale: float = 0.25,
    ) -> None:
        super().__init__()
        shapes = [LayerShape.from_config(layer) for layer in layers]
        self.z_dim, self.w_dim, self.num_ws = z_dim, w_dim, len(shapes) + 1
        self.mapping_depth, self.mapping_width = mapping_depth, mapping_width or w_dim
        self.mapping_learning_rate_multiplier, self.output_scale = (
            mapping_learning_rate_multiplier,
            output_scale,
        )
        self.mapping = MappingNetwork(
            z_dim, w_dim, self.mapping_width, mapping_depth, mapping_learning_rate_multiplier
        )
        self.register_buffer("w_mean", torch.zeros(w_dim))
        self.input = FourierInput(w_dim, input_channels, input_size, input_sampling_rate, input_bandwidth)
        widths = [input_channels] + [shape.channels for shape in shapes]
        self.layers = nn.ModuleList(
            AliasFreeLayer(widths[index], w_dim, shape, to_rgb=index == len(shapes) - 1)
            for index, shape in enumerate(shapes)
        )
        self.sizes = self._sizes()
        self.resolution = self.sizes[-1]

    @property
    def each_layer(self) -> list[AliasFreeLayer]:
        """All layers, from the input to the colours."""
        return cast(list[AliasFreeLayer], list(self.layers))  # nn.ModuleList forgets its element type

    def _sizes(self) -> list[int]:
        """Height and width of the features after the input and each layer.

        Raises:
            ValueError: They are not square, or the last are no image.
        """
        sizes = [self.input.size]
        for layer in self.each_layer:
            height, width = layer.output_size(sizes[-1])
            if height != width or height < 1:
                raise ValueError(f"feature maps of {height} by {width} pixels")
            self.check_pixels(height // 2)  # margins included
            sizes.append(height)
        if len(sizes) < 2 or self.each_layer[-1].shape.channels != 3:
            raise ValueError("no last layer of three colours")
        return sizes

    @property
    def config(self) -> dict[str, Any]:
        """See :meth:`StoredGenerator.config`."""
        return {
            "layers": [layer.shape.config for layer in self.each_layer],
            "input_channels": len(self.input.weight),
            "input_size": self.input.size,
            "input_sampling_rate": self.input.sampling_rate,
            "input_bandwidth": self.input.bandwidth,
            "z_dim": self.z_dim,
            "w_dim": self.w_dim,
            "mapping_depth": self.mapping_depth,
            "mapping_width": self.mapping_width,
            "mapping_learning_rate_multiplier": self.mapping_learning_rate_multiplier,
            "output_scale": self.output_scale,
        }

    @classmethod
    def check_sizes(cls, config: Mapping[str, Any], tensors: int) -> None:
        """See :meth:`StoredGenerator.check_sizes`."""
        cls.check_count(int(config["mapping_depth"]) + len(config["layers"]), tensors)
        cls.check_pixels(int(config["input_size"]))

    @classmethod
    def described(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """See :meth:`StoredGenerator.described`; the layers by their channels and kernels."""
        with torch.device("meta"):
            network = cls.from_config(config)
        shapes = [layer.shape for layer in network.each_layer]
        kernels = sorted({shape.kernel for shape in shapes[:-1]})
        facts = {
            "resolution": network.resolution,
            "configuration": "R" if any(shape.radial for shape in shapes) else "T",
            "kernels": kernels,
            "channels": [shape.channels for shape in shapes],
            "sizes": network.sizes,
        }
        return facts | {name: value for name, value in config.items() if name != "layers"}

    @property
    def resolutions(self) -> tuple[int, ...]:
        """The full one alone: there are no colours before the last layer."""
        return (self.resolution,)

    def place(self, angle: Number = 0.0, right: Number = 0.0, down: Number = 0.0) -> "StyleGAN3":
        """Turns and shifts what is drawn, without any loss; see :func:`placement`."""
        self.input.transform.copy_(placement(angle, right, down))
        return self

    def freeze(
        self, dtype: torch.dtype = torch.float32, float32_up_to: int = 0, recompute_from: int | None = None
    ) -> "StyleGAN3":
        """See :meth:`Generator.freeze`."""
        super().freeze()
        for layer, size in zip(self.each_layer, self.sizes[1:], strict=True):
            layer.recompute = recompute_from is not None and size >= recompute_from
            layer.dtype = dtype if size > float32_up_to else torch.float32
        return self

    def map(
        self, z: Float[Tensor, "clip ..."], truncation: float = 1.0, cutoff: int | None = None
    ) -> Float[Tensor, "clip *layer width"]:
        """See :meth:`Generator.map`."""
        return self.truncated(self.mapping(self.checked_noise(z)), truncation, cutoff)

    def styles(self, ws: Float[Tensor, "clip ..."]) -> list[Float[Tensor, "clip _"]]:
        """The four numbers that turn and shift the input, then the style of each layer."""
        ws = self.checked_ws(ws)
        affine = [self.input.affine, *(layer.affine for layer in self.each_layer)]
        return [style(ws[:, index]) for index, style in enumerate(affine)]

    @property
    def style_layers(self) -> tuple[StyleLayer, ...]:
        """See :meth:`Generator.style_layers`."""
        widths = [TRANSFORM_NUMBERS, *(layer.weight.shape[1] for layer in self.each_layer)]
        last = len(widths) - 1
        return tuple(StyleLayer(index, width, index == last) for index, width in enumerate(widths))

    def synthesize(
        self,
        ws_or_styles: Float[Tensor, "clip ..."] | Styles,
        noise: Noise = "const",
        resolution: int | None = None,
    ) -> Float[Tensor, "clip 3 height width"]:
        """See :meth:`Generator.synthesize`; ``resolution`` can only be the network's own."""
        self.checked_resolution(resolution)
        if noise not in get_args(Noise):
            raise ValueError(f"Expected noise to be one of {', '.join(get_args(Noise))}; found {noise!r}.")
        first, *styles = self.as_styles(ws_or_styles)
        with torch.autocast(first.device.type, enabled=False):  # precision is chosen in freeze
            x = self.input(first)  # [clip, channels, size, size]
            for layer, style in zip(self.each_layer, styles, strict=True):
                if layer.recompute and torch.is_grad_enabled():
                    x = checkpoint(layer, x, style, use_reentrant=False, preserve_rng_state=False)
                else:
                    x = layer(x, style)
        image: Tensor = x.to(first.dtype) * self.output_scale
        return image
