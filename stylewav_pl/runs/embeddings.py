"""What a run leaves in the guide's space: for each clip what was heard and what is seen, and the prompts.

One small file per cohort, ``journal/cohort-*.safetensors`` with ``targets`` and ``images`` and the clips' ids
in its metadata, so that a run of any size is read piece by piece; and ``journal/prompts.safetensors``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load, save

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.files import write_whole
from stylewav_pl.runs.digests import Digest, digest_of


@dataclass(frozen=True)
class CohortEmbeddings:
    """A cohort's clips in the guide's space, unit norm; row ``i`` belongs to ``ids[i]``.

    Attributes:
        ids: The clips.
        targets: What the audio encoder hears.
        images: What the guide sees in the final images.
    """

    ids: tuple[str, ...]
    targets: Float[np.ndarray, "clip embed"]
    images: Float[np.ndarray, "clip embed"]


def write_embeddings(path: Path, embeddings: CohortEmbeddings) -> Digest:
    """Writes the file of one cohort, whole or not at all."""
    tensors = {"targets": embeddings.targets, "images": embeddings.images}
    # ASCII: names of files may hold bytes that are no UTF-8
    return _write(path, tensors, json.dumps(embeddings.ids))


def read_embeddings(path: Path) -> CohortEmbeddings:
    """The inverse of :func:`write_embeddings`.

    Raises:
        RunDirectoryError: The file is damaged.
    """
    return parse_embeddings(path.read_bytes(), path)


def parse_embeddings(data: bytes, path: Path) -> CohortEmbeddings:
    """Tells what a file of one cohort holds.

    Args:
        data: The file.
        path: Its name, for people.

    Raises:
        RunDirectoryError: It is damaged.
    """
    names, (targets, images) = _parsed(data, path, "targets", "images")
    return CohortEmbeddings(tuple(names), targets, images)


def all_embeddings(run_directory: Path) -> Iterator[tuple[int, CohortEmbeddings]]:
    """Index and embeddings of each cohort that recorded any, one at a time."""
    for path in sorted((run_directory / "journal").glob("cohort-*.safetensors")):
        yield int(path.stem.removeprefix("cohort-")), read_embeddings(path)


def write_prompts(path: Path, prompts: Mapping[str, Float[np.ndarray, " embed"]]) -> Digest | None:
    """Writes the prompts in the guide's space, unit norm; none: an earlier file is removed."""
    if prompts:
        return _write(path, {"prompts": np.stack(list(prompts.values()))}, json.dumps(list(prompts)))
    path.unlink(missing_ok=True)
    return None


def read_prompts(path: Path) -> dict[str, Float[np.ndarray, " embed"]]:
    """The inverse of :func:`write_prompts`; empty without a file."""
    return parse_prompts(path.read_bytes(), path) if path.is_file() else {}


def parse_prompts(data: bytes, path: Path) -> dict[str, Float[np.ndarray, " embed"]]:
    """Tells what a file of prompts holds.

    Args:
        data: The file.
        path: Its name, for people.

    Raises:
        RunDirectoryError: It is damaged.
    """
    names, (prompts,) = _parsed(data, path, "prompts")
    return dict(zip(names, prompts, strict=True))


def _write(path: Path, tensors: dict[str, np.ndarray], names: str) -> Digest:
    data = save(
        {name: np.ascontiguousarray(tensor, dtype=np.float32) for name, tensor in tensors.items()},
        metadata={"names": names},
    )
    write_whole(path, lambda file: file.write(data))
    return digest_of(data)


def _parsed(data: bytes, path: Path, *wanted: str) -> tuple[list[str], list[np.ndarray]]:
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        names = json.loads(header["__metadata__"]["names"])
        found = [tensors[name] for name in wanted]
        if any(len(tensor) != len(names) for tensor in found):
            raise ValueError(f"{len(names)} names")
        return names, found
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunDirectoryError(
            f"Expected embeddings with the names of their rows in {path}, found something else ({error}). "
            "Delete it."
        ) from error
