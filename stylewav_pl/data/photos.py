"""Photos of faces for inversion: read within bounds, and cut out where landmarks lie beside them."""

import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from stylewav_pl.data.alignment import cut_out, ffhq_square
from stylewav_pl.errors import ConfigError, one_line
from stylewav_pl.runs.plan import stem_of

PHOTOS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
LANDMARKS = (".json", ".npz", ".txt")
MOST_PIXELS = 200_000_000
MOST_BYTES = 1 << 20  # of landmarks


class PhotoError(ConfigError):
    """A photo that cannot be inverted."""


def read_photo(path: Path, resolution: int, landmarks: Path | None = None) -> Float[Tensor, "3 height width"]:
    """Reads a photo of a face, as a generator of this resolution would show it.

    Args:
        path: A picture. Where landmarks are beside it (``NAME.json``, ``.npz``, ``.txt``), the face is cut
            out as FFHQ's were; otherwise it has to be a square one, aligned as the generator's training
            pictures.
        resolution: Height and width of the result in pixels.
        landmarks: The file with the landmarks, where it is not beside the picture.

    Returns:
        RGB in [-1, 1].

    Raises:
        PhotoError: It cannot be read, or is neither square nor has landmarks.
    """
    photo = _opened(path)
    found = landmarks or next((file for end in LANDMARKS if (file := path.with_suffix(end)).is_file()), None)
    if found is not None:
        try:
            face = cut_out(photo, ffhq_square(read_landmarks(found)), resolution)
        except ValueError as error:
            raise PhotoError(
                f"{found} cannot be used as landmarks of {path}: {one_line(error)}. Correct it."
            ) from error
    elif photo.width != photo.height:
        raise PhotoError(
            "Expected an aligned square picture, or the landmarks of its face in "
            f"{path.with_suffix('.json').name} beside it (68 points (x, y) of dlib, or 5: eyes, nose, "
            f"corners of the mouth); found {photo.width}x{photo.height} pixels in {path}. Cut the face out "
            "as the pictures were that the generator has learned from."
        )
    else:
        face = photo.resize((resolution, resolution), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(face)).movedim(-1, 0).float() / 127.5 - 1


def _opened(path: Path) -> Image.Image:
    """The photo as it is shown, RGB."""
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise PhotoError(f"{path} has more than {MOST_PIXELS:,} pixels. Make it smaller.")
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PhotoError(f"{path} cannot be read as a picture: {one_line(error)}. Correct it.") from error


def read_landmarks(path: Path) -> Float[np.ndarray, "point 2"]:
    """Reads points (x, y) in pixels.

    Args:
        path: JSON with a list of pairs, alone or called ``landmarks``; ``.npz`` with one array, or one of
            that name; text with a pair in each line.

    Raises:
        ValueError: It holds something else.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is too large")
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return _pairs(file["landmarks"] if "landmarks" in file.files else file[file.files[0]])
        text = path.read_text("utf-8")
        if path.suffix == ".txt":
            return _pairs([line.replace(",", " ").split() for line in text.splitlines() if line.strip()])
        found = json.loads(text)
        return _pairs(found["landmarks"] if isinstance(found, dict) else found)
    except (OSError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise ValueError(f"expected points (x, y): {type(error).__name__} {one_line(error)}") from error


def _pairs(points: object) -> Float[np.ndarray, "point 2"]:
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"expected pairs (x, y), found numbers of shape {list(array.shape)}")
    return array


def photo_of(folder: Path, id: str) -> Path:
    """Returns the photo of a clip in a folder, named by its id or the stem of its files.

    Raises:
        PhotoError: There is none.
    """
    names = [f"{stem}{suffix}" for stem in dict.fromkeys((stem_of(id), id)) for suffix in PHOTOS]
    for name in names:
        parts = Path(name).parts
        if "\0" in name or Path(name).is_absolute() or ".." in parts:
            continue
        if (folder / name).is_file():
            return folder / name
    raise PhotoError(f"No photo of this clip at {folder / stem_of(id)}.* ({', '.join(PHOTOS)}).")
