"""The pocket suite's own identity network: depthwise separable convolutions on the middle of a cartoon face.

Source of the form: Chen et al. 2018, "MobileFaceNets" (arXiv:1804.07573): a depthwise convolution over the
whole last map in place of an average, because the eyes of a face are not where its chin is.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

FACE_SIZE = 128  # what images are brought to
ROWS, COLUMNS = slice(20, 100), slice(24, 104)  # brows to chin and ear to ear, in all poses of the suite
SEEN_SIZE = 80
STEM_STRIDE = 2
EMBED_DIM = 64
# Channels and stride of each block; one that keeps both adds its input.
BLOCKS = ((48, 2), (48, 1), (64, 2), (64, 1), (64, 1), (96, 2), (96, 1))


class PocketIdentityNetwork(nn.Module):
    """``[clip, 3, 80, 80]`` becomes ``[clip, embed]``, of any length.

    Args:
        stem: Channels of the first convolution.
        blocks: Channels and stride of each block.
        embed_dim: Width of the result.
    """

    def __init__(
        self, stem: int = 24, blocks: Sequence[Sequence[int]] = BLOCKS, embed_dim: int = EMBED_DIM
    ) -> None:
        super().__init__()
        self.config = {"stem": stem, "blocks": [list(block) for block in blocks], "embed_dim": embed_dim}
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, STEM_STRIDE, padding=1, bias=False), nn.BatchNorm2d(stem), nn.PReLU(stem)
        )
        layers, width, size = [], stem, SEEN_SIZE // STEM_STRIDE
        for channels, stride in blocks:
            layers.append(SeparableBlock(width, channels, stride))
            width, size = channels, -(-size // stride)
        self.blocks = nn.Sequential(*layers)
        self.gather = nn.Sequential(
            nn.Conv2d(width, width, size, groups=width, bias=False), nn.BatchNorm2d(width)
        )
        self.embed = nn.Linear(width, embed_dim)

    def forward(self, faces: Float[Tensor, "clip 3 80 80"]) -> Float[Tensor, "clip embed"]:
        """Returns embeddings of any length."""
        seen = self.gather(self.blocks(self.stem(faces)))
        embeddings: Tensor = self.embed(seen.flatten(start_dim=1))
        return embeddings


class SeparableBlock(nn.Module):
    """A 3x3 convolution of each channel alone, then a mixture of the channels."""

    def __init__(self, width: int, channels: int, stride: int) -> None:
        super().__init__()
        self.is_residual = stride == 1 and width == channels
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, stride, padding=1, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            nn.Conv2d(width, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.PReLU(channels),
        )

    def forward(self, x: Float[Tensor, "clip _ height width"]) -> Float[Tensor, "clip _ _ _"]:
        """Returns feature maps, half as high after a stride of 2."""
        out: Tensor = self.layers(x)
        return out + x if self.is_residual else out


def crop(images: Float[Tensor, "clip 3 height width"]) -> Float[Tensor, "clip 3 80 80"]:
    """Returns the middle of square images of any resolution, as the network sees it."""
    if images.shape[-1] != FACE_SIZE:
        images = F.interpolate(images, size=(FACE_SIZE, FACE_SIZE), mode="bilinear", antialias=True)
    return images[:, :, ROWS, COLUMNS]


def unit(embeddings: Float[Tensor, "clip embed"]) -> Float[Tensor, "clip embed"]:
    """Returns embeddings at unit length.

    >>> import torch
    >>> unit(torch.tensor([[3.0, 4.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    return F.normalize(embeddings, dim=-1)
