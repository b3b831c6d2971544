"""VGGSound: sounds of videos, named by the data set's own table."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from stylewav_pl.data.folder import FileSource, audio_files
from stylewav_pl.data.funnel import Funnel, Stage
from stylewav_pl.data.ignored import Ignored
from stylewav_pl.data.tables import fetched_table, open_table
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import Clip, as_path
from stylewav_pl.weights.addresses import address_of, refuse_address

COLUMNS = ("id", "start", "label", "split")


class VggSound(FileSource):
    """The clips of ``vggsound.csv`` whose sound is there, labelled ``sound``.

    The table has no header: YouTube id, start in seconds, label, split. Many videos are gone from the web, so
    rows without a file are no error but counted. Clips of one video are not independent: the video counts as
    speaker.

    Args:
        table: The CSV, or its address (``s3``, ``gs``, ``az``, ``http(s)``).
        path: Folder with the sounds, searched with its sub-folders.
        splits: ``train``, ``test`` or both.
        name: How a sound's file is called, without suffix, from ``{id}`` and ``{start}``; each file is the
            sound of its clip alone, not of the whole video.
    """

    def __init__(
        self,
        table: str | Path,
        path: str | Path,
        splits: Sequence[str] = ("train", "test"),
        name: str = "{id}_{start:06d}",
    ) -> None:
        self.address = address_of(table)
        refuse_address(path, "the folder with sounds")
        self.table = as_path(table)
        self.path = as_path(path)
        self.splits = tuple(splits)
        self.name = name
        self._funnel: Funnel | None = None
        self._ignored = Ignored(str(self.path))

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; in the order of the table.

        Raises:
            ConfigError: The table or the folder is missing or wrong.
        """
        rows = self._rows()
        self._ignored = Ignored(str(self.path))
        found = sorted(audio_files(self.path, self._ignored), reverse=True)
        files = {file.stem: file for file in found}
        named = [(self._file_name(id, start), id, sound) for id, start, sound in rows]
        clips = [
            Clip(name, files[name].as_posix(), speaker=id, labels={"sound": sound})
            for name, id, sound in named
            if name in files
        ]
        if unnamed := len(files.keys() - {name for name, _, _ in named}):
            self._ignored.counts[f"sounds that no chosen row of {self.table.name} names"] += unnamed
        self._funnel = Funnel(f"{self.table.name} ({', '.join(self.splits)})")
        self._funnel.add("rows", {"": len(rows)})
        self._funnel.add("with a file", {"": len(clips)})
        return clips

    @property
    def funnel(self) -> list[Stage]:
        """See :attr:`ClipSource.funnel`."""
        if self._funnel is None:
            self.list_clips()
        return self._funnel.stages if self._funnel else []

    @property
    def ignored(self) -> Sequence[Ignored]:
        """See :attr:`ClipSource.ignored`."""
        if self._funnel is None:
            self.list_clips()
        return [self._ignored] if self._ignored else []

    def _rows(self) -> list[tuple[str, int, str]]:
        if not self.path.is_dir():
            found = "a file" if self.path.exists() else "nothing"
            raise ConfigError(
                f"Expected a folder with sounds at {self.path}, found {found}. Correct the paths of the data "
                "source."
            )
        table = fetched_table(self.address) if self.address else self.table
        rows = open_table(table, COLUMNS).read(COLUMNS)
        wrong = rows.filter(~pl.col("start").str.contains(r"^[0-9]{1,9}$")).head(1)
        for line, *cells in wrong.iter_rows():
            raise ConfigError(
                f"{self.table}, line {line}: found {cells!r}, expected YouTube id, start in seconds, label "
                "and split. VGGSound's table has no header."
            )
        chosen = rows.filter(pl.col("split").is_in(self.splits))
        return list(chosen.select("id", pl.col("start").cast(pl.Int64), "label").iter_rows())

    def _file_name(self, id: str, start: int) -> str:
        try:
            return self.name.format(id=id, start=start)
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigError(
                f"The pattern {self.name!r} cannot be filled in ({error}). Expected {{id}} and {{start}}, "
                f"as in '{{id}}_{{start:06d}}'."
            ) from error
