"""The work behind the studio's page: hears a voice and lets faces grow, by the one Python call."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from threading import Thread
from threading import enumerate as all_threads
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Int16
from PIL import Image

from stylewav_pl.callbacks.writer import latent_file
from stylewav_pl.data.audio import decode
from stylewav_pl.face import Face, generate
from stylewav_pl.face.defaults import defaults, suits_prior
from stylewav_pl.face.networks import Networks
from stylewav_pl.face.settings import Asked, prepare
from stylewav_pl.pictures.images import IMAGE_NOTICE, encode
from stylewav_pl.pocket.voices import Speaker, held_out_children, held_out_speakers, speak
from stylewav_pl.studio.beginning import USUAL, Beginning
from stylewav_pl.studio.hearing import Answer, hear
from stylewav_pl.studio.markup import Download, Tile, faces_html
from stylewav_pl.studio.morph import morph_html

RATE = 16_000
BUILTIN_SECONDS = 4.0
FRAME_MILLISECONDS = 120
PRIOR_STEPS = 8  # more to see than the four of `generate`
CONTROLS = 20  # voices among which a control is drawn
THREAD = "studio"
CONTROL_TITLE = "Control: the same starts, led by the voice of somebody else"


@dataclass(frozen=True)
class Settings:
    """What a visitor asks for.

    Attributes:
        count: Faces, at least 1.
        steps: Optimisation steps; ``None``: as many as this beginning and these words need.
        seed: Decides everything random.
        control: Also faces led by another voice.
        beginning: Where faces begin.
        words: What they should show beside the voice; empty: nothing.
        weight: How strongly, beside the voice's 1.
        negative: What they should not show; empty: nothing.
    """

    count: int
    steps: int | None
    seed: int
    control: bool = False
    beginning: Beginning = field(default_factory=Beginning)
    words: str = ""
    weight: float = 1.0
    negative: str = ""

    @property
    def faces(self) -> int:
        """How many there are: one where all would begin at the same place."""
        return 1 if self.beginning.is_one_place else self.count

    @property
    def texts(self) -> dict[str, Any]:
        """The words as the Python call takes them."""
        asked: dict[str, Any] = {}
        if self.words.strip():
            asked |= {"text": self.words.strip(), "text_weight": self.weight}
        if self.negative.strip():
            asked["negative"] = self.negative.strip()
        return asked


@dataclass(frozen=True)
class Shown:
    """What the page shows of faces.

    Attributes:
        own: HTML of the faces.
        other: HTML of those of the control.
        faces: The faces, once they are finished.
    """

    own: str
    other: str = ""
    faces: Sequence[Face] = ()


class Desk:
    """Makes faces for whoever visits the page; it keeps networks, and nothing of a visitor.

    Args:
        generator: Registry name or weight file; ``None``: that of the command ``generate``.
        guide: The same.
        audio_encoder: The same.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        generator: str | None = None,
        guide: str | None = None,
        audio_encoder: str | None = None,
        device: str = "auto",
    ) -> None:
        self.generator, self.guide, self.audio_encoder = generator, guide, audio_encoder
        self.device = device
        self.count = 4
        self.steps: int | None = None

    def prepare(self) -> Networks:
        """Returns the networks, loaded at the first call.

        Raises:
            ConfigError: The device is not there.
            WeightsError: A network cannot be loaded.
        """
        asked = Asked(
            steps=None,
            seed=None,
            start=None,
            generator=self.generator,
            guide=self.guide,
            audio_encoder=self.audio_encoder,
            device=self.device,
            side_by_side=None,
            model={},
        )
        return prepare(asked)[1]

    def built_in(self, name: str) -> tuple[int, Int16[np.ndarray, " time"]]:
        """Returns rate and samples of a built-in voice."""
        speakers = {one.name: one for one in (*held_out_speakers(CONTROLS // 2), *held_out_children(1))}
        return RATE, _spoken(speakers[name])

    def hear(self, path: str) -> Mapping[str, Sequence[Answer]]:
        """Returns what the encoder hears in a recording.

        Raises:
            AudioError: It cannot be used.
        """
        networks = self.prepare()
        waveform = decode(Path(path), networks.audio.sample_rate, defaults().window)
        return hear(waveform, networks.audio, networks.guide)

    def grow(self, path: str, settings: Settings) -> Iterator[Shown]:
        """Yields the faces while they grow, and then those of the control.

        Closing the iterator ends the work.

        Args:
            path: The recording.
            settings: What is asked for.

        Raises:
            AudioError: It cannot be used.
            ConfigError: Something else cannot be used, such as a photo.
        """
        shown = Shown("")
        for shown in self._growing(path, settings):
            yield shown
        if settings.control:
            with TemporaryDirectory() as folder:
                # Of the same name: the same starts.
                other = Path(folder) / Path(path).with_suffix(".wav").name
                soundfile.write(other, self._somebody_else(settings.seed), RATE)
                for control in self._growing(str(other), settings, CONTROL_TITLE):
                    yield Shown(shown.own, control.own, shown.faces)

    def morph(self, first: Face, last: Face) -> str:
        """Returns a film from one face to another as HTML.

        Raises:
            ConfigError: Different networks made them.
        """
        return morph_html(self.prepare(), first, last)

    def steps_of(self, settings: Settings) -> int:
        """Returns how many steps are taken."""
        if settings.steps is not None:
            return settings.steps
        from_prior = settings.beginning.place == USUAL and suits_prior(self.generator, self.guide, None)
        if from_prior and not settings.texts:
            return PRIOR_STEPS
        return int(defaults(from_prior, bool(settings.texts)).model["num_steps"])

    def _growing(self, path: str, settings: Settings, title: str = "") -> Iterator[Shown]:
        # tiles while they grow, faces when they are finished, or what went wrong
        pictures: Queue[list[Tile] | list[Face] | BaseException] = Queue()
        closed, steps = False, self.steps_of(settings)

        def on_step(step: int, images: list[Image.Image], similarities: list[float]) -> bool:
            captions = [f"step {step} of {steps}, similarity {one:.2f}" for one in similarities]
            pictures.put([Tile(*pair) for pair in zip(images, captions, strict=True)])
            return closed

        def work() -> None:
            try:
                with settings.beginning.start() as start:
                    found = generate(
                        path,
                        count=settings.faces,
                        steps=steps,
                        seed=settings.seed,
                        start=start,
                        device=self.device,
                        side_by_side=settings.faces,
                        on_step=on_step,
                        generator=self.generator,
                        guide=self.guide,
                        audio_encoder=self.audio_encoder,
                        **settings.texts,
                    )
                pictures.put(found if isinstance(found, list) else [found])
            except BaseException as error:  # handed to whoever waits
                pictures.put(error)

        Thread(target=work, daemon=True, name=THREAD).start()
        try:
            faces: list[Face] = []
            while not faces:
                latest = pictures.get()
                while not isinstance(latest, BaseException) and not pictures.empty():
                    latest = pictures.get()  # a page that is slow to show skips steps
                if isinstance(latest, BaseException):
                    raise latest
                faces = [one for one in latest if isinstance(one, Face)]
                tiles = [one for one in latest if isinstance(one, Tile)] or [_finished(one) for one in faces]
                yield Shown(faces_html(tiles, title), faces=faces)
        finally:
            closed = True

    def _somebody_else(self, seed: int) -> Int16[np.ndarray, " time"]:
        speakers = held_out_speakers(CONTROLS // 2)
        return _spoken(speakers[int(np.random.default_rng(seed).integers(len(speakers)))])


def threads() -> list[Thread]:
    """Returns the threads in which faces are made now."""
    return [thread for thread in all_threads() if thread.name == THREAD]


def _spoken(speaker: Speaker) -> Int16[np.ndarray, " time"]:
    """Returns what a built-in speaker says."""
    samples: Int16[np.ndarray, " time"] = (32767 * speak(speaker, 0, BUILTIN_SECONDS, RATE)).astype(np.int16)
    return samples


def _finished(face: Face) -> Tile:
    """Returns a finished face with what can be saved of it."""
    name = face.id.replace("#", "-").rpartition("/")[2]
    links = [
        Download("picture", f"{name}.png", "image/png", encode(face.image, "png", face.id, face.seed)),
        Download("animation", f"{name}.webp", "image/webp", _film(face)),
        Download(
            "latent",
            f"{name}.safetensors",
            "application/octet-stream",
            latent_file(face.latent, face.id, dict(face.about)),
        ),
    ]
    return Tile(face.image, f"similarity {face.similarity:.2f}", links)


def _film(face: Face) -> bytes:
    """Returns an animation from the start to the face."""
    frames, file = [*face.frames.values(), face.image], BytesIO()
    lasting = [FRAME_MILLISECONDS * 2] * (len(frames) - 1) + [FRAME_MILLISECONDS * 12]
    exif = Image.Exif()
    exif[0x010E] = IMAGE_NOTICE  # ImageDescription
    frames[0].save(
        file, "WEBP", save_all=True, append_images=frames[1:], duration=lasting, loop=0, quality=90, exif=exif
    )
    return file.getvalue()
