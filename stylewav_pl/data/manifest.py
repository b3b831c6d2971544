"""Recordings named by a table of the user's own."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from stylewav_pl.data.folder import FileSource
from stylewav_pl.data.ignored import Ignored
from stylewav_pl.data.store_recordings import is_in_store
from stylewav_pl.data.table_text import LINE
from stylewav_pl.data.tables import fetched_table, listed, open_table
from stylewav_pl.errors import ConfigError
from stylewav_pl.runs.objects import SCHEMES
from stylewav_pl.types import Clip, as_path
from stylewav_pl.weights.addresses import address_of, refuse_address

PATH, ID, SPEAKER = "path", "id", "speaker"


class Manifest(FileSource):
    """The recordings that a CSV, TSV or Parquet table names in its column ``path``, one clip per row.

    A path may be the address of an object in a store (``s3``, ``gs``, ``az``), which is fetched when it is
    decoded.

    A column ``id`` gives ids (else the path without suffix), ``speaker`` tells who speaks, every other column
    is a trait; what is no text, number or truth value (lists, bytes) is left out. Rows whose file is missing
    or unreadable become skips. What a table may look like: :func:`~stylewav_pl.data.tables.open_table`.

    Args:
        path: The table, or its address (``s3``, ``gs``, ``az``, ``http(s)``).
        root: What relative paths are relative to, a folder on a disk or in a store; by default the table's
            folder.
        traits: The columns that become labels; by default all.
    """

    def __init__(
        self, path: str | Path, root: str | Path | None = None, traits: list[str] | None = None
    ) -> None:
        self.address = address_of(path)
        self.path = as_path(path)
        self.root = _root(root, self.address, self.path)
        self.traits = traits
        self._in_store = is_in_store(self.root)
        self._is_empty = False

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; in the order of the table.

        Raises:
            ConfigError: The table is missing or unreadable, a line of it is wrong, or it lacks a column.
        """
        table = open_table(fetched_table(self.address) if self.address else self.path)
        missing = [name for name in (PATH, *(self.traits or ())) if name not in table.columns]
        if missing:
            raise ConfigError(
                f"{self.address or self.path} has the columns {listed(table.columns)}; expected "
                f"{', '.join(missing)}, too. `path` names the recordings; `id`, `speaker` and one column "
                "per trait may stand beside it."
            )
        traits = [name for name in table.columns if self._is_trait(name)]
        known = [name for name in (PATH, ID, SPEAKER) if name in table.columns]
        rows = table.read([*known, *traits])
        self._in_store |= _has_addresses(rows)
        # millions of rows have few combinations of labels
        told: dict[tuple[str, ...], Mapping[str, str]] = {}
        clips = []
        cells = rows.select(*(_column(name, rows) for name in (PATH, ID, SPEAKER)), *traits).iter_rows()
        for number, (path, id, speaker, *values) in enumerate(cells, start=1):
            key = tuple(values)
            if key not in told:
                told[key] = {trait: value for trait, value in zip(traits, values, strict=True) if value}
            # a row without a path is a clip too, and becomes a skip with its reason
            clips.append(
                Clip(
                    id or _without_suffix(path) or f"row {number}",
                    path if is_in_store(path) else os.path.join(self.root, path),
                    speaker,
                    told[key],
                )
            )
        self._is_empty = not clips
        return clips

    @property
    def ignored(self) -> Sequence[Ignored]:
        """See :attr:`ClipSource.ignored`; known when the clips are listed."""
        return [Ignored(self.address or str(self.path), "row")] if self._is_empty else []

    @property
    def uses_network(self) -> bool:
        """See :attr:`ClipSource.uses_network`; known when the clips are listed."""
        return self._in_store

    def _is_trait(self, name: str) -> bool:
        return name not in (PATH, ID, SPEAKER) and (self.traits is None or name in self.traits)


def _root(root: str | Path | None, address: str, table: Path) -> str:
    """Returns what relative paths begin with.

    Raises:
        ConfigError: It is none, or nothing says where the recordings of a table from the web are.
    """
    if root is not None:
        found = address_of(root)
        if found and not is_in_store(found):
            refuse_address(root, "the recordings of a table in a store (s3, gs, az) or")
        return found.rstrip("/") or str(as_path(root))
    if address and not is_in_store(address):
        raise ConfigError(
            f"Expected `root`, the folder with the recordings, beside the address {address}, found none."
        )
    return address.rpartition("/")[0] if address else str(table.parent)


def _has_addresses(rows: pl.DataFrame) -> bool:
    """Tells whether recordings have addresses; refuses those that nothing is fetched from.

    Raises:
        ConfigError: An address is in no store, or holds what may be secret.
    """
    column = pl.col(PATH)
    found = rows.filter(column.str.contains("^[A-Za-z][A-Za-z0-9+.-]+://"))
    in_store = column.str.contains(f"^({'|'.join(SCHEMES)})://[^/]+/.")
    for line, path in found.filter(~in_store).select(LINE, PATH).head(1).rows():
        raise ConfigError(
            f"Line {line} of the table names the recording {path!r}; expected a path on a disk or an address "
            "in a store, as s3://BUCKET/NAME. Copy the recordings, or pack them into shards."
        )
    for path in found.filter(column.str.contains("[@?#]"))[PATH]:
        address_of(path)  # tells what is secret
    return bool(len(found))


def _column(name: str, rows: pl.DataFrame) -> pl.Expr:
    """A column, empty where the table lacks it."""
    return pl.col(name) if name in rows.columns else pl.lit("").alias(name)


def _without_suffix(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    stem, dot, _ = file.rpartition(".")
    return (folder + slash + (stem if dot and stem else file)).lstrip("/")
