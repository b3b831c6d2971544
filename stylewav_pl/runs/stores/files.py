"""One file for each member, in one folder for each kind."""

import os
import secrets
from collections.abc import Sequence
from concurrent.futures import Executor, wait
from pathlib import Path
from typing import final

from stylewav_pl.files import SCRATCH, flush_folder
from stylewav_pl.runs.digests import CohortFiles, Digest, digest_of
from stylewav_pl.runs.plan import stem_of
from stylewav_pl.runs.stores.base import RECORD, Kind, Member, Store


@final
class FileStore(Store):
    """``images/<stem>.png``, ``latents/<stem>.safetensors``, ``strips/<stem>.png``.

    Records are in the journal alone.
    """

    def path(self, id: str, kind: Kind) -> Path:
        """Tells where a member lies."""
        return self.run / self.place(id, kind)

    def write(self, cohort: int, members: Sequence[Member], pool: Executor) -> CohortFiles:
        """See :meth:`Store.write`."""
        kept = [member for member in members if member.kind != RECORD]
        folders = {self.path(member.id, member.kind).parent for member in kept}
        for folder in (*folders, self.run / SCRATCH):
            folder.mkdir(exist_ok=True)
        written = [pool.submit(self._write, member) for member in kept]
        wait(written)
        files = {
            self.place(member.id, member.kind): each.result()
            for member, each in zip(kept, written, strict=True)
        }
        for folder in (*folders, self.run):
            flush_folder(folder)
        return CohortFiles(files)

    def read(self, id: str, kind: Kind) -> bytes:
        """See :meth:`Store.read`."""
        return self.path(id, kind).read_bytes()

    def place(self, id: str, kind: Kind) -> str:
        """See :meth:`Store.place`."""
        return f"{kind}/{stem_of(id)}{self.output.suffix(kind)}"

    def digest(self, files: CohortFiles, id: str, kind: Kind) -> Digest | None:
        """See :meth:`Store.digest`."""
        return files.files.get(self.place(id, kind))

    def _write(self, member: Member) -> Digest:
        """Half-written files lie in a folder of their own.

        After a crash nobody has to look for them among millions.

        Each has a name of its own: a process that outlived its job may be at the same clip.
        """
        path = self.path(member.id, member.kind)
        temporary = self.run / SCRATCH / f"{secrets.token_hex(4)}-{path.name}"
        try:
            with temporary.open("wb") as file:
                file.write(member.data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return digest_of(member.data)
