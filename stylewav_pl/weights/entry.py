"""What a named weight file is, wherever it lies."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from stylewav_pl.errors import WeightsError


@dataclass(frozen=True)
class Entry(ABC):
    """One named weight file; a member says where its file lies (package data, a download ...).

    Attributes:
        name: What the user writes.
        kind: ``generator``, ``image_text``, ``audio``, ``prior`` or ``identity``; a name may exist once for
            each kind.
        licence: SPDX identifier, or a name of :data:`stylewav_pl.weights.licences.RESTRICTED`.
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
            raise WeightsError(
                f"The packaged weights {self.name!r} ({self.kind}) are missing: expected {path}. Install "
                "stylewav-pl again."
            )
        return path
