"""Clips out of webdataset shards, read one by one from where they lie."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.audio import decode
from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.file_part import FilePart
from stylewav_pl.data.ignored import Ignored
from stylewav_pl.data.shard_contents import Contents, Refusal, key_of
from stylewav_pl.data.shard_files import ShardFile, files_beside, find_shards
from stylewav_pl.data.shard_index import contents_at, contents_of, read_index
from stylewav_pl.data.store_recordings import check_size
from stylewav_pl.data.window import Window
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import Clip, Skip, SkipReason
from stylewav_pl.weights.addresses import RemoteFile

MAX_SHARDS_TOLD = 3


class Shards(ClipSource):
    """Every sound in webdataset shards, be they from ``data shards`` or from elsewhere.

    Members of one name are one clip: a sound, and perhaps a ``json`` with ``id``, ``speaker`` and an object
    ``labels``; without one the name to the first dot is the id. Other members are ignored, and told. Shards
    are storage only: clips are listed once, then each is read from its place, so their number and sizes have
    nothing to
        do with processes or cohorts.
    A clip that is damaged, or whose name is unsafe, becomes a skip and the rest of its shard is used; nothing
    in a shard is run, unpickled or unpacked.

    Args:
        path: A folder (every ``*.tar`` in it), a file or an address (``s3``, ``gs``, ``az``, ``http(s)``),
            with braces for several (``clips-{000000..000999}.tar``), or a list of these; in a store
            also a folder, with a slash at its end. What has an address is fetched whole into the cache
            (``STYLEWAV_CACHE``), one shard after the other, where its contents are not known yet. Where they
            are, or an index beside it tells them (``clips-000000.index.json``, of ``data shards``), a store
            is asked for the bytes of each clip instead, when it is read.
    """

    def __init__(self, path: str | Path | list[str]) -> None:
        self.patterns: Sequence[str | Path] = path if isinstance(path, list) else [path]
        self._clips: list[Clip] = []
        self._skips: list[Skip] = []
        self._places: dict[str, tuple[ShardFile, FilePart]] = {}
        self._ignored: list[Ignored] = []
        self._is_listed = False

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; in the order of the shards. Listed once and kept.

        Raises:
            ConfigError: There is no shard, one of them is missing, or the pattern is refused.
        """
        if not self._is_listed:
            for shard in find_shards(self.patterns):
                self._list(shard)
            self._ignored = self._together()
            self._is_listed = True
        return self._clips

    @property
    def skips(self) -> Sequence[Skip]:
        """See :attr:`ClipSource.skips`."""
        self.list_clips()
        return self._skips

    @property
    def ignored(self) -> Sequence[Ignored]:
        """See :attr:`ClipSource.ignored`."""
        self.list_clips()
        return self._ignored

    @property
    def uses_network(self) -> bool:
        """See :attr:`ClipSource.uses_network`."""
        self.list_clips()
        return any(shard.remote for shard, _ in self._places.values())

    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """See :meth:`ClipSource.read`."""
        shard, part = self._places[clip.id]
        remote = shard.remote
        if remote is None or part.path.is_file():
            return decode(part, sample_rate, window)
        if remote.place != part.path:
            raise ConfigError(
                f"The shard {shard.shown} has changed since its clips were listed. Start the same command "
                "again."
            )
        if not remote.has_versions:
            remote.locate()
            return decode(part, sample_rate, window)
        check_size(part.size)
        with tempfile.NamedTemporaryFile(prefix="stylewav-") as file:
            for data in remote.parts(part.offset, part.offset + part.size):
                file.write(data)
            file.flush()
            return decode(Path(file.name), sample_rate, window)

    def _list(self, shard: ShardFile) -> None:
        remote = shard.remote
        try:
            if remote and remote.has_versions:
                file = remote.place
                contents = contents_at(file, remote.locate, partial(_told, shard, remote))
            else:
                file = shard.locate()
                contents = contents_of(file)
        except OSError as error:
            self._skips.append(
                Skip(
                    shard.shown,
                    shard.shown,
                    SkipReason.UNREADABLE,
                    f"The shard cannot be read: {error.strerror or error}.",
                )
            )
            return
        for entry in contents.entries:
            self._clips.append(Clip(entry.id, f"{shard.shown}/{entry.member}", entry.speaker, entry.labels))
            self._places.setdefault(entry.id, (shard, FilePart(file, entry.offset, entry.size)))
        self._skips += [_skip(refusal, shard) for refusal in contents.refusals]
        self._ignored.append(Ignored(shard.shown, "member", Counter(contents.ignored)))

    def _together(self) -> list[Ignored]:
        """What was ignored, one entry where many shards hold the same kinds; and files beside the shards."""
        members = [one for one in self._ignored if one]
        if len(members) > MAX_SHARDS_TOLD:
            total = sum((one.counts for one in members), Counter[str]())
            members = [
                Ignored(f"{len(members)} shards, the first of them {members[0].place}", "member", total)
            ]
        beside = [files_beside(pattern) for pattern in self.patterns]
        return members + [one for one in beside if one]


def _told(shard: ShardFile, remote: RemoteFile) -> Contents | None:
    """The contents that an index beside a shard in a store tells."""
    index = shard.index()
    return None if index is None else read_index(index, remote.size)


def _skip(refusal: Refusal, shard: ShardFile) -> Skip:
    if not refusal.member:
        return Skip(shard.shown, shard.shown, refusal.reason, refusal.detail)
    name = refusal.member.replace("\0", "\\0")  # no table can hold it
    return Skip(key_of(name) or name, f"{shard.shown}/{name}", refusal.reason, refusal.detail)
