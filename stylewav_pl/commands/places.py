"""Where recordings are, in the words of the command line.

Files, folders, patterns, tables and shards, mixed.
"""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from braceexpand import braceexpand

from stylewav_pl.data import ClipSource, Files, Folder, Manifest, Shards
from stylewav_pl.data.folder import LABELS, audio_files
from stylewav_pl.data.ignored import TABLES, Ignored, is_sound
from stylewav_pl.data.shard_files import SHARD
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import as_path

WILD = frozenset("*?[")
DEEP = "**"


def sources_of(words: Sequence[str]) -> tuple[list[ClipSource], list[Ignored]]:
    """Returns the data sources that words mean, and what patterns match that is none.

    Args:
        words: Audio files, folders, tables (.csv, .tsv, .parquet) and shards (.tar, with braces or http);
            patterns with ``*``, ``?``, ``[]`` and braces; ``~`` is the home directory.

    Raises:
        ConfigError: Something is not there, or a pattern matches nothing.
    """
    places, ignored = _expand(words, _is_usable)
    sources: list[ClipSource] = []
    files: list[str] = []
    shards: list[str] = []
    for place in places:
        path = as_path(place)
        if os.path.isdir(path):
            sources += _in_folder(path)
        elif _names_shards(place):
            shards.append(place)
        elif _names_table(place):
            sources.append(Manifest(place))
        elif os.path.isfile(path):
            files.append(place)
        else:
            found = "something else" if os.path.exists(path) else "nothing"
            raise ConfigError(
                f"Expected a folder, an audio file, a table ({', '.join(TABLES)}) or shards ({SHARD}) at "
                f"{path}, found {found}. Correct the path."
            )
    sources += [Shards(shards)] if shards else []
    folders = [os.path.abspath(source.path) for source in sources if isinstance(source, Folder)]
    alone = [
        file for file in files if not any(Path(os.path.abspath(file)).is_relative_to(f) for f in folders)
    ]
    sources += [Files(alone)] if alone else []
    return sources, ignored


def files_of(words: Sequence[str]) -> tuple[list[str], list[Ignored]]:
    """Returns the audio files that words mean, and what folders and patterns hold that is none.

    Args:
        words: Folders, patterns, and files, which are taken whatever their names. One that is not there is
            kept, so that it is told among the results.

    Raises:
        ConfigError: A pattern matches nothing.
    """
    places, ignored = _expand(words, is_sound)
    files: list[str] = []
    for place in places:
        path = as_path(place)
        if os.path.isdir(path):
            ignored.append(Ignored(place))
            files += sorted(map(str, audio_files(path, ignored[-1])))
        else:
            files.append(place)
    return list(dict.fromkeys(files)), [one for one in ignored if one]


def _expand(words: Sequence[str], wanted: Callable[[str], bool]) -> tuple[list[str], list[Ignored]]:
    """Every word, or what it matches: folders, and files that are wanted."""
    ignored = [Ignored(word) for word in words]
    places = [
        place for word, rest in zip(words, ignored, strict=True) for place in _match(word, wanted, rest)
    ]
    return places, [one for one in ignored if one]


def _match(word: str, wanted: Callable[[str], bool], ignored: Ignored) -> Iterator[str]:
    if "://" in word or os.path.exists(as_path(word)):  # an address, or a name with a star in it
        yield word
        return
    if not WILD & set(word):
        yield from [word] if _names_shards(word) else _braces(word)
        return
    found = [name for part in _braces(word) for name in sorted(glob.glob(str(as_path(part)), recursive=True))]
    if not found:
        raise ConfigError(f"Nothing matches {word!r}. Correct the pattern.")
    for name in found:
        if os.path.isdir(name):
            yield from [] if DEEP in word else [name]  # what is in it matches as well
        elif wanted(name):
            yield name
        else:
            ignored.add(name)


def _braces(word: str) -> list[str]:
    try:
        return list(braceexpand(word, escape=False))
    except ValueError:
        return [word]


def _is_usable(name: str) -> bool:
    """Whether a file may be a source by its name; a table of labels is part of its folder."""
    return is_sound(name) or _names_shards(name) or (_names_table(name) and Path(name).name != LABELS)


def _names_shards(place: str) -> bool:
    return "://" in place or SHARD in Path(place).name.lower()


def _names_table(place: str) -> bool:
    return Path(place).suffix.lower() in TABLES


def _in_folder(folder: Path) -> list[ClipSource]:
    """A folder may hold shards, recordings, or both."""
    shards = sorted(folder.glob(f"[!.]*{SHARD}"))
    if not shards:
        return [Folder(folder)]
    if next(audio_files(folder, Ignored("")), None) is None:
        return [Shards(folder)]
    return [Shards([str(shard) for shard in shards]), Folder(folder)]
