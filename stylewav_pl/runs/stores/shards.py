"""One tar for each cohort, in the layout of webdataset.

Members of one clip have one name and differ in the suffix.

A tar cannot be written half and continued, so a shard is a cohort: it appears whole or not at all. Same
members, same bytes: nothing of the moment, the machine or the user enters a shard. Format:
https://github.com/webdataset/webdataset
"""

import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import IO, cast, final

from stylewav_pl.errors import RunDirectoryError
from stylewav_pl.files import SCRATCH, whole_file
from stylewav_pl.runs.digests import CohortFiles, Digest, DigestingFile, digest_of
from stylewav_pl.runs.plan import key_of
from stylewav_pl.runs.stores.base import RECORD, STRIP, Kind, Member, Output, Store


@final
class ShardStore(Store):
    """``shards/<cohort>.tar`` with the members of each clip.

    ``<key>.png``, ``<key>.safetensors``, ``<key>.json`` and ``<key>.strip.png``.
    """

    def __init__(self, run: Path, output: Output, cohort_of: Callable[[str], int]) -> None:
        super().__init__(run, output, cohort_of)
        self._kept: tuple[Path | None, Mapping[str, tuple[int, int]]] = (None, {})

    def path(self, cohort: int) -> Path:
        """Tells where a cohort's shard lies."""
        return self.run / self._shard(cohort)

    def write(self, cohort: int, members: Sequence[Member], pool: Executor) -> CohortFiles:
        """See :meth:`Store.write`."""
        (self.run / "shards").mkdir(exist_ok=True)
        kept = [member for member in members if member.kind != RECORD]  # records are in the journal too
        digests = pool.map(digest_of, [member.data for member in kept])
        with whole_file(self.path(cohort), scratch=self.run / SCRATCH) as file:
            shard = DigestingFile(file)
            self._write(members, shard)
        named = zip((self._name(member.id, member.kind) for member in kept), digests, strict=True)
        return CohortFiles({self._shard(cohort): shard.digest}, dict(named))

    def _write(self, members: Sequence[Member], shard: DigestingFile) -> None:
        # tarfile asks for no more than writing and telling
        with tarfile.open(fileobj=cast(IO[bytes], shard), mode="w", format=tarfile.GNU_FORMAT) as tar:
            for member in members:
                facts = tarfile.TarInfo(self._name(member.id, member.kind))  # mode 644, owner 0, time 0
                facts.size = len(member.data)
                tar.addfile(facts, io.BytesIO(member.data))

    def read(self, id: str, kind: Kind) -> bytes:
        """See :meth:`Store.read`."""
        path, name = self.path(self.cohort_of(id)), self._name(id, kind)
        if name not in (places := self._places(path)):
            raise FileNotFoundError(f"{path} has no {name}")
        with path.open("rb") as file:
            file.seek(places[name][0])
            return file.read(places[name][1])

    def place(self, id: str, kind: Kind) -> str:
        """See :meth:`Store.place`."""
        return f"{self._shard(self.cohort_of(id))}/{self._name(id, kind)}"

    def digest(self, files: CohortFiles, id: str, kind: Kind) -> Digest | None:
        """See :meth:`Store.digest`."""
        return files.members.get(self._name(id, kind))

    def _shard(self, cohort: int) -> str:
        return f"shards/{cohort:08d}.tar"

    def _places(self, path: Path) -> Mapping[str, tuple[int, int]]:
        """Offset and size of each member of a shard.

        Kept for the last one, since whoever reads a run goes from clip to clip.
        """
        if self._kept[0] != path:
            try:
                with tarfile.open(path, "r:") as tar:
                    self._kept = path, {member.name: _place(member) for member in tar}
            except (tarfile.TarError, RecursionError, ValueError) as error:
                raise RunDirectoryError(
                    f"{path} is damaged ({error}). Restore it, or run fit again with --restart."
                ) from error
        return self._kept[1]

    def _name(self, id: str, kind: Kind) -> str:
        return f"{key_of(id)}{'.strip' if kind == STRIP else ''}{self.output.suffix(kind)}"


def _place(member: tarfile.TarInfo) -> tuple[int, int]:
    """Offset and size.

    Raises:
        tarfile.ReadError: It has extended headers. A run writes none, and every later member would get a copy
            of them.
    """
    if member.pax_headers:
        raise tarfile.ReadError(f"extended headers at {member.name[:100]}")
    return member.offset_data, member.size
