"""From a name or a file to a frozen generator."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.generators.base import Generator
from stylewav_pl.generators.formats import Published, read_published
from stylewav_pl.generators.linear import LinearGenerator
from stylewav_pl.generators.stored import StoredGenerator
from stylewav_pl.generators.stylegan import StyleGAN
from stylewav_pl.generators.stylegan2 import StyleGAN2
from stylewav_pl.generators.stylegan3 import StyleGAN3
from stylewav_pl.generators.vqgan import VQGAN
from stylewav_pl.weights.registry import resolve

MEAN_SAMPLES = 10_000
"""How many w make the mean where a file has none: as many as in the projector of StyleGAN2."""

FAMILIES: Mapping[str, type[StoredGenerator]] = {
    network.family: network for network in (StyleGAN, StyleGAN2, StyleGAN3, VQGAN)
}

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


def build(path: Path, published: Published) -> StoredGenerator:
    """Builds the network that a file holds.

    A mean w or maps that it lacks are made from a fixed seed, and said.

    Raises:
        WeightsError: See :func:`check`.
    """
    family = check(path, published)
    generator = family.from_config(published.config)
    missing = generator.stored_tensors().keys() - published.tensors.keys()
    generator.load_stored(published.tensors)
    filled = sorted(name for name in missing if family.may_lack(name))
    if filled:
        logger.warning("%s %s.", path, generator.fill(filled))
    if family.mean in missing:
        logger.warning(
            "%s holds no mean w: it was estimated from %s samples of a fixed seed.", path, f"{MEAN_SAMPLES:,}"
        )
        generator.w_mean.copy_(estimated_mean(generator))
    return generator


def check(path: Path, published: Published) -> type[StoredGenerator]:
    """Compares what a file announces with what it holds, without building the network.

    Returns:
        The class of its family.

    Raises:
        WeightsError: It is of another family, or configuration and tensors do not make one network of
            finite numbers.
    """
    family = FAMILIES.get(published.family)
    if family is None:
        known = ", ".join(map(repr, FAMILIES))
        raise WeightsError(
            f"{path} holds a generator of the family {published.family!r}; this version knows {known}. "
            "Upgrade it."
        )
    try:
        expected = _expected_shapes(family, published)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise WeightsError(
            f"{path} is damaged: its configuration makes no {family.title} ({one_line(error)}). Fetch it "
            "again."
        ) from error
    _check_shapes(path, family, published.tensors, expected)
    _check_finite(path, published.tensors)
    return family


def estimated_mean(generator: Generator) -> Tensor:
    """``[w_dim]``, the mean of w over :data:`MEAN_SAMPLES` z, always the same ones."""
    z = torch.randn(MEAN_SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return generator.map(z).mean(dim=0)


def _expected_shapes(family: type[StoredGenerator], published: Published) -> dict[str, torch.Size]:
    """The shapes that the configuration asks for, found without memory for the numbers."""
    family.check_sizes(published.config, len(published.tensors))
    with torch.device("meta"):
        network = family.from_config(published.config)
    return {name: tensor.shape for name, tensor in network.stored_tensors().items()}


def _check_shapes(
    path: Path,
    family: type[StoredGenerator],
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, torch.Size],
) -> None:
    wrong = [
        f"{name} is missing"
        for name in expected
        if name not in tensors and name != family.mean and not family.may_lack(name)
    ]
    wrong += [f"{name} is unknown" for name in tensors if name not in expected]
    wrong += [
        f"{name} has the shape {list(tensor.shape)}, expected {list(expected[name])}"
        for name, tensor in tensors.items()
        if name in expected and tensor.shape != expected[name]
    ]
    if wrong:
        raise WeightsError(
            f"{path} is damaged: its configuration and tensors do not make one {family.title} "
            f"({'; '.join(wrong[:3])}). Fetch it again."
        )


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise WeightsError(
            f"{path} holds numbers that are not finite, in {', '.join(broken[:5])}. Fetch it again."
        )
