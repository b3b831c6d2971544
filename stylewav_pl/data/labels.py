"""Labels of recordings from a table that somebody keeps beside them."""

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stylewav_pl.types import ConfigError

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
    """Reads a CSV with a column ``path`` or ``id``, perhaps ``speaker``, and one column for each trait.

    Raises:
        ConfigError: The table is missing or has no such column, or names a file twice.
    """
    if not path.is_file():
        raise ConfigError(
            f"Expected a table of labels at {path}, found nothing. Write one with the columns id, speaker "
            "and a column per trait."
        )
    with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = csv.DictReader(file)
        columns = [name for name in lines.fieldnames or [] if name]
        key = next((name for name in NAME_COLUMNS if name in columns), None)
        if key is None:
            raise ConfigError(
                f"{path} has the columns {', '.join(columns) or '(none)'}; expected `id` or `path`, and one "
                "for each trait."
            )
        traits = [name for name in columns if name not in (*NAME_COLUMNS, SPEAKER_COLUMN)]
        rows = [row for line in lines if (row := _row(line, key, traits)).name]
    twice = [name for name, count in Counter(row.name for row in rows).items() if count > 1]
    if twice:
        raise ConfigError(f"{path} names {twice[0]!r} more than once. Keep one line for each file.")
    return rows


def _row(line: Mapping[str, str | None], key: str, traits: list[str]) -> Row:
    cells = {name: (line.get(name) or "").strip() for name in (key, SPEAKER_COLUMN, *traits)}
    return Row(cells[key], cells[SPEAKER_COLUMN], {trait: cells[trait] for trait in traits if cells[trait]})
