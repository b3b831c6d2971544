"""Pictures and sounds as data URIs, small enough that a page holds hundreds of them."""

import base64
import io
from collections.abc import Iterable
from contextlib import suppress

import soundfile
from jaxtyping import Float
from numpy import ndarray
from PIL import Image

from stylewav_pl.pictures.grid import frames_of
from stylewav_pl.pictures.images import load_face
from stylewav_pl.pictures.sheets import read_tile
from stylewav_pl.runs.damage import DamageError
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.stores import STRIP

THUMBNAIL_PIXELS = 128
LONGEST_SECONDS = 8
# what PIL raises for files that are no images, stores for what they lack, and a run that knows something to
# be damaged, which it keeps in mind
UNREADABLE = (OSError, SyntaxError, ValueError, DamageError)


def face_uri(run: FinishedRun, id: str, pixels: int = THUMBNAIL_PIXELS) -> str | None:
    """The thumbnail of a clip's image, None where it is missing or damaged."""
    face = load_face(run, id)
    return None if face is None else picture_uri(face, pixels)


def start_uris(run: FinishedRun, wanted: Iterable[str]) -> dict[str, str]:
    """The thumbnails of the start images of some clips, those that were recorded.

    Sheets without any of them are not opened.
    """
    missing, found = set(wanted), dict[str, str]()
    for cohort, embeddings in run.embeddings():
        here = [(index, id) for index, id in enumerate(embeddings.ids) if id in missing]
        with suppress(*UNREADABLE):
            if here and (data := run.start_sheet(cohort)):
                with Image.open(io.BytesIO(data)) as sheet:
                    found |= {id: picture_uri(read_tile(sheet, index)) for index, id in here}
    return found


def strip_uris(run: FinishedRun, id: str) -> list[str]:
    """The frames of a clip's strip, from the start to the final image; none where there is no strip."""
    with suppress(*UNREADABLE), Image.open(io.BytesIO(run.read(id, STRIP))) as drawn:
        return [picture_uri(frame) for frame in frames_of(drawn.convert("RGB"))]
    return []


def picture_uri(picture: Image.Image, pixels: int = THUMBNAIL_PIXELS) -> str:
    """A JPEG of at most so many pixels in height and width."""
    small = picture.convert("RGB")
    small.thumbnail((pixels, pixels), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=85)
    return _uri("image/jpeg", buffer.getvalue())


def sound_uri(waveform: Float[ndarray, " time"], sample_rate: int) -> str:
    """A mono MP3 of about 3 kB per second, which every browser plays; the first 8 seconds of longer sounds.

    Args:
        waveform: In [-1, 1].
        sample_rate: In Hz, one that MP3 knows: 8 to 48 kHz.
    """
    buffer = io.BytesIO()
    sound = waveform[: LONGEST_SECONDS * sample_rate]
    soundfile.write(
        buffer,
        sound,
        sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=0.9,
    )
    return _uri("audio/mpeg", buffer.getvalue())


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
