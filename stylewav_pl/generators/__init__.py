"""Frozen networks from latent to image, and the one function that loads them."""

from pathlib import Path

import torch

from stylewav_pl.generators.base import Generator, Noise, Styles
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.generators.stylegan2 import StyleGAN2
from stylewav_pl.types import WeightsError
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import WeightFile, read_weights

__all__ = ["Generator", "LinearGenerator", "Noise", "StyleGAN2", "Styles", "load_generator"]


def load_generator(source: str | Path, device: torch.device | str = "cpu") -> Generator:
    """Loads a generator, frozen and in evaluation mode.

    Args:
        source: A registry name such as ``pocket``, the path of a weight file, or ``linear`` for the untrained test double.
        device: Where the network shall live.

    Raises:
        WeightsError: There is no such name or file, or the file holds something else.
    """
    generator = LinearGenerator() if source == LinearGenerator.architecture else _built(read_weights(resolve(source, "generator"), "generator"))
    return generator.to(device).eval().requires_grad_(False)


def _built(file: WeightFile) -> Generator:
    if file.architecture != StyleGAN2.architecture:
        raise WeightsError(
            f"{file.path} holds a generator of architecture {file.architecture!r}; this version knows {StyleGAN2.architecture!r}. Upgrade it."
        )
    try:
        generator = StyleGAN2.from_config(file.config)
        generator.load_state_dict(dict(file.tensors))
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{file.path} is damaged: its configuration and tensors do not make one StyleGAN2 ({error}). Fetch it again.") from error
    return generator
