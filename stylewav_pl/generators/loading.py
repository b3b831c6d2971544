"""From a name or a file to a frozen generator."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.generators.base import Generator
from stylewav_pl.generators.formats import Published, read_published
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.generators.stylegan2 import StyleGAN2
from stylewav_pl.generators.stylegan2_names import layer_names, to_network_names, to_stored_names
from stylewav_pl.weights.registry import resolve

MEAN_SAMPLES = 10_000
"""How many w make the mean where a file has none: as many as in the projector of StyleGAN2."""

LARGEST_IMAGE = 4096
"""Pixels. Noise maps that a file lacks are made, and nothing else in a small file bounds their size."""

MEAN = "w_mean"
NOISE_MAP = ".noise_const"

logger = logging.getLogger(__name__)


def load_generator(source: str | Path, device: torch.device | str = "cpu") -> Generator:
    """Loads a generator, frozen and in evaluation mode.

    Args:
        source: A registry name such as ``pocket``, the path of a weight file in any published format
            (recognised by content, see :mod:`stylewav_pl.generators.formats`), or ``linear`` for the
            untrained test double.
        device: Where the network shall live.

    Raises:
        WeightsError: There is no such name or file, or the file holds something else.
    """
    if source == LinearGenerator.family:
        generator: Generator = LinearGenerator()
    else:
        path = resolve(source, "generator")
        generator = build(path, read_published(path))
    return generator.to(device).freeze()


def build(path: Path, published: Published) -> StyleGAN2:
    """Builds the network that a file holds.

    A mean w or noise maps that it lacks are made from a fixed seed, and said.

    Raises:
        WeightsError: See :func:`check`.
    """
    check(path, published)
    generator = StyleGAN2.from_config(published.config)
    blocks = len(generator.channels), generator.architecture
    missing = to_stored_names(generator.state_dict(), *blocks).keys() - published.tensors.keys()
    # strict in effect: check compares every name
    generator.load_state_dict(to_network_names(published.tensors, *blocks), strict=False)
    noise_maps = sorted(name for name in missing if name.endswith(NOISE_MAP))
    if noise_maps:
        logger.warning(
            "%s lacks %s of its noise maps: they were drawn from a fixed seed.", path, len(noise_maps)
        )
        _draw(generator, noise_maps)
    if MEAN in missing:
        logger.warning(
            "%s holds no mean w: it was estimated from %s samples of a fixed seed.", path, f"{MEAN_SAMPLES:,}"
        )
        generator.w_mean.copy_(estimated_mean(generator))
    return generator


def check(path: Path, published: Published) -> None:
    """Compares what a file announces with what it holds, without building the network.

    Raises:
        WeightsError: It is of another family, or configuration and tensors do not make one network of
            finite numbers.
    """
    if published.family != StyleGAN2.family:
        raise WeightsError(
            f"{path} holds a generator of the family {published.family!r}; this version knows "
            f"{StyleGAN2.family!r}. Upgrade it."
        )
    try:
        expected = _expected_shapes(published)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise WeightsError(
            f"{path} is damaged: its configuration makes no StyleGAN2 ({one_line(error)}). Fetch it again."
        ) from error
    _check_shapes(path, published.tensors, expected)
    _check_finite(path, published.tensors)


def _draw(generator: StyleGAN2, noise_maps: Sequence[str]) -> None:
    """Fills buffers, given by their names in files, with noise: the same every time."""
    random = torch.Generator().manual_seed(0)
    layers = layer_names(len(generator.channels), generator.architecture)
    for name in noise_maps:
        layer = layers[name.removesuffix(NOISE_MAP)]
        generator.get_buffer(layer + NOISE_MAP).normal_(generator=random)


def estimated_mean(generator: StyleGAN2) -> Tensor:
    """``[w_dim]``, the mean of w over :data:`MEAN_SAMPLES` z, always the same ones."""
    z = torch.randn(MEAN_SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return generator.map(z).mean(dim=0)


def _expected_shapes(published: Published) -> dict[str, torch.Size]:
    """The shapes that the configuration asks for, found without memory for the numbers."""
    layers = int(published.config["mapping_depth"]) + len(published.config["channels"])
    if layers > len(published.tensors):  # before a damaged number costs hours
        raise ValueError(f"it announces {layers:,} layers for {len(published.tensors)} tensors")
    if (resolution := max(map(int, published.config["channels"]))) > LARGEST_IMAGE:
        raise ValueError(f"it announces images of {resolution:,} px, and {LARGEST_IMAGE:,} is the limit")
    with torch.device("meta"):
        network = StyleGAN2.from_config(published.config)
    tensors = to_stored_names(network.state_dict(), len(network.channels), network.architecture)
    return {name: tensor.shape for name, tensor in tensors.items()}


def _check_shapes(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, torch.Size]) -> None:
    wrong = [
        f"{name} is missing"
        for name in expected
        if name not in tensors and name != MEAN and not name.endswith(NOISE_MAP)
    ]
    wrong += [f"{name} is unknown" for name in tensors if name not in expected]
    wrong += [
        f"{name} has the shape {list(tensor.shape)}, expected {list(expected[name])}"
        for name, tensor in tensors.items()
        if name in expected and tensor.shape != expected[name]
    ]
    if wrong:
        raise WeightsError(
            f"{path} is damaged: its configuration and tensors do not make one StyleGAN2 "
            f"({'; '.join(wrong[:3])}). Fetch it again."
        )


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise WeightsError(
            f"{path} holds numbers that are not finite, in {', '.join(broken[:5])}. Fetch it again."
        )
