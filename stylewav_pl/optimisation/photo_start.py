"""Starts at photos: one for all clips, or one for each, inverted where they are first needed."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.photos import PhotoError, photo_of, read_photo
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.embedders.photo_encoder import load_photo_encoder
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.given_latents import GivenLatents, GivenStarts
from stylewav_pl.optimisation.inversion import Inversion, check_encoder, invert
from stylewav_pl.optimisation.latents import LatentSpace
from stylewav_pl.optimisation.perceptual import layers_of
from stylewav_pl.optimisation.start import Start
from stylewav_pl.optimisation.tuning import Delta, Tuning, tune
from stylewav_pl.runs.plan import clip_seed
from stylewav_pl.types import as_path


class PhotoStarts(GivenStarts):
    """Inverts photos.

    Args:
        place: A picture, which is read at once, or a folder with one for each clip: named by its id, or by
            the stem of its files in a run.
        space: What is optimised.
        generator: Renders.
        guide: Sees patches.
        settings: How; the defaults where there are none.
        seed: Of the run.
        noise: The generator's noise inputs.
        tuning: How the generator is tuned to each photo; ``None``: not at all.

    Raises:
        ConfigError: There is nothing at the place, the picture cannot be used, the guide has no patch
            features, or the encoder belongs to another generator or space.
        WeightsError: The encoder cannot be loaded.
    """

    def __init__(
        self,
        place: str,
        space: LatentSpace,
        generator: Generator,
        guide: ImageTextEmbedder,
        settings: Inversion | None = None,
        seed: int = 0,
        noise: Literal["const", "none"] = "const",
        tuning: Tuning | None = None,
    ) -> None:
        self.tuned_by, self._tunings = tuning, dict[str, Delta]()
        self.place, self.space, self.seed, self.noise = as_path(place), space, seed, noise
        self.generator, self.guide, self.settings = generator, guide, settings or Inversion()
        if self.settings.perceptual:
            layers_of(guide)
        self.encoder = None
        if self.settings.encoder is not None:
            self.encoder = load_photo_encoder(self.settings.encoder)
            check_encoder(self.encoder, space, generator)
        self.photo: Tensor | None = None
        self._found: dict[str, Tensor] = {}
        if not self.place.exists():
            raise ConfigError(
                f"Expected a photo or a folder of photos at {place}, found nothing. Correct "
                "model.start.photo."
            )
        if not self.place.is_dir():
            self.photo = read_photo(self.place, generator.resolution)

    @property
    def is_tuned(self) -> bool:
        """See :attr:`GivenStarts.is_tuned`."""
        return self.tuned_by is not None

    def prepare(self, ids: Sequence[str]) -> None:
        """See :meth:`GivenStarts.prepare`; inverts the photos of these clips, and forgets others."""
        if self.photo is not None:
            return
        photos: dict[str, Tensor] = {}
        for id in ids:
            try:
                photos[id] = self._read(id)
            except PhotoError:  # told when the clip is asked for
                continue
        self._found = dict(zip(photos, self._inverted(list(photos.values()), list(photos)), strict=True))

    def of(self, id: str) -> Float[Tensor, "*latent"]:
        """See :meth:`GivenStarts.of`.

        Raises:
            PhotoError: The clip has no photo that can be used.
        """
        name = "" if self.photo is not None else id
        if name not in self._found:
            photo = self._read(id) if self.photo is None else self.photo
            self._found[name] = self._inverted([photo], [name])[0]
        return self._found[name]

    def tuning(self, id: str) -> Delta:
        """See :meth:`GivenStarts.tuning`; a photo of all clips is tuned to once."""
        if self.tuned_by is None:
            return {}
        name = "" if self.photo is not None else id
        if name not in self._tunings:
            photo = self._read(id) if self.photo is None else self.photo
            seed = clip_seed(self.seed, f"photo:{name}")
            networks = (self.generator, self.guide, self.space, self.tuned_by, self.settings)
            self._tunings = {name: tune(self.of(id), photo, *networks, seed, self.noise)}
        return self._tunings[name]

    def _read(self, id: str) -> Float[Tensor, "3 height width"]:
        return read_photo(photo_of(self.place, id), self.generator.resolution)

    def _inverted(self, photos: Sequence[Tensor], names: Sequence[str]) -> Sequence[Tensor]:
        if not photos:
            return ()
        seeds = [clip_seed(self.seed, f"photo:{name}") for name in names]
        networks = (self.generator, self.guide)
        wanted = torch.stack(list(photos))
        found = invert(wanted, seeds, self.space, *networks, self.settings, self.noise, self.encoder)
        return list(found.latents)


def prepare_given(
    start: Start | None,
    space: LatentSpace,
    generator: Generator,
    guide: ImageTextEmbedder,
    generator_sha256: str | None,
    seed: int = 0,
    noise: Literal["const", "none"] = "const",
) -> GivenStarts | None:
    """Returns what holds the starts of a run, where they are given; ``None`` where they are not.

    Raises:
        ConfigError: There is nothing where they should be.
        WeightsError: A file holds no latent of this generator and space.
    """
    if start is None or not start.is_given:
        return None
    if start.latent is not None:
        return GivenLatents(start.latent, space, generator, generator_sha256)
    return PhotoStarts(str(start.photo), space, generator, guide, start.inversion, seed, noise, start.tuning)
