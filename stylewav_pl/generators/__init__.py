"""Frozen networks from latent to image, and the one function that loads them."""

from stylewav_pl.generators.base import Generator, Noise, Styles
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.generators.loading import load_generator
from stylewav_pl.generators.stylegan import StyleGAN
from stylewav_pl.generators.stylegan2 import StyleGAN2
from stylewav_pl.generators.stylegan3 import StyleGAN3
from stylewav_pl.generators.stylegan3_placed import PlacedStyleGAN3
from stylewav_pl.generators.vqgan import VQGAN

__all__ = [
    "VQGAN",
    "Generator",
    "LinearGenerator",
    "Noise",
    "PlacedStyleGAN3",
    "StyleGAN",
    "StyleGAN2",
    "StyleGAN3",
    "Styles",
    "load_generator",
]
