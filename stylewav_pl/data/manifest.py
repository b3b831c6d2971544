"""Recordings named by a table of the user's own."""

import os
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from stylewav_pl.data.folder import FileSource
from stylewav_pl.types import Clip, ConfigError, as_path

PATH, ID, SPEAKER = "path", "id", "speaker"
SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"


class Manifest(FileSource):
    """The files that a CSV, TSV or Parquet table names in its column ``path``, one clip per row.

    A column ``id`` gives ids (else the path without suffix), ``speaker`` tells who speaks, every other column
    is a trait; what is no text, number or truth value (lists, bytes) is left out. Rows whose file is missing
    or unreadable become skips. Text is UTF-8.

    Args:
        path: The table.
        root: What relative paths are relative to; by default the table's folder.
        traits: The columns that become labels; by default all.
    """

    def __init__(
        self, path: str | Path, root: str | Path | None = None, traits: list[str] | None = None
    ) -> None:
        self.path = as_path(path)
        self.root = as_path(root) if root is not None else self.path.parent
        self.traits = traits

    def list_clips(self) -> list[Clip]:
        """See :meth:`ClipSource.list_clips`; in the order of the table.

        Raises:
            ConfigError: The table is missing or unreadable, or lacks a column.
        """
        table = self._table()
        traits = [name for name in table.columns if name not in (PATH, ID, SPEAKER)]
        told: dict[
            tuple[str, ...], Mapping[str, str]
        ] = {}  # millions of rows have few combinations of labels
        clips = []
        for number, (path, id, speaker, *values) in enumerate(
            table.select(*_known(table), *traits).iter_rows(), start=1
        ):
            key = tuple(values)
            if key not in told:
                told[key] = {trait: value for trait, value in zip(traits, values, strict=True) if value}
            # a row without a path is a clip too, and becomes a skip with its reason
            clips.append(
                Clip(
                    id or _without_suffix(path) or f"row {number}",
                    os.path.join(self.root, path),
                    speaker,
                    told[key],
                )
            )
        return clips

    def _table(self) -> pl.DataFrame:
        """The columns that count, as text without nulls, surrounding space and NUL, which tables cannot hold."""
        if not self.path.is_file():
            found = "something else" if self.path.exists() else "nothing"
            raise ConfigError(
                f"Expected a table of recordings at {self.path}, found {found}. Correct the path of the "
                "data source."
            )
        try:
            table = _read(self.path)
        except (pl.exceptions.PolarsError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigError(
                f"{self.path} cannot be read as a table ({reason}). Expected CSV (.csv) or TSV (.tsv) in "
                "UTF-8, or Parquet (.parquet), with a header."
            ) from error
        missing = [name for name in (PATH, *(self.traits or ())) if name not in table.columns]
        if missing:
            raise ConfigError(
                f"{self.path} has the columns {', '.join(table.columns) or '(none)'}; expected "
                f"{', '.join(missing)}, too. "
                "`path` names the recordings; `id`, `speaker` and one column per trait may stand beside it."
            )
        named = [
            name
            for name in table.columns
            if name in (PATH, ID, SPEAKER) or self.traits is None or name in self.traits
        ]
        kept = [
            name
            for name in named
            if not table.schema[name].is_nested() and table.schema[name] not in (pl.Binary, pl.Object)
        ]
        return table.select(
            pl.col(name)
            .cast(pl.String)
            .fill_null("")
            .str.replace_all("\0", "", literal=True)
            .str.strip_chars()
            for name in kept
        )


def _known(table: pl.DataFrame) -> list[pl.Expr]:
    """The three columns that mean something, empty where the table lacks one."""
    return [pl.col(name) if name in table.columns else pl.lit("").alias(name) for name in (PATH, ID, SPEAKER)]


def _read(path: Path) -> pl.DataFrame:
    if path.suffix.lower() == PARQUET:
        return pl.read_parquet(path, glob=False)
    # everything as text: 007 stays 007
    return pl.read_csv(
        path,
        separator=SEPARATORS.get(path.suffix.lower(), ","),
        infer_schema=False,
        raise_if_empty=False,
        glob=False,
    )


def _without_suffix(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    stem, dot, _ = file.rpartition(".")
    return (folder + slash + (stem if dot and stem else file)).lstrip("/")
