"""Where the faces of a visitor begin: at the prior's answer, at samples, at the mean, at an earlier face."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stylewav_pl.callbacks.writer import latent_file
from stylewav_pl.errors import ConfigError
from stylewav_pl.face import Face
from stylewav_pl.face.defaults import PRIOR_START, SPACES
from stylewav_pl.optimisation.latent_files import read_latent
from stylewav_pl.optimisation.start import Start

MEAN, SAMPLES, PHOTO, KEPT, SAVED = "mean", "samples", "photo", "kept", "saved"
PLACES = {
    "where the prior puts the voice": PRIOR_START,
    "at random faces": SAMPLES,
    "at the mean face": MEAN,
    "at my photo": PHOTO,
    "at a face that I kept": KEPT,
    "at a latent that I saved": SAVED,
}
MISSING = {
    PHOTO: "There is no photo yet. Add one, or begin elsewhere.",
    KEPT: "No face was kept yet. Keep one, or begin elsewhere.",
    SAVED: "There is no latent yet. Add the file, or begin elsewhere.",
}
SPACE_NAMES = {kind.name: name for name, kind in SPACES.items()}


@dataclass(frozen=True)
class Beginning:
    """Where faces begin.

    Attributes:
        place: One of the values of :data:`PLACES`.
        face: An earlier face, or the one that a photo gave; for ``kept`` and ``photo``.
        file: A latent that was saved; for ``saved``.
    """

    place: str = PRIOR_START
    face: Face | None = None
    file: str | None = None

    @property
    def is_one_place(self) -> bool:
        """Whether every face would begin at the same latent, so that a second one would be the same."""
        return self.place not in (PRIOR_START, SAMPLES)

    @property
    def is_earlier_face(self) -> bool:
        """Whether they begin at a face that is there, or at a photo's."""
        return self.place in MISSING

    @contextmanager
    def asked(self) -> Iterator[dict[str, Any]]:
        """Gives what the Python call takes; a file that it needs is there until the end.

        Raises:
            ConfigError: There is no photo, no face was kept, or no file given.
            WeightsError: The file holds no latent.
        """
        if self.place == PRIOR_START:
            yield {}  # as the call does it, with words and without
        elif not self.is_earlier_face:
            yield {"start": self.place}
        elif self.place == SAVED and self.file is not None:
            yield starting_at(self.file, read_latent(Path(self.file)).about)
        elif self.place != SAVED and self.face is not None:
            with TemporaryDirectory() as folder:
                path = Path(folder) / "latent.safetensors"
                path.write_bytes(
                    latent_file(self.face.latent, self.face.id, dict(self.face.about), self.face.tuning)
                )
                yield starting_at(str(path), self.face.about)
        else:
            raise ConfigError(MISSING[self.place])


def starting_at(path: str, about: Mapping[str, str]) -> dict[str, Any]:
    """Returns a start at a latent, in the space that it is from; W where it does not say."""
    space = SPACE_NAMES.get(about.get("space", ""), "W")
    return {"start": Start(latent=path), "latent_space": space}
