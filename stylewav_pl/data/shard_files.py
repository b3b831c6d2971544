"""Which files a pattern of shards means: local ones, or fetched ones that are kept in the cache."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from braceexpand import braceexpand
from filelock import FileLock

from stylewav_pl.data.ignored import Ignored
from stylewav_pl.errors import ConfigError, printable
from stylewav_pl.types import as_path
from stylewav_pl.weights.cache import DIRECTORY, cache_directory
from stylewav_pl.weights.download import Patience, UnavailableError, download
from stylewav_pl.weights.offline import OFFLINE, is_offline

FETCHED = ("http", "https")
SHARD, INDEX = ".tar", "shards.json"  # the second is what `data shards` writes beside them
LARGEST_SHARD = 16 << 30  # bytes, of a shard that is fetched
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C: is a disk


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One shard.

    Attributes:
        shown: What people read in tables: an address without passwords and tokens.
        source: A path or an address.
    """

    shown: str
    source: str

    def locate(self) -> Path:
        """The file on this machine, fetched into the cache at its first use.

        Raises:
            ConfigError: It is not there.
        """
        return _fetch(self.source, self.shown) if _scheme(self.source) else _local(as_path(self.source))


def find_shards(patterns: Sequence[str | Path]) -> list[ShardFile]:
    """The shards that patterns mean, in order.

    Args:
        patterns: Folders (every ``*.tar`` in them), files, or ``http(s)`` addresses; braces stand for several
            (``{000..019}.tar``).

    Raises:
        ConfigError: A pattern cannot be understood or is refused, or there is no shard.
    """
    found = [
        shard for pattern in patterns for source in _expand(str(pattern)) for shard in _shards_of(source)
    ]
    if not found:
        beside = "".join(f"\n{files}" for files in map(files_beside, patterns) if files)
        raise ConfigError(
            f"Expected shards (*.tar) in {', '.join(str(pattern) for pattern in patterns) or 'path'}, found "
            f"none. Correct `path`.{beside}"
        )
    return found


def files_beside(pattern: str | Path) -> Ignored:
    """Returns the files of a folder that are no shards; nothing for other patterns."""
    folder, ignored = as_path(pattern), Ignored(str(pattern))
    if not _scheme(str(pattern)) and folder.is_dir():
        for path in folder.iterdir():
            if path.suffix != SHARD and path.name[0] != "." and path.name != INDEX and path.is_file():
                ignored.add(path.name)
    return ignored


def _expand(pattern: str) -> list[str]:
    if as_path(pattern).exists():  # a brace may be part of a name
        return [pattern]
    try:
        return list(braceexpand(pattern, escape=False))
    except ValueError as error:
        raise ConfigError(
            f"The pattern of shards {pattern!r} cannot be understood ({error}). Expected braces as in "
            f"{{000..019}}.tar."
        ) from error


def _shards_of(source: str) -> list[ShardFile]:
    scheme = _scheme(source)
    if not scheme:
        path = as_path(source)
        files = sorted(path.glob(f"[!.]*{SHARD}")) if path.is_dir() else [path]
        return [ShardFile(file.as_posix(), str(file)) for file in files]
    if scheme not in FETCHED:
        why = "it would run a program" if scheme == "pipe" else "only files and http(s) addresses are read"
        raise ConfigError(
            f"The shard {source!r} is refused: {why}. Mount or copy the shards, and give their path."
        )
    parts = urlsplit(source)
    return [ShardFile(urlunsplit((scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")), source)]


def _scheme(source: str) -> str:
    match = _SCHEME.match(source)
    return match[1].lower() if match else ""


def _local(path: Path) -> Path:
    if not path.is_file():
        raise ConfigError(
            f"Expected a shard at {path}, found {'something else' if path.exists() else 'nothing'}. Correct "
            "`path` of the source."
        )
    return path


def _fetch(url: str, shown: str) -> Path:
    """A shard is fetched once and then kept: what an address gives must not change while a run lasts."""
    folder = cache_directory() / "shards" / sha256(url.encode()).hexdigest()[:16]
    path = folder / (
        re.sub(r"[^\w.-]+", "-", unquote(urlsplit(url).path).rpartition("/")[2]).lstrip(".") or "shard.tar"
    )
    if path.is_file():
        return path
    if is_offline():
        raise ConfigError(
            f"{shown} is not in the cache, and the network is switched off ({OFFLINE}). Fetch it by hand "
            f"and put it at {path}."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):  # other processes of the job want it too
            if not path.is_file():
                print(printable(f"Fetching {shown} into {folder}"), file=sys.stderr, flush=True)
                part = path.with_name(f"{path.name}.part")
                download(url, part, path.name, Patience(), LARGEST_SHARD)
                part.replace(path)
    except UnavailableError as error:
        raise ConfigError(
            f"The shard {shown} could not be fetched: {error}. Correct `path` of the source, or try again."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror or error}). Set {DIRECTORY} to a directory with "
            "room, and try again."
        ) from error
    return path
