"""Audio files on disk."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import unquote

from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.audio import decode
from stylewav_pl.data.base import ClipSource
from stylewav_pl.data.ignored import Ignored, is_sound
from stylewav_pl.data.labels import read_labels
from stylewav_pl.data.store_recordings import is_in_store, names_below, recording_at
from stylewav_pl.data.window import Window
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import NO_LABELS, Clip, as_path
from stylewav_pl.weights.addresses import RemoteFile, address_of, refuse_address

LABELS = "labels.csv"


class FileSource(ClipSource):
    """What all sources of files share: the sound of a clip is the file, or the object, at its path."""

    def read(self, clip: Clip, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
        """See :meth:`ClipSource.read`."""
        if is_in_store(clip.path):
            with recording_at(clip.path) as file:
                return decode(file, sample_rate, window)
        return decode(as_path(clip.path), sample_rate, window)

    def file_of(self, clip: Clip) -> Path | None:
        """See :meth:`ClipSource.file_of`."""
        return None if is_in_store(clip.path) else as_path(clip.path)


class Folder(FileSource):
    """Every audio file below a folder, found by suffix; what has another one is ignored, and told.

    A file's id is its path relative to the folder without suffix. The nearest folder above it that is called
    like one of the label values (``voices/male/me.wav``) is its label; files elsewhere have none.

    Args:
        path: The folder; also one in a store (``s3``, ``gs``, ``az``), of which each file is fetched when it
            is decoded.
        optional: A missing folder holds no clips instead of being an error.
        labels: ``subfolder`` reads labels from folder names; ``csv`` from the table ``labels.csv`` in the
            folder (columns ``id`` or ``path``,
            ``speaker`` where known, and one for each trait); ``none`` gives none.
        trait: The trait that the folder names tell.
        values: Folder names that are labels; case does not matter.
        prefix: Put before every id, with a slash; for several folders with equal file names.
    """

    def __init__(
        self,
        path: str | Path,
        optional: bool = False,
        labels: Literal["subfolder", "csv", "none"] = "subfolder",
        trait: str = "sex",
        values: Sequence[str] = ("female", "male"),
        prefix: str = "",
    ) -> None:
        self.address = address_of(path).rstrip("/")
        if self.address and not is_in_store(self.address):
            refuse_address(path, "a folder in a store (s3, gs, az) or")
        self.path = as_path(path)
        self.optional = optional
        self.labels = labels
        self.trait = trait
        self.values = tuple(values)
        self.prefix = prefix
        self._ignored: Ignored | None = None
        self._is_empty = False

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; sorted by relative path.

        Raises:
            ConfigError: The folder is missing and not optional, or is no folder, or its table of labels is
                wrong.
        """
        names = self._names_in_store() if self.address else self._names_on_disk()
        if names is None:
            return []
        self._is_empty = not names and not self._ignored and not self.optional
        if self.labels == "csv":
            assert self._ignored is not None
            self._ignored.counts.subtract({".csv": 1})  # the table of labels is read
            self._ignored.counts = +self._ignored.counts
            return self._told(names)
        return [self._clip(name, labels=self._folder_label(name)) for name in names]

    @property
    def ignored(self) -> Sequence[Ignored]:
        """See :attr:`ClipSource.ignored`."""
        if self._ignored is None:
            self.list_clips()
        found = self._ignored
        return [found] if found is not None and (found or self._is_empty) else []

    @property
    def uses_network(self) -> bool:
        """See :attr:`ClipSource.uses_network`."""
        return bool(self.address)

    def _names_on_disk(self) -> list[str] | None:
        """Returns the files with sounds, relative to the folder; None where there need not be a folder."""
        if not self.path.is_dir():
            if self.optional and not self.path.exists():
                return None
            raise _absent(self.path, "a file" if self.path.exists() else "nothing")
        self._ignored = Ignored(str(self.path))
        listed = audio_files(self.path, self._ignored)
        return sorted(path.relative_to(self.path).as_posix() for path in listed)

    def _names_in_store(self) -> list[str] | None:
        self._ignored = Ignored(self.address)
        names = names_below(self.address)
        first = next(names, None)
        if first is not None:
            return sorted(sound_names(chain([first], names), self._ignored))
        if not self.optional:
            raise _absent(self.address, "nothing")
        return None

    def _told(self, names: Sequence[str]) -> list[Clip]:
        """Every file with what the table says.

        A row without its file is a clip too, and becomes a skip with a reason.
        """
        table = self.path / LABELS
        if self.address:
            table = RemoteFile(f"{self.address}/{LABELS}", "The table of labels").locate()
        rows = {row.name: row for row in read_labels(table)}
        found = [(name, rows.pop(name, None) or rows.pop(_without_suffix(name), None)) for name in names]
        clips = [
            self._clip(name, row.speaker if row else "", row.labels if row else NO_LABELS)
            for name, row in found
        ]
        return clips + [
            Clip(self._prefixed(row.name), self._place(row.name), row.speaker, row.labels)
            for row in rows.values()
        ]

    def _clip(self, name: str, speaker: str = "", labels: Mapping[str, str] = NO_LABELS) -> Clip:
        return Clip(self._prefixed(_without_suffix(name)), self._place(name), speaker, labels)

    def _place(self, name: str) -> str:
        return f"{self.address}/{name}" if self.address else (self.path / name).as_posix()

    def _prefixed(self, id: str) -> str:
        return f"{self.prefix}/{id}" if self.prefix else id

    def _folder_label(self, name: str) -> Mapping[str, str]:
        names = {value.lower(): value for value in self.values} if self.labels == "subfolder" else {}
        found = [names[part.lower()] for part in name.split("/")[:-1] if part.lower() in names]
        return {self.trait: found[-1]} if found else NO_LABELS


