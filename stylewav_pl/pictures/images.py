"""Pictures on their way to disk and back: 8-bit conversion and metadata."""

import io

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from stylewav_pl import __version__
from stylewav_pl.runs.damage import DamageError
from stylewav_pl.runs.finished import FinishedRun

IMAGE_NOTICE = (
    "Generated from the sound of a voice by stylewav-pl. Not a portrait: this is not the speaker's face."
)


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


def load_face(run: FinishedRun, id: str) -> Image.Image | None:
    """Reads the image of a clip.

    None where it is missing or damaged, which a run that is open keeps in mind.
    """
    try:
        with Image.open(io.BytesIO(run.image(id))) as picture:
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, DamageError):
        return None  # what PIL raises for files that are no images, and stores for what they lack


def encode(picture: Image.Image, format: str, id: str, seed: int) -> bytes:
    """A picture as a file that says what it is.

    Args:
        picture: RGB.
        format: ``png`` (lossless), ``jpeg`` or ``webp`` (quality 95).
        id: Of the clip.
        seed: Of the clip.
    """
    file = io.BytesIO()
    if format == "png":
        picture.save(file, format="PNG", pnginfo=png_metadata(id, seed))
    else:
        picture.save(file, format=format.upper(), quality=95, exif=exif_metadata(id, seed))
    return file.getvalue()


def metadata(id: str, seed: int) -> dict[str, str]:
    """Tells what every written image says about itself, the note that it is no portrait first."""
    facts = {
        "Comment": IMAGE_NOTICE,
        "Software": f"stylewav-pl {__version__}",
        "Clip": id,
        "Seed": str(seed),
    }
    return {key: readable(value) for key, value in facts.items()}


def png_metadata(id: str, seed: int) -> PngInfo:
    """:func:`metadata` for PNG."""
    info = PngInfo()
    for key, value in metadata(id, seed).items():
        info.add_itxt(key, value)
    return info


def exif_metadata(id: str, seed: int) -> Image.Exif:
    """:func:`metadata` for formats that carry EXIF."""
    facts, exif = metadata(id, seed), Image.Exif()
    exif[ExifTags.Base.ImageDescription] = f"{facts['Comment']} Clip: {facts['Clip']}. Seed: {facts['Seed']}."
    exif[ExifTags.Base.Software] = facts["Software"]
    return exif


def readable(text: str) -> str:
    r"""The text as UTF-8 can hold it; names of files may have bytes that it cannot.

    >>> readable("caf\udce9")
    'caf?'
    """
    return text.encode("utf-8", "replace").decode("utf-8")
