"""e4e's encoder: from photos of faces to one w vector for each layer of a generator, in one pass.

Source: Tov et al. 2021, "Designing an Encoder for StyleGAN Image Manipulation", arXiv:2102.02766: the body of
IR-SE50 as a pyramid of three maps, and a head for each layer that shrinks one of them to a vector. The first
head gives w of the whole face, the others what their layers add to it; all of it is added to a stored mean.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stylewav_pl.embedders.base import FrozenModule
from stylewav_pl.embedders.identity import GROUPS, Block
from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.weights.contents import read_contents
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.state_dict import check_finite, check_finite_tensors

KIND = "photo_encoder"
SEEN_SIZE = 256
PREFIX = "encoder."
MARK = f"{PREFIX}latlayer1.weight"
MEAN = "latent_avg"
MOST_LAYERS = 64
COARSE, MIDDLE = 3, 7  # heads below these see the coarsest map, the middle one; the others see the finest
CONVOLUTIONS = (4, 5, 6)  # of a head, each halves: from 16, 32 and 64 pixels to one
_HEAD = re.compile(r"styles\.(\d+)\.linear\.weight")


class PhotoEncoder(FrozenModule):
    """Encodes aligned photos of faces.

    Args:
        tensors: Of the encoder, without their prefix.
        mean: ``[layer, width]``, what its answers are added to.
        path: Of the file, for messages.

    Attributes:
        num_ws: How many w vectors it gives: those of its generator.
        w_dim: Their width.

    Raises:
        WeightsError: It is another network.
    """

    mean: Tensor

    def __init__(self, tensors: Mapping[str, Tensor], mean: Float[Tensor, "layer width"], path: Path) -> None:
        super().__init__()
        self.num_ws, self.w_dim = mean.shape
        self.network = _built(tensors, self.num_ws, self.w_dim, path)
        check_finite(self.network, path)
        self.register_buffer("mean", mean.float(), persistent=False)
        self.freeze()

    @torch.no_grad()
    def encode(self, photos: Float[Tensor, "photo 3 height width"]) -> Float[Tensor, "photo layer w_dim"]:
        """Returns the w vectors of each photo, which is encoded alone: none depends on its company.

        Args:
            photos: RGB in [-1, 1], aligned as FFHQ's, of any square size.
        """
        encoded = [self.network(_seen(photo[None].to(self.mean)))[0] + self.mean for photo in photos]
        return torch.stack(encoded) if encoded else self.mean.new_empty(0, self.num_ws, self.w_dim)


def _seen(photos: Tensor) -> Tensor:
    """Photos at the size of the network."""
    if photos.shape[-1] == SEEN_SIZE:
        return photos
    size = (SEEN_SIZE, SEEN_SIZE)
    return F.interpolate(photos, size, mode="bilinear", align_corners=False, antialias=True)


class Pyramid(nn.Module):
    """The network as it is published, ``[photo, 3, 256, 256]`` to ``[photo, layer, width]``.

    Args:
        widths: Channels of the four groups of blocks.
        layers: How many heads.
        width: Of a w vector, and of the maps that the heads see.
    """

    def __init__(self, widths: tuple[int, int, int, int], layers: int, width: int) -> None:
        super().__init__()
        first = widths[0]
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first)
        )
        blocks, before = [], first
        for channels, (_, count) in zip(widths, GROUPS, strict=True):
            for index in range(count):
                blocks.append(Block(before, channels, stride=2 if index == 0 else 1))
                before = channels
        self.body = nn.ModuleList(blocks)
        self.latlayer1 = nn.Conv2d(widths[2], widths[3], 1)
        self.latlayer2 = nn.Conv2d(widths[1], widths[3], 1)
        self.styles = nn.ModuleList(Head(widths[3], width, convolutions_of(at)) for at in range(layers))

    def forward(self, photos: Float[Tensor, "photo 3 256 256"]) -> Float[Tensor, "photo layer width"]:
        """Returns what is added to the mean."""
        fine, middle, coarse = self._maps(photos)
        middle = self.latlayer1(middle) + _enlarged(coarse, middle)
        fine = self.latlayer2(fine) + _enlarged(middle, fine)
        answers = [
            head(coarse if at < COARSE else middle if at < MIDDLE else fine)
            for at, head in enumerate(self.styles)
        ]
        whole = answers[0]
        return torch.stack([whole, *(whole + answer for answer in answers[1:])], dim=1)

    def _maps(self, photos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps after the last three groups of blocks, the finest first."""
        x, kept = self.input_layer(photos), []
        ends = [sum(count for _, count in GROUPS[: at + 1]) - 1 for at in (1, 2, 3)]
        for at, block in enumerate(self.body):
            x = block(x)
            if at in ends:
                kept.append(x)
        return kept[0], kept[1], kept[2]


