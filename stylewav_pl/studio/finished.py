"""A finished face on the page, with everything that can be saved of it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from stylewav_pl.callbacks.writer import latent_file
from stylewav_pl.face import Face
from stylewav_pl.pictures.images import encode
from stylewav_pl.pictures.video import encode_video, suffix_of
from stylewav_pl.studio.markup import Download, Tile

MEDIA = {"mp4": "video/mp4", "webp": "image/webp"}
FRAMES_EACH, FRAMES_LAST = 6, 36  # a quarter of a second for each picture, and time to look at the last one


def finished_tiles(faces: Sequence[Face], may_be_kept: bool) -> list[Tile]:
    """Returns faces with links to save picture, film and latent.

    Args:
        faces: Finished ones.
        may_be_kept: Whether there are buttons to keep them and to go on from them.
    """
    with ThreadPoolExecutor(max(1, len(faces))) as pool:  # films are made by processes of their own
        return list(pool.map(partial(_finished_tile, may_be_kept), faces))


def _finished_tile(may_be_kept: bool, face: Face) -> Tile:
    name = face.id.replace("#", "-").rpartition("/")[2]
    suffix = suffix_of("auto")
    latent = latent_file(face.latent, face.id, dict(face.about), face.tuning)
    links = [
        Download("picture", f"{name}.png", "image/png", encode(face.image, "png", face.id, face.seed)),
        Download("film", f"{name}.{suffix}", MEDIA[suffix], _film(face, suffix)),
        Download("latent", f"{name}.safetensors", "application/octet-stream", latent),
    ]
    return Tile(face.image, f"similarity {face.similarity:.2f}", links, may_be_kept)


def _film(face: Face, suffix: str) -> bytes:
    """Returns the way from the start to the face."""
    frames = [frame for frame in face.frames.values() for _ in range(FRAMES_EACH)]
    return encode_video([*frames, *[face.image] * FRAMES_LAST], suffix, face.id, face.seed)
