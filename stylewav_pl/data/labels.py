"""Labels of recordings from a table that somebody keeps beside them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stylewav_pl.data.table_text import LINE
from stylewav_pl.data.tables import listed, open_table
from stylewav_pl.errors import ConfigError

NAME_COLUMNS = ("path", "id")
SPEAKER_COLUMN = "speaker"


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says about one file.

    Attributes:
        name: As written: a path relative to the folder, with or without suffix.
        speaker: Who speaks; empty when not told.
        labels: Trait to value, without empty ones.
    """

    name: str
    speaker: str
    labels: Mapping[str, str]


def read_labels(path: Path) -> list[Row]:
    """Reads a table with a column ``path`` or ``id``, perhaps ``speaker``, and one column for each trait.

    Raises:
        ConfigError: The table is missing, wrong in a line, or has no such column, or names a file twice.
    """
    if not path.exists():
        raise ConfigError(
            f"Expected a table of labels at {path}, found nothing. Write one with the columns id, speaker "
            "and a column per trait."
        )
    table = open_table(path)
    key = next((name for name in NAME_COLUMNS if name in table.columns), None)
    if key is None:
        raise ConfigError(
            f"{path} has the columns {listed(table.columns)}; expected `id` or `path`, and one for each "
            "trait."
        )
    traits = [name for name in table.columns if name not in (*NAME_COLUMNS, SPEAKER_COLUMN)]
    speaker = pl.col(SPEAKER_COLUMN) if SPEAKER_COLUMN in table.columns else pl.lit("").alias(SPEAKER_COLUMN)
    cells = table.read(table.columns).select(LINE, key, speaker, *traits)
    rows = [
        _row(path, line, name, told, dict(zip(traits, values, strict=True)))
        for line, name, told, *values in cells.iter_rows()
    ]
    twice = [name for name, count in Counter(row.name for row in rows).items() if count > 1]
    if twice:
        raise ConfigError(f"{path} names {twice[0]!r} more than once. Keep one line for each file.")
    return rows


def _row(path: Path, line: int, name: str, speaker: str, labels: Mapping[str, str]) -> Row:
    if not name:
        raise ConfigError(f"{path}, line {line}: no file is named. Fill in the cell, or remove the line.")
    return Row(name, speaker, {trait: value for trait, value in labels.items() if value})
