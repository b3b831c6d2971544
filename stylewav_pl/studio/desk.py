"""The work behind the studio's page: hears a voice and lets faces grow, by the one Python call."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stylewav_pl.data.audio import decode
from stylewav_pl.face import Face, generate
from stylewav_pl.face.defaults import PRIOR_START, defaults, named_start
from stylewav_pl.face.networks import Networks
from stylewav_pl.face.settings import Asked, prepare
from stylewav_pl.optimisation.start import Start
from stylewav_pl.studio.beginning import PLACES
from stylewav_pl.studio.finished import finished_tiles
from stylewav_pl.studio.growing import OnStep, growing
from stylewav_pl.studio.hearing import Answer, hear, one_thread
from stylewav_pl.studio.markup import Tile, faces_html
from stylewav_pl.studio.morph import morph_html
from stylewav_pl.studio.settings import Settings, parts_of
from stylewav_pl.studio.voices import write_somebody_else

PRIOR_STEPS = 8  # more to see than the four of `generate`
CONTROL_TITLE = "Control: the same starts, led by the voice of somebody else"


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

    def warm_up(self) -> None:
        """Loads the networks, and makes faces that nobody sees: the first ones are slower than others.

        Where there is no prior the generator may be a large one, and its faces not worth the wait.

        Raises:
            ConfigError: The device is not there.
            WeightsError: A network cannot be loaded.
        """
        if self.prepare().prior is None:
            return
        with TemporaryDirectory() as folder:
            path = Path(folder) / "voice.wav"
            write_somebody_else(path, 0)
            self.hear(str(path))
            for _ in self.grow(str(path), Settings(self.count, 1, 0)):
                pass

    def places(self) -> dict[str, str]:
        """Returns where faces can begin, by the words of the page: without a prior not at its answer."""
        has_prior = self.prepare().prior is not None
        return {words: place for words, place in PLACES.items() if has_prior or place != PRIOR_START}

    def parts(self) -> dict[str, str | None]:
        """Returns which layers of a face may change, by the words of the page."""
        return parts_of(self.prepare().generator)

    def hear(self, path: str) -> Mapping[str, Sequence[Answer]]:
        """Returns what the encoder hears in a recording.

        Raises:
            AudioError: It cannot be used.
        """
        networks = self.prepare()
        with one_thread():
            waveform = decode(Path(path), networks.audio.sample_rate, defaults().window)
            return hear(waveform, networks.audio, networks.guide)

    def of_photo(self, path: str, photo: str) -> Face:
        """Returns the face that the generator has for a photo; about ten seconds on a processor.

        Args:
            path: A recording, which changes nothing here.
            photo: A picture.

        Raises:
            AudioError: The recording cannot be used.
            ConfigError: The photo cannot be used.
        """
        # the start of a call that ends before its first step
        at_once = Settings(1, 1, 0)
        return self._made(path, at_once, 1, lambda *_: True, start=Start(photo=photo))[0]

    def grow(
        self, path: str, settings: Settings, wants_end: Callable[[], bool] = lambda: False
    ) -> Iterator[Shown]:
        """Yields the faces while they grow, and then those of the control.

        Closing the iterator ends the work.

        Args:
            path: The recording.
            settings: What is asked for.
            wants_end: Whether the faces shall stay as they are now.

        Raises:
            AudioError: It cannot be used.
            ConfigError: Something else cannot be used.
        """
        shown = Shown("")
        for shown in self._growing(path, settings, wants_end):
            yield shown
        if settings.control and not wants_end():
            with TemporaryDirectory() as folder:
                # Of the same name: the same starts.
                other = Path(folder) / Path(path).with_suffix(".wav").name
                write_somebody_else(other, settings.seed)
                for control in self._growing(str(other), settings, wants_end, CONTROL_TITLE):
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
        from_prior = self._begins_at_prior(settings)
        if from_prior and not settings.has_words:
            return PRIOR_STEPS
        return int(defaults(from_prior, settings.has_words).model["num_steps"])

    def same_start(self, start: str | Start | None, settings: Settings) -> Start:
        """Returns a start that any voice has: at the first sample, and not at one that suits what is heard.

        Args:
            start: The one that is asked for.
            settings: What else is asked for.
        """
        if start is None:
            start = defaults(self._begins_at_prior(settings), settings.has_words).model["start"]
        return replace(named_start(start) if isinstance(start, str) else start, draws=1, candidates=1)

    def _begins_at_prior(self, settings: Settings) -> bool:
        return settings.beginning.place == PRIOR_START and self.prepare().prior is not None

    def _growing(
        self, path: str, settings: Settings, wants_end: Callable[[], bool], title: str = ""
    ) -> Iterator[Shown]:
        steps = self.steps_of(settings)
        for latest in growing(partial(self._made, path, settings, steps), steps, wants_end):
            faces = [one for one in latest if isinstance(one, Face)]
            tiles = [one for one in latest if isinstance(one, Tile)]
            yield Shown(faces_html(finished_tiles(faces, may_be_kept=not title) or tiles, title), faces=faces)

    def _made(
        self, path: str, settings: Settings, steps: int, on_step: OnStep, **more: Any
    ) -> Sequence[Face]:
        with settings.asked() as asked:
            if settings.control:
                asked["start"] = self.same_start(asked.get("start"), settings)
            found = generate(
                path,
                steps=steps,
                device=self.device,
                on_step=on_step,
                generator=self.generator,
                guide=self.guide,
                audio_encoder=self.audio_encoder,
                **{**asked, **more},
            )
        return found if isinstance(found, list) else [found]
