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
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from stylewav_pl.runs.files import write_whole
from stylewav_pl.types import RunDirectoryError


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


def write_embeddings(path: Path, embeddings: CohortEmbeddings) -> None:
    """Writes the file of one cohort, whole or not at all."""
    tensors = {"targets": embeddings.targets, "images": embeddings.images}
    _write(
        path, tensors, json.dumps(embeddings.ids)
    )  # ASCII: names of files may hold bytes that are no UTF-8


def read_embeddings(path: Path) -> CohortEmbeddings:
    """The inverse of :func:`write_embeddings`.

    Raises:
        RunDirectoryError: The file is damaged.
    """
    names, tensors = _read(path)
    return CohortEmbeddings(tuple(names), tensors["targets"], tensors["images"])


def all_embeddings(run_directory: Path) -> Iterator[tuple[int, CohortEmbeddings]]:
    """Index and embeddings of each cohort that recorded any, one at a time."""
    for path in sorted((run_directory / "journal").glob("cohort-*.safetensors")):
        yield int(path.stem.removeprefix("cohort-")), read_embeddings(path)


def write_prompts(path: Path, prompts: Mapping[str, Float[np.ndarray, " embed"]]) -> None:
    """Writes the prompts in the guide's space, unit norm; none: an earlier file is removed."""
    if prompts:
        _write(path, {"prompts": np.stack(list(prompts.values()))}, json.dumps(list(prompts)))
    else:
        path.unlink(missing_ok=True)


def read_prompts(path: Path) -> dict[str, Float[np.ndarray, " embed"]]:
    """The inverse of :func:`write_prompts`; empty without a file."""
    if not path.is_file():
        return {}
    names, tensors = _read(path)
    return dict(zip(names, tensors["prompts"], strict=True))


def _write(path: Path, tensors: dict[str, np.ndarray], names: str) -> None:
    data = save(
        {name: np.ascontiguousarray(tensor, dtype=np.float32) for name, tensor in tensors.items()},
        metadata={"names": names},
    )
    write_whole(path, lambda file: file.write(data))


def _read(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    try:
        with safe_open(path, framework="numpy") as file:
            vectors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            return json.loads(file.metadata()["names"]), vectors
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(
            f"Expected embeddings with the names of their rows in {path}, found something else ({error}). "
            "Delete it."
        ) from error
