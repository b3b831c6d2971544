"""Clips out of shards that :func:`write_shards` wrote, read without unpacking them."""

import json
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.audio import decode
from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.window import Window
from stylewav_pl.types import AudioError, Clip, ConfigError, SkipReason, as_path


@dataclass(frozen=True, slots=True)
class Place:
    """Where one sound lies: bytes of a shard."""

    shard: Path
    offset: int
    size: int


class Shards(ClipSource):
    """The clips of every ``*.tar`` in a folder: for each, an audio member and a ``json`` of the same name with id, speaker and labels.

    Members are parsed as JSON or decoded as audio; nothing in a shard is run or unpacked to a path that it names.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = as_path(path)
        self._places: dict[str, Place] = {}

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; in the order of the shards.

        Raises:
            ConfigError: There is no shard, or one is damaged.
        """
        shards = sorted(self.path.glob("*.tar"))
        if not shards:
            raise ConfigError(f"Expected shards (*.tar) in {self.path}, found none. Write them with `stylewav-pl data shards`.")
        return [clip for shard in shards for clip in self._list(shard)]

    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """See :meth:`ClipSource.read`."""
        place = self._places[clip.id]
        with tempfile.NamedTemporaryFile(prefix="stylewav-") as file:  # the decoder reads files
            try:
                with place.shard.open("rb") as shard:
                    shard.seek(place.offset)
                    file.write(shard.read(place.size))
            except OSError as error:
                raise AudioError(SkipReason.MISSING, f"The shard {place.shard} cannot be read: {error.strerror}.") from error
            file.flush()
            return decode(Path(file.name), sample_rate, window)

    def _list(self, shard: Path) -> list[Clip]:
        clips = []
        try:
            with tarfile.open(shard, "r:") as tar:
                facts: dict[str, bytes] = {}
                sounds: dict[str, tarfile.TarInfo] = {}
                for member in filter(tarfile.TarInfo.isreg, tar):
                    key, _, kind = member.name.partition(".")
                    if kind == "json" and (file := tar.extractfile(member)):
                        facts[key] = file.read()
                    else:
                        sounds[key] = member
            for key, sound in sounds.items():
                told = json.loads(facts[key])
                clip = Clip(str(told["id"]), f"{shard.as_posix()}/{sound.name}", str(told["speaker"]), {**told["labels"]})
                self._places.setdefault(clip.id, Place(shard, sound.offset_data, sound.size))
                clips.append(clip)
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{shard} is no shard of clips ({type(error).__name__}: {error}). Write it again with `stylewav-pl data shards`."
            ) from error
        return clips
