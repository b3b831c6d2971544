"""A film from one kept face to another."""

import base64
from collections.abc import Sequence

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.face import Face
from stylewav_pl.face.defaults import SPACES
from stylewav_pl.face.networks import Networks
from stylewav_pl.generators.base import Generator
from stylewav_pl.pictures.images import to_picture
from stylewav_pl.pictures.video import encode_video, suffix_of
from stylewav_pl.studio.finished import MEDIA
from stylewav_pl.studio.markup import Download

FRAMES = 36
AT_ONCE = 4


@torch.no_grad()
def on_the_way(networks: Networks, first: Face, last: Face, frames: int = FRAMES) -> list[Image.Image]:
    """Returns pictures along the straight line between two faces' styles, its ends included.

    Args:
        networks: Those that made both.
        first: Where it begins.
        last: Where it ends.
        frames: How many pictures, at least 2.

    Raises:
        ConfigError: Different networks made them.
    """
    if first.about["generator_sha256"] != last.about["generator_sha256"]:
        raise ConfigError("The two faces were made by different networks. Choose two of the same.")
    generator = networks.generator
    begin, end = (styles_of(one, generator) for one in (first, last))
    pictures = []
    for shares in torch.split(torch.linspace(0, 1, frames, device=generator.w_mean.device), AT_ONCE):
        styles = [torch.lerp(one, other, shares[:, None]) for one, other in zip(begin, end, strict=True)]
        pictures += [to_picture(image) for image in generator.synthesize(styles)]
    return pictures


def styles_of(face: Face, generator: Generator) -> Sequence[Float[Tensor, "1 _"]]:
    """Returns the style vector of each layer, which a W, a W+ and an S have in common."""
    space = next(kind for kind in SPACES.values() if kind.name == face.about["space"])()
    given = space.expand(face.latent[None].to(generator.w_mean.device), generator)
    return generator.styles(given) if isinstance(given, Tensor) else given


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
    caption = f'<figcaption>{words}<span class="save">Save {link}</span></figcaption>'
    return f'<figure class="morph">{shown}{caption}</figure>'
