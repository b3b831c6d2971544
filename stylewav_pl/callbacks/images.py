"""Pictures on their way to disk: 8-bit conversion and metadata."""

from importlib.metadata import version

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

NOT_A_PORTRAIT = "Generated from the sound of a voice by stylewav-pl. Not a portrait: this is not the speaker's face."


def to_bytes(images: Float[Tensor, "*batch 3 height width"]) -> UInt8[Tensor, "*batch height width 3"]:
    """RGB in [-1, 1] to 8-bit RGB, channels last: ``round(clamp(x, -1, 1) * 127.5 + 127.5)``.

    >>> to_bytes(torch.tensor([-1.0, 0.0, 2.0]).reshape(3, 1, 1)).flatten().tolist()
    [0, 128, 255]
    """
    scaled = images.detach().float().clamp(-1, 1) * 127.5 + 127.5
    return scaled.round().to(torch.uint8).movedim(-3, -1)


def from_bytes(images: UInt8[Tensor, "*batch height width 3"]) -> Float[Tensor, "*batch 3 height width"]:
    """The inverse of :func:`to_bytes`, up to rounding.

    >>> from_bytes(torch.tensor([[[0, 255, 255]]], dtype=torch.uint8)).flatten().tolist()
    [-1.0, 1.0, 1.0]
    """
    return images.movedim(-1, -3).float() / 127.5 - 1


def to_picture(image: Float[Tensor, "3 height width"]) -> Image.Image:
    """A tensor as a picture."""
    return Image.fromarray(to_bytes(image).cpu().numpy())


def from_picture(picture: Image.Image) -> Float[Tensor, "3 height width"]:
    """A picture as a tensor, RGB in [-1, 1]."""
    return from_bytes(torch.from_numpy(np.array(picture.convert("RGB"))))


def png_metadata(id: str, seed: int) -> PngInfo:
    """What every written image says about itself, the note that it is no portrait first."""
    info = PngInfo()
    for key, value in {"Comment": NOT_A_PORTRAIT, "Software": f"stylewav-pl {version('stylewav-pl')}", "Clip": id, "Seed": str(seed)}.items():
        info.add_itxt(key, readable(value))
    return info


def readable(text: str) -> str:
    r"""The text as UTF-8 can hold it; names of files may have bytes that it cannot.

    >>> readable("caf\udce9")
    'caf?'
    """
    return text.encode("utf-8", "replace").decode("utf-8")
