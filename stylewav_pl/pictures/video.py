"""Turns frames into films: mp4 by the program ffmpeg, animated WebP and GIF without it."""

import io
import shutil
import subprocess
from collections.abc import Sequence
from typing import Literal, TypeAlias

from PIL import Image

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.pictures.images import IMAGE_NOTICE, exif_metadata

VideoFormat: TypeAlias = Literal["auto", "mp4", "webp", "gif"]
FRAMES_PER_SECOND = 24


def has_ffmpeg() -> bool:
    """Tells whether the program that mp4 needs is installed."""
    return shutil.which("ffmpeg") is not None


def suffix_of(format: VideoFormat) -> Literal["mp4", "webp", "gif"]:
    """Chooses the format that is written: with ``auto`` mp4 where ffmpeg is, else webp.

    >>> suffix_of("gif")
    'gif'
    """
    if format == "auto":
        return "mp4" if has_ffmpeg() else "webp"
    return format


def encode_video(frames: Sequence[Image.Image], suffix: str, id: str, seed: int) -> bytes:
    """Encodes frames of one size as a film that says what it is.

    Args:
        frames: RGB.
        suffix: ``mp4``, ``webp`` or ``gif``.
        id: Of the clip.
        seed: Of the clip.

    Raises:
        RunDirectoryError: ffmpeg failed.
    """
    return mp4(frames) if suffix == "mp4" else animation(frames, suffix, id, seed)


def animation(frames: Sequence[Image.Image], format: str, id: str, seed: int) -> bytes:
    """Encodes an animated WebP or GIF that plays for ever.

    Args:
        frames: Of one size.
        format: ``webp`` or ``gif``.
        id: Of the clip.
        seed: Of the clip.
    """
    file = io.BytesIO()
    about = {"comment": IMAGE_NOTICE} if format == "gif" else {"exif": exif_metadata(id, seed), "quality": 90}
    duration = round(1000 / FRAMES_PER_SECOND)
    frames[0].save(
        file,
        format=format.upper(),
        save_all=True,
        append_images=list(frames[1:]),
        duration=duration,
        loop=0,
        **about,
    )
    return file.getvalue()


def mp4(frames: Sequence[Image.Image]) -> bytes:
    """Encodes H.264 by ffmpeg: the same bytes for the same frames.

    Raises:
        RunDirectoryError: ffmpeg failed.
    """
    width, height = frames[0].size
    # fmt: off
    source = [
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
        "-r", str(FRAMES_PER_SECOND), "-i", "pipe:0",
    ]
    # H.264 wants even sizes
    codec = [
        "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-pix_fmt", "yuv420p",
        "-crf", "18", "-threads", "1",
    ]
    # what is written to a pipe cannot be gone back to, so the index comes in fragments
    container = [
        "-movflags", "frag_keyframe+empty_moov", "-metadata", f"comment={IMAGE_NOTICE}",
        "-bitexact", "-f", "mp4", "pipe:1",
    ]
    # fmt: on
    data = b"".join(frame.tobytes() for frame in frames)
    made = subprocess.run(
        ["ffmpeg", "-v", "error", *source, *codec, *container], input=data, capture_output=True
    )
    if made.returncode:
        raise RunDirectoryError(
            f"ffmpeg could not make a film: {made.stderr.decode('utf-8', 'replace').strip()}. Choose "
            "--video webp."
        )
    return made.stdout


def resized(picture: Image.Image, resolution: int | None) -> Image.Image:
    """Resizes a picture to ``resolution`` squared; None leaves it as it is."""
    if resolution in (None, picture.width):
        return picture
    return picture.resize((resolution, resolution), Image.Resampling.LANCZOS)
