"""Which files a pattern of shards means: local ones, or fetched ones that are kept in the cache."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from braceexpand import braceexpand

from stylewav_pl.data.ignored import Ignored
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import as_path
from stylewav_pl.weights.addresses import WEB, RemoteFile, address_of
from stylewav_pl.weights.listings import names_in, read_object

SHARD, INDEX = ".tar", "shards.json"  # the second is what `data shards` writes beside them
INDEX_SUFFIX = ".index.json"  # and this, instead of a shard's own, what tells its contents
LARGEST_INDEX = 64 << 20  # bytes
LARGEST_SHARD = 16 << 30  # bytes, of a shard that is fetched
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C: is a disk


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One shard.

    Attributes:
        shown: What people read in tables: a path or an address.
        source: The same, to open.
    """

    shown: str
    source: str

    @property
    def remote(self) -> RemoteFile | None:
        """The file at an address; None for one on a disk."""
        if not _scheme(self.source):
            return None
        return RemoteFile(self.source, "The shard", LARGEST_SHARD, "shards")

    def index(self) -> bytes | None:
        """The index that lies beside a shard in a store; None where there is none.

        Raises:
            ConfigError: The store does not tell.
        """
        if not self.remote or not self.source.endswith(SHARD):
            return None
        url = f"{self.source.removesuffix(SHARD)}{INDEX_SUFFIX}"
        return read_object(url, "The index", LARGEST_INDEX)

    def locate(self) -> Path:
        """The file on this machine, fetched into the cache at its first use.

        Raises:
            ConfigError: It is not there.
        """
        return self.remote.locate() if self.remote else _local(as_path(self.source))


def find_shards(patterns: Sequence[str | Path]) -> list[ShardFile]:
    """The shards that patterns mean, in order.

    Args:
        patterns: Folders (every ``*.tar`` in them), files, or addresses (``s3``, ``gs``, ``az``,
            ``http(s)``), in a store also of a folder, with a slash at its end; braces stand for several
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
            is_ours = path.name == INDEX or path.name.endswith((SHARD, INDEX_SUFFIX))
            if not is_ours and path.name[0] != "." and path.is_file():
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
    address = address_of(source)
    if not address:
        why = "it would run a program" if scheme == "pipe" else "only files and addresses are read"
        raise ConfigError(
            f"The shard {source!r} is refused: {why} (s3, gs, az, http and https). Mount or copy the shards, "
            "and give their path."
        )
    is_folder = address.endswith("/") and scheme not in WEB
    return [ShardFile(one, one) for one in (names_in(address, SHARD) if is_folder else [address])]


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
