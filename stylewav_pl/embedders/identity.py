"""Whose face an image shows: networks that an editing objective compares start and result with."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import FrozenModule, ImageTextEmbedder
from stylewav_pl.embedders.pocket_identity import PocketIdentityNetwork, crop, unit
from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.weights.open_clip_name import parse_open_clip
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.state_dict import (
    BUILD_ERRORS,
    build_checked,
    check_finite,
    load_into,
    read_state_dict,
)
from stylewav_pl.weights.store import describe, is_own_format, read_weights

GROUPS = ((64, 3), (128, 4), (256, 14), (512, 3))  # channels and blocks of IR-SE50
SQUEEZED = 16
FACE_SIZE, SEEN_SIZE = 256, 112
ROWS, COLUMNS = slice(35, 223), slice(32, 220)  # the face in an image that was aligned as FFHQ's are
FIRST = "input_layer.0.weight"
KIND, ARCHITECTURE = "identity", "separable"


class IdentityEmbedder(FrozenModule, ABC):
    """Embeds faces so that those of one person lie together."""

    @abstractmethod
    def embed_identity(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip embed"]:
        """Embeds square RGB images in [-1, 1] of any resolution; unit L2 norm, differentiable."""


class ImageIdentity(IdentityEmbedder):
    """What a CLIP model sees, taken for identity: it also holds hair, glasses and background.

    Args:
        network: Frozen here. One that neither guides nor judges tells most.
    """

    def __init__(self, network: ImageTextEmbedder) -> None:
        super().__init__()
        self.network = network
        self.freeze()

    def embed_identity(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip embed"]:
        """See :meth:`IdentityEmbedder.embed_identity`."""
        return self.network.embed_image(images)


class ArcFace(IdentityEmbedder):
    """The published IR-SE50 (``model_ir_se50.pth``), shown faces as StyleCLIP shows them.

    Source: Deng et al. 2019, "ArcFace", arXiv:1801.07698, with squeeze and excitation (Hu et al. 2018,
    arXiv:1709.01507).

    Args:
        tensors: Its state dict.
        path: Of the file, for messages.

    Raises:
        WeightsError: It is another network.
    """

    def __init__(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        super().__init__()
        self.network = IrSe50()
        load_into(self.network, tensors, path, "IR-SE50")
        self.freeze()

    def embed_identity(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip embed"]:
        """See :meth:`IdentityEmbedder.embed_identity`; the crop fits images aligned as FFHQ's."""
        images = images.float()
        if images.shape[-1] != FACE_SIZE:
            images = F.adaptive_avg_pool2d(images, FACE_SIZE)
        faces = F.adaptive_avg_pool2d(images[:, :, ROWS, COLUMNS], SEEN_SIZE)
        return F.normalize(self.network(faces), dim=-1)


class PocketIdentity(IdentityEmbedder):
    """The pocket suite's own network, for faces as its generators draw them.

    Args:
        network: Frozen here.
    """

    def __init__(self, network: PocketIdentityNetwork) -> None:
        super().__init__()
        self.network = network
        self.freeze()

    def embed_identity(self, images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip embed"]:
        """See :meth:`IdentityEmbedder.embed_identity`; the crop fits faces of the pocket suite."""
        return unit(self.network(crop(images.float())))


class IrSe50(nn.Module):
    """Fifty layers of residual blocks with squeeze and excitation.

    ``[clip, 3, 112, 112]`` becomes ``[clip, 512]``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        blocks, width = [], 64
        for channels, count in GROUPS:
            for index in range(count):
                blocks.append(Block(width, channels, stride=2 if index == 0 else 1))
                width = channels
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512), nn.Dropout(), nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)
        )

    def forward(self, faces: Float[Tensor, "clip 3 112 112"]) -> Float[Tensor, "clip 512"]:
        """Returns embeddings of any length."""
        embeddings: Tensor = self.output_layer(self.body(self.input_layer(faces)))
        return embeddings


class Block(nn.Module):
    """One residual block."""

    def __init__(self, width: int, channels: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if width != channels:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(width, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.Conv2d(width, channels, 3, padding=1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            SqueezeExcitation(channels),
        )

    def forward(self, x: Float[Tensor, "clip _ height width"]) -> Float[Tensor, "clip _ _ _"]:
        """Returns feature maps, half as high after a stride of 2."""
        out: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return out


class SqueezeExcitation(nn.Module):
    """Scales each channel by a number in (0, 1) that all channels decide."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // SQUEEZED, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // SQUEEZED, channels, 1, bias=False)

    def forward(
        self, x: Float[Tensor, "clip channel height width"]
    ) -> Float[Tensor, "clip channel height width"]:
        """Returns scaled feature maps."""
        means = x.mean(dim=(2, 3), keepdim=True)
        scales: Tensor = self.fc2(F.relu(self.fc1(means))).sigmoid()
        return x * scales


def load_identity(source: str | Path) -> IdentityEmbedder:
    """A frozen identity network.

    Args:
        source: ``pocket-identity`` or a file of its kind; the file of IR-SE50 (``model_ir_se50.pth``), told
            by its content; or any source of :func:`~stylewav_pl.embedders.load_image_text_embedder`, taken
            as :class:`ImageIdentity`.

    Raises:
        WeightsError: The source is unknown, damaged, or of another kind.
    """
    if source == "linear" or parse_open_clip(source):
        return ImageIdentity(load_image_text_embedder(source))
    path = resolve(source, KIND)
    if not is_own_format(path):
        tensors = read_state_dict(path)
        if FIRST in tensors:
            return ArcFace(tensors, path)
    elif describe(path).get("kind") == KIND:
        return _read_pocket_identity(path)
    return ImageIdentity(load_image_text_embedder(source))


def _read_pocket_identity(path: Path) -> PocketIdentity:
    file = read_weights(path, KIND)
    if file.architecture != ARCHITECTURE:
        raise WeightsError(
            f"{path} holds the architecture {file.architecture!r}, but {ARCHITECTURE!r} is needed here."
        )
    try:
        announced = len(file.config["blocks"])
        network = build_checked(lambda: PocketIdentityNetwork(**file.config), file.tensors, announced)
    except BUILD_ERRORS as error:
        raise WeightsError(
            f"{path} is damaged: its tensors do not fit its configuration ({one_line(error)}). Fetch it "
            "again."
        ) from error
    check_finite(network, path)
    return PocketIdentity(network)
