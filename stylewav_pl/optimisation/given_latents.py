"""Starts that are given: one latent for all clips, or one for each."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.photos import PhotoError
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.generators.base import Generator
from stylewav_pl.optimisation.latent_files import SUFFIXES, as_latent, has_tuning, read_latent
from stylewav_pl.optimisation.latents import LatentSpace
from stylewav_pl.optimisation.targets import drop_clips
from stylewav_pl.optimisation.tuning import Delta, check_delta
from stylewav_pl.runs.plan import stem_of
from stylewav_pl.types import ClipBatch, SkipReason, as_path


class GivenStarts(ABC):
    """Holds where clips begin: one latent for all of them, or one for each."""

    @abstractmethod
    def of(self, id: str) -> Float[Tensor, "*latent"]:
        """Returns the latent of a clip.

        Raises:
            WeightsError: It has none that can be used.
            PhotoError: The same.
        """

    @property
    def is_tuned(self) -> bool:
        """Whether it is known by now that each clip has a generator of its own."""
        return False

    def any_tuned(self, ids: Iterable[str]) -> bool:
        """Tells whether one of these clips has a generator of its own, without computing anything."""
        return self.is_tuned

    def tuning(self, id: str) -> Delta:
        """Returns the change of the generator that belongs to a clip's latent; empty: none.

        Raises:
            WeightsError: It is another generator's.
        """
        return {}

    def prepare(self, ids: Sequence[str]) -> None:
        """Works on what the clips of a cohort need, side by side; nothing for latents in files."""
        return

    def starts(
        self,
        batch: ClipBatch,
        targets: Float[Tensor, "cohort embed"],
        mean: Float[Tensor, "*latent"],
    ) -> tuple[ClipBatch, Float[Tensor, "cohort embed"], Float[Tensor, " cohort *latent"]]:
        """Returns where each slot's latent begins; padding is at the mean.

        Returns:
            The batch without the clips that have no latent, their targets set to zero, and the starts.
        """
        self.prepare([clip.id for clip in batch.clips])
        starts = mean.repeat(len(batch.slots), *(1 for _ in mean.shape))
        targets, refused = targets.clone(), dict[str, list[int]]()
        for slot, clip in enumerate(batch.slots):
            if clip is None:
                continue
            try:
                starts[slot] = self.of(clip.id).to(starts)
            except (WeightsError, PhotoError) as error:
                refused.setdefault(str(error), []).append(slot)
        for detail, slots in refused.items():
            targets[slots] = 0.0
            batch = drop_clips(batch, slots, SkipReason.MISSING, detail)
        return batch, targets, starts


class GivenLatents(GivenStarts):
    """Reads where clips begin.

    Args:
        place: A file, which is read at once, or a folder with a file for each clip: named by its id, or by
            the stem of its files in a run.
        space: What is optimised.
        generator: Renders.
        generator_sha256: Of its file; ``None`` where it has none.

    Raises:
        ConfigError: There is nothing at the place.
        WeightsError: The file holds no latent of this generator and space.
    """

    def __init__(
        self, place: str, space: LatentSpace, generator: Generator, generator_sha256: str | None
    ) -> None:
        self.place, self.space, self.generator, self.sha256 = (
            as_path(place),
            space,
            generator,
            generator_sha256,
        )
        self.shared: Tensor | None = None
        self._tunings: dict[Path, Delta] = {}
        if not self.place.exists():
            raise ConfigError(
                f"Expected a latent or a folder of latents at {place}, found nothing. Correct "
                "model.start.latent."
            )
        if not self.place.is_dir():
            self.shared = self._read(self.place)

    @property
    def is_tuned(self) -> bool:
        """See :attr:`GivenStarts.is_tuned`; of a folder it is not known before a file is read."""
        return self.shared is not None and bool(self._tunings[self.place])

    def any_tuned(self, ids: Iterable[str]) -> bool:
        """See :meth:`GivenStarts.any_tuned`; of a folder the heads of files are read, up to the first."""
        if self.shared is not None:
            return self.is_tuned
        for id in ids:
            with suppress(WeightsError):  # a clip without a latent is skipped when its turn comes
                if has_tuning(self._path(id)):
                    return True
        return False

    def prepare(self, ids: Sequence[str]) -> None:
        """See :meth:`GivenStarts.prepare`; forgets other clips: a full change is as large as a generator."""
        if self.shared is None:
            self._tunings = {}

    def of(self, id: str) -> Float[Tensor, "*latent"]:
        """See :meth:`GivenStarts.of`."""
        return self._read(self._path(id)) if self.shared is None else self.shared

    def tuning(self, id: str) -> Delta:
        """See :meth:`GivenStarts.tuning`."""
        path = self.place if self.shared is not None else self._path(id)
        if path not in self._tunings:
            self._read(path)
        return self._tunings[path]

    def _path(self, id: str) -> Path:
        """Where the latent of a clip lies.

        Raises:
            WeightsError: Nowhere.
        """
        names = [f"{stem}{suffix}" for stem in dict.fromkeys((stem_of(id), id)) for suffix in SUFFIXES]
        found = [path for path in (self.place / name for name in names if _is_below(name)) if path.is_file()]
        if not found:
            raise WeightsError(
                f"No latent of this clip at {self.place / stem_of(id)}.* ({', '.join(SUFFIXES)})."
            )
        return found[0]

    @torch.no_grad()
    def _read(self, path: Path) -> Float[Tensor, "*latent"]:
        stored = read_latent(path)
        check_delta(stored.tuning, self.generator, str(path))
        self._tunings[path] = stored.tuning
        return as_latent(stored, self.space, self.generator, self.sha256)


def _is_below(name: str) -> bool:
    """Whether a name that a clip's id made leads nowhere else."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts and "\0" not in name
