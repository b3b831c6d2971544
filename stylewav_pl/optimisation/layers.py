"""Which layers of a latent may move: ranges of w vectors, or styles by name."""

import re
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.latents import LatentSpace, S, WPlus, style_sizes

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def held_entries(
    layers: Sequence[str] | None, space: LatentSpace, generator: Generator
) -> Bool[Tensor, "*latent"] | None:
    """Returns which entries of a latent stay as they start.

    Args:
        layers: What may move: ``3`` and ``0-7`` are w vectors from coarse to fine (of S the styles that
            follow them), ``conv3`` and ``to_rgb2`` single styles; ``None``: all that the space lets move.
        space: Of the latents.
        generator: Whose layers they are.

    Raises:
        ConfigError: There are no such layers, or the space has one vector for all.
    """
    held = space.held(generator)
    if layers is None:
        return held
    if not isinstance(space, WPlus | S):
        raise ConfigError(
            f"model.layers chooses among layers, and in {space.name} one vector is for all of them. Set "
            "model.latent_space to WPlus or S, or remove the layers."
        )
    known = layer_names(space, generator)
    moving = [index for layer in layers for index in _indices(layer, known, generator)]
    if not moving:
        raise ConfigError("Expected at least one layer in model.layers, found none: nothing would move.")
    mask = torch.ones(len(known), dtype=torch.bool)
    mask[moving] = False
    entries = entries_of_parts(mask, space, generator).to(generator.w_mean.device)
    if held is not None:
        entries = entries | held
    if entries.all():
        raise ConfigError(
            f"model.layers names {', '.join(layers)}, which model.latent_space holds still: nothing would "
            "move. Name others."
        )
    return entries.clone()


def entries_of_parts(
    mask: Bool[Tensor, " part"], space: LatentSpace, generator: Generator
) -> Bool[Tensor, "*latent"]:
    """Returns for each entry of a latent what ``mask`` says of its part, see :func:`layer_names`."""
    if isinstance(space, WPlus):
        return mask[:, None].expand(-1, generator.w_dim)
    return mask.repeat_interleave(torch.tensor(style_sizes(generator)))


def part_sizes(space: LatentSpace, generator: Generator) -> list[int]:
    """Returns how many entries each part of a latent has, in order."""
    if isinstance(space, WPlus):
        return [generator.w_dim] * generator.num_ws
    return style_sizes(generator)


def layer_names(space: LatentSpace, generator: Generator) -> list[str]:
    """Returns the names of the parts of a latent, in order.

    They are ``0`` ... for W+, ``conv1``, ``to_rgb1`` ... for S.
    """
    if isinstance(space, WPlus):
        return [str(row) for row in range(generator.num_ws)]
    counts = {"conv": 0, "to_rgb": 0}
    names = []
    for layer in generator.style_layers:
        kind = "to_rgb" if layer.to_rgb else "conv"
        counts[kind] += 1
        names.append(f"{kind}{counts[kind]}")
    return names


def _indices(layer: str, known: Sequence[str], generator: Generator) -> Iterator[int]:
    """The parts that one entry of ``model.layers`` means."""
    layer = str(layer).strip()
    found = _RANGE.fullmatch(layer)
    if not found and layer in known:
        yield known.index(layer)
        return
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not first <= last < generator.num_ws:
        names = "" if known[0] == "0" else f", or styles such as {known[0]} and {known[-1]}"
        raise ConfigError(
            f"Expected layers of model.layers from 0 to {generator.num_ws - 1}, such as 3 or 0-7{names}; "
            f"found {layer!r}. Correct it."
        )
    if known[0] == "0":
        yield from range(first, last + 1)
    else:
        rows = [style.ws_index for style in generator.style_layers]
        yield from (index for index, row in enumerate(rows) if first <= row <= last)
