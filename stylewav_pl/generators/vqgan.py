"""VQGAN: images as grids of codes from a codebook; the generator that the paper compares StyleWav with.

Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis" (2021, arXiv:2012.09841);
optimised as in VQGAN-CLIP (Crowson et al. 2022, arXiv:2204.08583).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.base import Noise, StyleLayer, Styles
from stylewav_pl.generators.stored import StoredGenerator
from stylewav_pl.generators.vqgan_layers import GROUPS, Decoder, Encoder, clamp_with_gradient, codes_of_noise

ROWS_AT_A_TIME = 4096  # places whose distances to all codes are in memory together


class VQGAN(StoredGenerator):
    """The encoder, the codebook and the decoder of a VQGAN.

    Its latents are grids of vectors, ``[clip, code, height, width]`` (see
    :class:`~stylewav_pl.optimisation.latents.Codes`); rendering replaces each vector by the nearest code,
    and its gradient passes as if nothing had been replaced. To be one of the generators, it has one w
    vector: the grid, flattened. It has no noise inputs.

    Args:
        first_channels: Features after the encoder's first convolution.
        channels: Of each level, from the image's resolution down; each level halves it.
        attends: Which levels have attention.
        res_blocks: Residual blocks of a level.
        z_channels: Of what the decoder takes.
        code_width: Numbers of a code.
        codes: How many there are.
        gumbel: Whether the encoder chooses codes by their logits instead of by distance.
        resolution: Height and width of the images, a multiple of :attr:`factor`.

    Attributes:
        factor: Pixels that a code stands for, along each axis.
        grid: Codes along each axis.

    Raises:
        ValueError: The sizes do not make a network.
    """

    family: ClassVar[str] = "vqgan"
    title: ClassVar[str] = "VQGAN"
    mean: ClassVar[str] = ""

    def __init__(
        self,
        *,
        first_channels: int,
        channels: Sequence[int],
        attends: Sequence[bool],
        res_blocks: int,
        z_channels: int,
        code_width: int,
        codes: int,
        gumbel: bool = False,
        resolution: int = 256,
    ) -> None:
        super().__init__()
        if not channels or any(width % GROUPS or width < 1 for width in (first_channels, *channels)):
            raise ValueError(f"channels of {[first_channels, *channels]}, expected multiples of {GROUPS}")
        self.channels, self.attends, self.res_blocks = tuple(channels), tuple(attends), res_blocks
        self.first_channels, self.z_channels, self.gumbel = first_channels, z_channels, gumbel
        sizes = (first_channels, self.channels, self.attends, res_blocks, z_channels)
        self.encoder, self.decoder = Encoder(*sizes), Decoder(*sizes)
        self.quant_conv = nn.Conv2d(z_channels, code_width, 1)
        self.post_quant_conv = nn.Conv2d(code_width, z_channels, 1)
        self.codebook = nn.Embedding(codes, code_width)
        self.logits = nn.Conv2d(code_width, codes, 1) if gumbel else None
        self.factor = 2 ** (len(self.channels) - 1)
        self.num_ws, self.recompute = 1, False
        self.resize(resolution)

    def resize(self, resolution: int) -> "VQGAN":
        """Renders images of another size from now on; the network is convolutional.

        Raises:
            ValueError: The size is no multiple of :attr:`factor`.
        """
        if resolution < 1 or resolution % self.factor:
            raise ValueError(f"images of {resolution} px, expected a multiple of {self.factor}")
        self.check_pixels(resolution)
        self.resolution, self.grid = resolution, resolution // self.factor
        self.z_dim = self.grid**2
        self.w_dim = self.z_dim * self.codebook.embedding_dim
        return self

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """``[code, height, width]`` of one clip's latent."""
        return self.codebook.embedding_dim, self.grid, self.grid

    @property
    def w_mean(self) -> Tensor:  # type: ignore[override]
        """The mean of all codes at every place, ``[w_dim]``."""
        return self.codebook.weight.mean(dim=0).repeat_interleave(self.grid**2)

    @property
    def bounds(self) -> tuple[Float[Tensor, "code 1 1"], Float[Tensor, "code 1 1"]]:
        """The least and the largest number that any code has, for each of its entries."""
        least, most = self.codebook.weight.aminmax(dim=0)
        return least[:, None, None], most[:, None, None]

    @property
    def config(self) -> dict[str, Any]:
        """See :meth:`StoredGenerator.config`."""
        return {
            "first_channels": self.first_channels,
            "channels": list(self.channels),
            "attends": list(self.attends),
            "res_blocks": self.res_blocks,
            "z_channels": self.z_channels,
            "code_width": self.codebook.embedding_dim,
            "codes": self.codebook.num_embeddings,
            "gumbel": self.gumbel,
            "resolution": self.resolution,
        }

    @classmethod
    def check_sizes(cls, config: Mapping[str, Any], tensors: int) -> None:
        """See :meth:`StoredGenerator.check_sizes`."""
        cls.check_count(len(config["channels"]) * int(config["res_blocks"]), tensors)
        cls.check_pixels(int(config["resolution"]))

    @classmethod
    def described(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """See :meth:`StoredGenerator.described`."""
        return {
            "resolution": config["resolution"],
            "pixels a code": 2 ** (len(config["channels"]) - 1),
            **config,
        }

    @property
    def resolutions(self) -> tuple[int, ...]:
        """That of :meth:`resize` alone: a grid of codes is an image of one size."""
        return (self.resolution,)

    def freeze(
        self, dtype: torch.dtype = torch.float32, float32_up_to: int = 0, recompute_from: int | None = None
    ) -> "VQGAN":
        """See :meth:`Generator.freeze`; with any ``recompute_from`` the whole decoder is computed again.

        Raises:
            ConfigError: Another precision is asked for.
        """
        if dtype != torch.float32:
            raise ConfigError("VQGAN is computed in float32 only. Set model.speed.precision to float32.")
        super().freeze()
        self.recompute = recompute_from is not None
        return self

    def map(
        self, z: Float[Tensor, "clip ..."], truncation: float = 1.0, cutoff: int | None = None
    ) -> Float[Tensor, "clip *layer width"]:
        """Random codes, pulled towards the mean of all; see :meth:`Generator.map`."""
        indices = codes_of_noise(self.checked_noise(z), self.codebook.num_embeddings)
        w = self.codebook(indices).transpose(1, 2).flatten(1)  # [clip, code * place]
        return self.truncated(w, truncation, cutoff)

    def styles(self, ws: Float[Tensor, "clip ..."]) -> list[Float[Tensor, "clip _"]]:
        """The flattened grid itself."""
        return [self.checked_ws(ws)[:, 0]]

    @property
    def style_layers(self) -> tuple[StyleLayer, ...]:
        """One: the grid."""
        return (StyleLayer(0, self.w_dim),)

    def synthesize(
        self,
        ws_or_styles: Float[Tensor, "clip ..."] | Styles,
        noise: Noise = "const",
        resolution: int | None = None,
    ) -> Float[Tensor, "clip 3 height width"]:
        """See :meth:`Generator.synthesize`; images are clamped to [-1, 1], by :func:`clamp_with_gradient`."""
        self.checked_resolution(resolution)
        if noise not in get_args(Noise):
            raise ValueError(f"Expected noise to be one of {', '.join(get_args(Noise))}; found {noise!r}.")
        (flat,) = self.as_styles(ws_or_styles)
        latents = flat.view(-1, *self.latent_shape)
        with torch.autocast(flat.device.type, enabled=False):
            return clamp_with_gradient(self.decode(self.quantized(latents)), -1.0, 1.0)

    def nearest(self, latents: Float[Tensor, "clip code h w"]) -> Int[Tensor, "clip h w"]:
        """Which code is nearest at each place."""
        rows = latents.detach().permute(0, 2, 3, 1).flatten(0, 2)
        half_squares = self.codebook.weight.square().sum(dim=1) / 2
        found = [
            (half_squares - part @ self.codebook.weight.T).argmin(dim=1)
            for part in torch.split(rows, ROWS_AT_A_TIME)
        ]
        return torch.cat(found).view(len(latents), *latents.shape[2:])

    def quantized(self, latents: Float[Tensor, "clip code h w"]) -> Float[Tensor, "clip code h w"]:
        """The nearest codes; the gradient passes straight through."""
        codes = self.codebook(self.nearest(latents)).permute(0, 3, 1, 2)
        straight: Tensor = codes + (latents - latents.detach())  # exactly the codes: the difference is zero
        return straight

    def decode(self, codes: Float[Tensor, "clip code h w"]) -> Float[Tensor, "clip 3 height width"]:
        """Images of grids of any size, about [-1, 1]."""
        z = self.post_quant_conv(codes)
        if self.recompute and torch.is_grad_enabled():
            image: Tensor = checkpoint(self.decoder, z, use_reentrant=False, preserve_rng_state=False)
        else:
            image = self.decoder(z)
        return image

    @torch.no_grad()
    def encode(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip code h w"]:
        """The codes of images in [-1, 1] of any size that is a multiple of :attr:`factor`."""
        latents = self.quant_conv(self.encoder(images))
        indices = self.nearest(latents) if self.logits is None else self.logits(latents).argmax(dim=1)
        codes: Tensor = self.codebook(indices).permute(0, 3, 1, 2)
        return codes