def _absent(place: Path | str, found: str) -> ConfigError:
    return ConfigError(
        f"Expected a folder with audio files at {place}, found {found}. Correct the path of the data source."
    )


def _without_suffix(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


class Files(FileSource):
    """Files named one by one, whatever their suffix; the id is the file name without suffix.

    Files of equal name in different folders get ``-2``, ``-3`` ... in the order given; the same file twice is
    one clip.

    Args:
        paths: The files; ``file:`` addresses, too, for names that are no UTF-8, which YAML cannot hold.
        known: Files that have an id already, by id: they keep it, and no other file of their name gets it.
    """

    def __init__(self, paths: Sequence[str | Path], known: Mapping[str, str] | None = None) -> None:
        self.paths = tuple(_path_of(path) for path in paths)
        self.known = dict(known or {})

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; in the order given."""
        paths: dict[str, Path] = {}
        for path in self.paths:
            paths.setdefault(os.path.abspath(path), path)
        ids = {os.path.abspath(as_path(path)): id for id, path in self.known.items()}
        taken, clips = set(self.known), []
        for absolute, path in paths.items():
            id = ids.get(absolute) or free_name(path.stem, taken)
            taken.add(id)
            clips.append(Clip(id, path.as_posix()))
        return clips


def _path_of(place: str | Path) -> Path:
    r"""A path, or the one that a ``file:`` address names.

    >>> _path_of("file:///voices/caf%E9.wav").name
    'caf\udce9.wav'
    """
    text = str(place)
    refuse_address(text, "an audio file")
    return (
        Path(unquote(text.removeprefix("file://"), errors="surrogateescape"))
        if text.startswith("file:///")
        else as_path(place)
    )


def free_name(name: str, taken: Collection[str]) -> str:
    """``name``, or the first of ``name-2``, ``name-3`` ... that is not taken.

    >>> free_name("voice", {"voice", "voice-2"})
    'voice-3'
    """
    return next(
        id for id in (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))) if id not in taken
    )


def sound_names(names: Iterable[str], ignored: Ignored) -> Iterator[str]:
    """Yields the names that have a suffix of audio, hidden folders left out.

    Args:
        names: Of objects, with slashes.
        ignored: Gets the others, as in :func:`audio_files`.
    """
    for name in names:
        *folders, last = name.split("/")
        if any(folder.startswith(".") for folder in folders):
            continue
        if is_sound(last):
            yield name
        elif not last.startswith(".") or is_sound(last.lstrip("._")):
            ignored.add(last)


def audio_files(folder: Path, ignored: Ignored) -> Iterator[Path]:
    """Yields files with a suffix of audio below a folder, links to folders followed once.

    Args:
        folder: Where to look; hidden folders in it are left alone.
        ignored: Gets the files of other kinds and what cannot be read. Hidden files count where they look
            like sounds.
    """
    seen: set[str] = set()

    def refused(error: OSError) -> None:
        ignored.counts["folders that cannot be read"] += 1

    for parent, folders, files in os.walk(folder, followlinks=True, onerror=refused):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if is_sound(name):
                yield Path(parent, name)
            elif not name.startswith(".") or is_sound(name.lstrip("._")):
                ignored.add(name)