class Head(nn.Module):
    """Shrinks a map to a vector; ``linear`` has weights that are scaled when they are used.

    Args:
        channels: Of the map.
        width: Of the vector.
        count: How many convolutions, each of which halves.
    """

    def __init__(self, channels: int, width: int, count: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for at in range(count):
            parts += [nn.Conv2d(width if at else channels, width, 3, 2, padding=1), nn.LeakyReLU()]
        self.convs = nn.Sequential(*parts)
        self.linear = nn.Linear(width, width)

    def forward(self, features: Float[Tensor, "photo channel side side"]) -> Float[Tensor, "photo width"]:
        """Returns the vectors."""
        flat = self.convs(features).flatten(1)
        scaled = self.linear.weight / math.sqrt(self.linear.in_features)
        return F.linear(flat, scaled, self.linear.bias)


def convolutions_of(layer: int) -> int:
    """Returns how many convolutions the head of a layer has.

    >>> [convolutions_of(layer) for layer in (0, 2, 3, 6, 7, 17)]
    [4, 4, 5, 5, 6, 6]
    """
    return CONVOLUTIONS[(layer >= COARSE) + (layer >= MIDDLE)]


def _enlarged(coarse: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(coarse, like.shape[-2:], mode="bilinear", align_corners=True)


def _built(tensors: Mapping[str, Tensor], layers: int, width: int, path: Path) -> Pyramid:
    """The untrained network of these sizes.

    Raises:
        WeightsError: The file has not the tensors that tell them, or announces absurd ones.
    """
    heads = {int(found[1]) for name in tensors if (found := _HEAD.fullmatch(name))}
    ends = [sum(count for _, count in GROUPS[:at]) for at in range(4)]
    names = [f"body.{end}.res_layer.1.weight" for end in ends]
    sizes = [tuple(tensors[name].shape) for name in names if name in tensors and tensors[name].ndim]
    if heads != set(range(layers)) or not 0 < layers <= MOST_LAYERS or len(sizes) != len(ends):
        raise WeightsError(
            f"{path} does not fit e4e's encoder: expected a head for each of the {layers} vectors of its "
            f"{MEAN}, and four groups of blocks; found {len(heads)} heads and {len(sizes)} groups. Use the "
            "file that belongs to it."
        )
    groups = (sizes[0][0], sizes[1][0], sizes[2][0], sizes[3][0])
    with torch.device("meta"):  # no memory for what a file only announces, and no time for random numbers
        network = Pyramid(groups, layers, width)
    full = {name: one.float() if one.is_floating_point() else one for name, one in tensors.items()}
    try:
        network.load_state_dict(full, assign=True)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not fit e4e's encoder: {one_line(error)}. Use the file that belongs to it."
        ) from error
    return network


def is_photo_encoder(content: Any) -> bool:
    """Returns whether what a file holds is e4e's: see :func:`~stylewav_pl.weights.contents.read_contents`."""
    named = content.get("state_dict") if isinstance(content, Mapping) else None
    return isinstance(named, Mapping) and MARK in named and isinstance(content.get(MEAN), Tensor)


def load_photo_encoder(source: str | Path) -> PhotoEncoder:
    """Loads e4e's encoder from its published file; nothing in the file is run.

    Args:
        source: A registry name (``e4e-ffhq``) or the path of the file. The generator that is in it, too, is
            left out.

    Raises:
        WeightsError: The source is unknown, damaged, or of another kind.
    """
    path = resolve(source, KIND)
    content = read_contents(path)
    if not is_photo_encoder(content):
        raise WeightsError(
            f"{path} is no encoder of photos: expected e4e's file, with {MARK} in its state_dict and "
            f"{MEAN} beside it. Take e4e_ffhq_encode.pt of its authors (e4e-ffhq)."
        )
    named, mean = content["state_dict"], content[MEAN]
    tensors = {
        name.removeprefix(PREFIX): value
        for name, value in named.items()
        if isinstance(value, Tensor) and str(name).startswith(PREFIX)
    }
    if mean.ndim != 2:
        raise WeightsError(
            f"{path} has a {MEAN} of the shape {list(mean.shape)}. Expected [layer, width]. Fetch it again."
        )
    check_finite_tensors({MEAN: mean}, path)
    return PhotoEncoder(tensors, mean, path)
