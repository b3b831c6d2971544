"""Where the faces of a visitor begin: at the prior's answer, the mean, samples, a photo, an earlier face."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from stylewav_pl.callbacks.writer import latent_file
from stylewav_pl.errors import ConfigError
from stylewav_pl.face import Face
from stylewav_pl.optimisation.start import Start

USUAL, MEAN, SAMPLES, PHOTO, KEPT = "usual", "mean", "samples", "photo", "kept"
PLACES = {
    "Nearly right at once": USUAL,
    "Mean face": MEAN,
    "Random faces near it": SAMPLES,
    "My photo": PHOTO,
    "The face kept last": KEPT,
}


@dataclass(frozen=True)
class Beginning:
    """Where faces begin.

    Attributes:
        place: One of :data:`PLACES`.
        photo: A picture file; for ``photo``.
        face: An earlier face; for ``kept``.
    """

    place: str = USUAL
    photo: str | None = None
    face: Face | None = None

    @property
    def is_one_place(self) -> bool:
        """Whether every face would begin at the same latent, so that a second one would be the same."""
        return self.place in (MEAN, PHOTO, KEPT)

    @contextmanager
    def start(self) -> Iterator[str | Start | None]:
        """Gives what the Python call takes; a file that it needs is there until the end.

        Raises:
            ConfigError: There is no photo, or no face was kept.
        """
        if self.place == PHOTO and self.photo is None:
            raise ConfigError("There is no photo yet. Add one, or begin elsewhere.")
        if self.place == KEPT and self.face is None:
            raise ConfigError("No face was kept yet. Keep one, or begin elsewhere.")
        if self.photo is not None and self.place == PHOTO:
            yield Start(photo=self.photo)
        elif self.face is not None and self.place == KEPT:
            with TemporaryDirectory() as folder:
                path = Path(folder) / "latent.safetensors"
                path.write_bytes(latent_file(self.face.latent, self.face.id, dict(self.face.about)))
                yield Start(latent=str(path))
        else:
            yield None if self.place == USUAL else self.place
