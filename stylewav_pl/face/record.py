"""A finished face."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from stylewav_pl.callbacks.writer import latent_file
from stylewav_pl.errors import OutputError
from stylewav_pl.files import SCRATCH, write_json
from stylewav_pl.pictures.grid import strip
from stylewav_pl.pictures.images import encode, readable
from stylewav_pl.runs.stores import IMAGE, LATENT, RECORD, STRIP, FileStore, Member, Output
from stylewav_pl.types import as_path

OUTPUT = Output()


@dataclass(frozen=True, eq=False)
class Face:
    """What one voice gave. Not a portrait: this is not the speaker's face.

    Attributes:
        image: RGB.
        latent: Of the space that was optimised, without a clip axis, in main memory.
        curve: Cosine similarity to what was heard, before each step and at the end.
        frames: Images on the way, by step.
        scores: Cosine of the image with each text of ``prompts``, by text.
        id: Name of the recording; of several faces of one voice the first is ``name#1``.
        path: Where the recording lies; empty for one that was given as numbers.
        seed: Decided everything random about this face.
        about: What a reader of the latent needs to know: its space, and the generator's hash.
        tuning: The change of the generator that belongs to the latent; none: the generator's own.
    """

    image: Image.Image
    latent: Float[Tensor, "*latent"]
    curve: tuple[float, ...]
    frames: Mapping[int, Image.Image]
    scores: Mapping[str, float]
    id: str
    path: str
    seed: int
    about: Mapping[str, str] = field(default_factory=dict)
    tuning: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def similarity(self) -> float:
        """Cosine of the image with what was heard."""
        return self.curve[-1]

    def save(self, folder: str | Path) -> Path:
        """Writes image, latent, strip (where there are frames) and the numbers, in folders of these names.

        Images, latents and strips are those that the command writes.

        Args:
            folder: Made if it is not there; files of the same face are replaced.

        Returns:
            The image's path.

        Raises:
            OutputError: It cannot be written.
        """
        root = as_path(folder)
        store = FileStore(root, OUTPUT, lambda id: 0)
        try:
            root.mkdir(parents=True, exist_ok=True)
            with ThreadPoolExecutor(1) as pool:
                store.write(0, list(self._members()), pool)
            record = root / store.place(self.id, RECORD)
            record.parent.mkdir(exist_ok=True)
            write_json(record, self.numbers)
            with suppress(OSError):  # somebody else writes there, too
                (root / SCRATCH).rmdir()
        except OSError as error:
            raise OutputError(root, error) from error
        return store.path(self.id, IMAGE)

    @property
    def numbers(self) -> dict[str, object]:
        """What can be said without pictures."""
        return {
            "id": readable(self.id),
            "path": readable(self.path),
            "seed": self.seed,
            "similarity": self.similarity,
            "curve": list(self.curve),
            "scores": dict(self.scores),
        }

    def _members(self) -> Iterator[Member]:
        yield Member(self.id, IMAGE, encode(self.image, OUTPUT.image, self.id, self.seed))
        yield Member(self.id, LATENT, latent_file(self.latent, self.id, self.about, self.tuning))
        if self.frames:
            drawn = strip(list(self.frames.values()), tuple(self.frames))
            yield Member(self.id, STRIP, encode(drawn, "png", self.id, self.seed))
