"""A film from one kept face to another."""

import base64

import torch
from PIL import Image

from stylewav_pl.errors import ConfigError
from stylewav_pl.face import Face
from stylewav_pl.face.defaults import SPACES
from stylewav_pl.face.networks import Networks
from stylewav_pl.pictures.images import to_picture
from stylewav_pl.pictures.video import encode_video, suffix_of
from stylewav_pl.studio.markup import Download

FRAMES = 36
AT_ONCE = 4
MEDIA = {"mp4": "video/mp4", "webp": "image/webp"}


@torch.no_grad()
def on_the_way(networks: Networks, first: Face, last: Face, frames: int = FRAMES) -> list[Image.Image]:
    """Returns pictures along the straight line between two latents, its ends included.

    Args:
        networks: Those that made both.
        first: Where it begins.
        last: Where it ends.
        frames: How many pictures, at least 2.

    Raises:
        ConfigError: The latents are of different kinds.
    """
    if first.about != last.about:
        raise ConfigError("The two faces were made by different networks. Keep two of the same.")
    generator = networks.generator
    space = next(kind for kind in SPACES.values() if kind.name == first.about["space"])()
    begin, end = (one.latent.to(generator.w_mean.device) for one in (first, last))
    latents = torch.stack([torch.lerp(begin, end, index / (frames - 1)) for index in range(frames)])
    pictures = []
    for part in torch.split(latents, AT_ONCE):
        images = generator.synthesize(space.expand(part, generator))
        pictures += [to_picture(image) for image in images]
    return pictures


def morph_html(networks: Networks, first: Face, last: Face) -> str:
    """Returns a film there and back, with a link that saves it."""
    way = on_the_way(networks, first, last)
    suffix = suffix_of("auto")
    data = encode_video([*way, *reversed(way)], suffix, f"{first.id}--{last.id}", first.seed)
    address = f"data:{MEDIA[suffix]};base64,{base64.b64encode(data).decode()}"
    words = "The way from one kept face to the other"
    shown = (
        f'<video src="{address}" aria-label="{words}" autoplay loop muted playsinline></video>'
        if suffix == "mp4"
        else f'<img src="{address}" alt="{words}">'
    )
    link = Download("film", f"morph.{suffix}", MEDIA[suffix], data).html()
    caption = f'<figcaption>{words}<span class="save">Save: {link}</span></figcaption>'
    return f'<figure class="morph">{shown}{caption}</figure>'
