"""Names of weights: from ``pocket`` to the file that holds them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from stylewav_pl.types import WeightsError, as_path


@dataclass(frozen=True)
class Entry(ABC):
    """One named weight file; a member says where its file lies (package data, a download ...).

    Attributes:
        name: What the user writes.
        kind: ``generator``, ``image_text`` or ``audio``; a name may exist once for each kind.
        licence: SPDX identifier, or the licence's own name.
        summary: One line for listings.
    """

    name: str
    kind: str
    licence: str
    summary: str

    @abstractmethod
    def locate(self) -> Path:
        """The file on disk.

        Raises:
            WeightsError: It cannot be had; the message says what to do.
        """


@dataclass(frozen=True)
class PackagedWeights(Entry):
    """Weights that ship inside the package; ``file`` is relative to it."""

    file: str

    def locate(self) -> Path:
        """See :meth:`Entry.locate`."""
        path = Path(str(resources.files("stylewav_pl") / self.file))
        if not path.is_file():
            raise WeightsError(f"The packaged weights {self.name!r} ({self.kind}) are missing: expected {path}. Install stylewav-pl again.")
        return path


ENTRIES: tuple[Entry, ...] = (
    PackagedWeights("pocket", "generator", "MIT", "StyleGAN2 of cartoon faces, 64 px", "pocket/weights/generator.safetensors"),
    PackagedWeights("pocket", "image_text", "MIT", "CLIP of cartoon faces and their captions", "pocket/weights/clip.safetensors"),
    PackagedWeights("pocket", "audio", "MIT", "Wav2CLIP-style encoder of voices", "pocket/weights/audio.safetensors"),
)


def resolve(source: str | Path, kind: str) -> Path:
    """Finds the weight file that ``source`` means.

    A registry name comes first; write ``./pocket`` for a file of that name.

    Args:
        source: A registry name or the path of a file.
        kind: ``generator``, ``image_text`` or ``audio``.

    Raises:
        WeightsError: ``source`` is neither a name of this kind nor an existing file.
    """
    named = {entry.name: entry for entry in ENTRIES if entry.kind == kind}
    if isinstance(source, str) and source in named:
        return named[source].locate()
    path = as_path(source)
    if path.is_file():
        return path
    names = ", ".join(sorted(named)) or "there is none"
    found = f"the folder {source}" if path.is_dir() else f"{str(source)!r}, which is neither"
    raise WeightsError(f"Expected a weight name of kind {kind!r} ({names}) or the path of an existing file; found {found}.")
