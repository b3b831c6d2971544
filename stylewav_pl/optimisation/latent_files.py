"""Latents from files as starts: this project's own, StyleCLIP's and e4e's, NVIDIA's projector's, StyleMC's.

Nothing that such a file holds is ever run.
"""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.latents import Codes, LatentSpace, S, W, WPlus, style_sizes
from stylewav_pl.optimisation.tuning import delta_in, is_part
from stylewav_pl.weights.contents import is_safetensors, read_contents
from stylewav_pl.weights.state_dict import read_state_dict

SUFFIXES = (".safetensors", ".pt", ".pth", ".npz", ".npy")
MOST_BYTES = 64 << 20  # a latent of the largest published generators takes 40 kB
MOST_TUNED_BYTES = 256 << 20  # a full change of their convolutions takes 100 MB
SAME = 1e-5  # rows of W+ that differ by less are one w


@dataclass(frozen=True)
class StoredLatent:
    """What a file holds.

    Attributes:
        path: The file.
        values: As it lies there.
        about: What the file says about it; empty in the formats of others.
        tuning: The change of the generator that belongs to it, see :mod:`.tuning`; empty: none.
    """

    path: Path
    values: Tensor
    about: dict[str, str]
    tuning: dict[str, Tensor] = field(default_factory=dict)


def read_latent(path: Path) -> StoredLatent:
    """Reads a latent, told from the content of its file.

    Args:
        path: Safetensors with a tensor ``latent``; ``.npz`` with ``w`` (NVIDIA's ``projected_w.npz``, [1,
            layer, width]) or ``s`` (StyleMC); ``.npy``; or a tensor as PyTorch saves it (e4e: [1, layer,
            width]).

    Raises:
        WeightsError: The file is missing, damaged, too large for one latent, or holds none.
    """
    if not path.is_file():
        raise WeightsError(
            f"Expected the file of a latent at {path}, found nothing. Correct model.start.latent."
        )
    about: dict[str, str] = {}
    tuning: dict[str, Tensor] = {}
    may_be_tuned = is_safetensors(path)
    most = MOST_TUNED_BYTES if may_be_tuned else MOST_BYTES
    if path.stat().st_size > most:
        raise WeightsError(f"{path} is larger than a latent can be ({most >> 20} MiB).")
    if may_be_tuned:
        values, about, tuning = _from_safetensors(path)
    elif _is_numpy(path):
        values = _from_numpy(path)
    else:
        values = _the_tensor(path, read_contents(path))
    values = values.detach().float().clone()
    if values.numel() == 0 or not values.isfinite().all():
        raise WeightsError(f"{path} holds numbers that are not finite, or none. Make it again.")
    return StoredLatent(path, values, about, tuning)


def has_tuning(path: Path) -> bool:
    """Tells whether a file holds the change of a generator, too; only its head is read.

    Raises:
        WeightsError: The file is damaged.
    """
    if not is_safetensors(path):
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return any(is_part(name) for name in file.keys())  # noqa: SIM118 - a file, not a dictionary
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: SafetensorError) -> WeightsError:
    return WeightsError(f"{path} is damaged ({one_line(error)}). Make it again.")


def _from_safetensors(path: Path) -> tuple[Tensor, dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
    except SafetensorError as error:
        raise _damaged(path, error) from error
    tensors = read_state_dict(path)
    return _the_tensor(path, tensors), about, delta_in(tensors)


def _is_numpy(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(6)
    if start == b"\x93NUMPY":
        return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(name.endswith(".npy") for name in archive.namelist())


def _from_numpy(path: Path) -> Tensor:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                    raise ValueError(f"it unpacks to more than {MOST_BYTES >> 20} MiB")
        loaded: Any = np.load(path, allow_pickle=False)
        found = {name: loaded[name] for name in loaded.files} if hasattr(loaded, "files") else {"w": loaded}
        return _the_tensor(path, {name: torch.from_numpy(array) for name, array in found.items()})
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path} cannot be read as NumPy's file of a latent: {one_line(error)}."
        ) from error


def _the_tensor(path: Path, content: Any) -> Tensor:
    """The latent in what a file holds: the tensor itself, or the one of a known name.

    Raises:
        WeightsError: There is none.
    """
    if isinstance(content, Tensor):
        return content
    named = content if isinstance(content, dict) else {}
    for name in ("latent", "w", "s", "latents"):
        if isinstance(named.get(name), Tensor):
            found: Tensor = named[name]
            return found
    raise WeightsError(
        f"{path} holds no latent: expected a tensor, alone or called latent, w or s; found "
        f"{', '.join(map(str, list(named)[:5])) or type(content).__name__}."
    )


def as_latent(
    stored: StoredLatent, space: LatentSpace, generator: Generator, generator_sha256: str | None = None
) -> Float[Tensor, "*latent"]:
    """Returns a stored latent as one of the space that is optimised, without a clip axis.

    Args:
        stored: W, W+ or S, with or without a clip axis of one.
        space: A W becomes any; a W+ itself or S, or W where its rows are the same; an S only itself.
        generator: Whose latent it should be.
        generator_sha256: Of its file, where it has one.

    Raises:
        WeightsError: It is another generator's, or cannot be one of this space.
    """
    made_for = stored.about.get("generator_sha256", "")
    if made_for and generator_sha256 and made_for != generator_sha256:
        raise WeightsError(
            f"{stored.path} is a latent of another generator: expected SHA-256 {generator_sha256[:12]}, "
            f"found {made_for[:12]}. Take one of this generator, or name that one."
        )
    values = stored.values.to(generator.w_mean)
    while values.ndim > 1 and values.shape[0] == 1 and values.shape != (generator.num_ws, generator.w_dim):
        values = values[0]
    if isinstance(space, Codes) and values.shape == space.start(generator).shape:
        return values
    if values.shape == (generator.w_dim,):
        return space.from_w(values[None], generator)[0]
    if values.shape == (generator.num_ws, generator.w_dim):
        return _from_w_plus(stored, values, space, generator)
    if values.shape == (sum(style_sizes(generator)),):
        if isinstance(space, S):
            return values
        raise _other_space(stored, "S", "S", space)
    raise WeightsError(
        f"{stored.path} holds a tensor {list(stored.values.shape)}, which is no latent of this generator: "
        f"expected W [{generator.w_dim}], W+ [{generator.num_ws}, {generator.w_dim}] or S "
        f"[{sum(style_sizes(generator))}]."
    )


def _from_w_plus(
    stored: StoredLatent, values: Float[Tensor, "layer width"], space: LatentSpace, generator: Generator
) -> Float[Tensor, "*latent"]:
    if isinstance(space, WPlus | S):
        return space.from_w_plus(values[None], generator)[0]
    if isinstance(space, W) and (values - values[:1]).abs().max() < SAME:
        return values[0]
    raise _other_space(stored, "W+", "WPlus or S", space)


def _other_space(stored: StoredLatent, found: str, needed: str, space: LatentSpace) -> WeightsError:
    return WeightsError(
        f"{stored.path} holds a latent of {found}, which {type(space).__name__} cannot hold. Set "
        f"model.latent_space to {needed}."
    )
