"""The tables of an unpacked Common Voice release, any from the first to the 25th.

They are read lazily and by column name.

Facts: https://github.com/common-voice/cv-dataset, datasets/scripted-speech (README and CHANGELOG).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stylewav_pl.data.table_text import LINE, TEXT, open_text
from stylewav_pl.data.tables import FAULT, listed, open_table
from stylewav_pl.errors import ConfigError

# The names of a trait's column over the releases; any other trait is a column of its own name.
COLUMNS = {
    "sex": ("gender",),
    "gender": ("gender",),
    "accent": ("accents", "accent"),
    "accents": ("accents", "accent"),
}
REQUIRED = ("client_id", "path", "sentence")
DURATIONS = ("clip_durations.tsv", "times.txt")  # since release 16.1; releases 14 to 16.0
FILE_NAMES = ("clip", "filename", "file", "path")  # of the column that says whose duration it is
SPLITS = ("validated", "train", "dev", "test", "other", "invalidated")


@dataclass(frozen=True, slots=True)
class Locale:
    """One language of a release.

    Attributes:
        name: As its folder is called.
        folder: With the tables.
        sounds: The path or address of ``clips/``.
    """

    name: str
    folder: Path
    sounds: str


def find_locales(root: Path, names: Sequence[str] | None, address: str = "") -> list[Locale]:
    """The locales below ``root``, or the one that ``root`` itself is (as releases before the fifth unpack).

    Args:
        root: The folder that unpacking gave.
        names: The locales wanted; all that are there by default.
        address: Where the sounds are, if not there, too.

    Raises:
        ConfigError: There is no release, or a wanted locale is missing.
    """
    if _is_locale(root):
        name = names[0] if names and len(names) == 1 else root.resolve().name
        return [Locale(name, root, f"{address or root.as_posix()}/clips")]
    found = {folder.name: folder for folder in root.glob("*/") if _is_locale(folder)}
    if not found:
        deeper = sorted({str(folder.parent) for folder in root.glob("*/*/") if _is_locale(folder)})
        hint = (
            f"; found one in {', '.join(deeper)}"
            if deeper
            else ", found nothing"
            if not root.exists()
            else ", found none"
        )
        raise ConfigError(
            f"Expected an unpacked Common Voice release at {root} (a folder <locale>/ with clips/, "
            f"train.tsv, validated.tsv ...){hint}. "
            "Correct `root`, or link the release there."
        )
    missing = sorted(set(names or ()) - found.keys())
    if missing:
        raise ConfigError(
            f"The release at {root} has no locale {', '.join(missing)}; found {', '.join(sorted(found))}. "
            "Correct `locales`."
        )
    return [
        Locale(name, found[name], f"{f'{address}/{name}' if address else found[name].as_posix()}/clips")
        for name in dict.fromkeys(names or sorted(found))
    ]


def _is_locale(folder: Path) -> bool:
    """Tables alone will do to count clips.

    Sounds may be somewhere else. What may not be read (lost+found of a disk) is none.
    """
    return os.path.isdir(folder / "clips") or any(os.path.isfile(folder / f"{split}.tsv") for split in SPLITS)


def read_clips(locale: Locale, splits: Sequence[str], wanted: Sequence[str]) -> pl.LazyFrame:
    """Every clip of one locale.

    Args:
        locale: Where.
        splits: Names of tables without suffix; a clip in two of them counts once.
        wanted: Traits, with the names of :data:`COLUMNS` or a table's own; ``locale`` is always there.

    Returns:
        Strings ``speaker``, ``path`` (of the audio file), ``sentence``, ``trait: <name>`` for each wanted
        trait, ``gender``, ``age``, and
        ``seconds`` (null where no table tells). Trait values are lower case, empty where the speaker did not
        tell. ``broken`` is null, or table and line of a row that is not whole: releases since the 17th have
        sentences with tabs and line breaks in them; the other cells of such a row mean nothing.

    Raises:
        ConfigError: A table or a column is missing.
    """
    tables = [_read_split(locale, split, wanted) for split in splits]
    clips = tables[0] if len(tables) == 1 else pl.concat(tables).unique("file", keep="any")
    durations = _read_durations(locale.folder)
    joined = (
        clips.with_columns(seconds=pl.lit(None, pl.Float64))
        if durations is None
        else clips.join(durations, on="file", how="left")
    )
    return joined.with_columns(path=pl.lit(f"{locale.sounds}/") + pl.col("file")).drop("file")


def _read_split(locale: Locale, split: str, wanted: Sequence[str]) -> pl.LazyFrame:
    path = locale.folder / f"{split}.tsv"
    if not path.is_file():
        found = ", ".join(sorted(table.stem for table in locale.folder.glob("*.tsv"))) or "none"
        raise ConfigError(
            f"Expected the table {path}, found {found} in its folder. Correct `splits` or `locales`."
        )
    table = open_table(path)
    names = table.columns
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise ConfigError(
            f"{path} lacks the columns {', '.join(missing)}; found {listed(names)}. Expected a table of "
            "clips."
        )
    # whatever is in front of it: all sounds are in clips/
    file = pl.col("path").str.split("/").list.last().str.strip_chars()
    # the first releases left the suffix out
    name = pl.when(file.str.contains(r"\.[A-Za-z0-9]{2,4}$")).then(file).otherwise(file + ".mp3")
    broken = pl.when(pl.col(FAULT).is_not_null() | (file == "")).then(
        pl.concat_str(pl.lit(f"{locale.name}/{path.name}:"), pl.col(LINE))
    )
    return table.rows.select(
        broken=broken,
        speaker=pl.col("client_id"),
        # a name of its own, so that a broken row is counted and joins nothing
        file=pl.coalesce(broken, name),
        sentence=pl.col("sentence"),
        gender=_value("gender", names, path, locale) if "gender" in names else pl.lit(""),
        age=_value("age", names, path, locale) if "age" in names else pl.lit(""),
        locale=pl.lit(locale.name),
        **{f"trait: {trait}": _value(trait, names, path, locale) for trait in wanted},
    )


def _value(trait: str, names: Sequence[str], path: Path, locale: Locale) -> pl.Expr:
    """A trait's value as it is compared: lower case, without surrounding space."""
    if trait == "locale":  # the column came with the fifth release; the folder says the same
        return pl.lit(locale.name.lower())
    column = next((name for name in COLUMNS.get(trait, (trait,)) if name in names), None)
    if column is None:
        raise ConfigError(
            f"{path} has no column for the trait {trait!r}; found {listed(names)}. Choose one of these "
            "as trait."
        )
    return pl.col(column).str.to_lowercase()


def tables_of(locale: Locale, splits: Sequence[str]) -> list[Path]:
    """The files that :func:`read_clips` reads."""
    times = _durations_path(locale.folder)
    return [*(locale.folder / f"{split}.tsv" for split in splits), *([times] if times else [])]


def _durations_path(folder: Path) -> Path | None:
    paths = [folder / name for name in DURATIONS]
    return next((path for path in paths if path.is_file() and path.stat().st_size), None)


def _read_durations(folder: Path) -> pl.LazyFrame | None:
    """``file`` and ``seconds``, or nothing where the release has no such table."""
    path = _durations_path(folder)
    if path is None:
        return None
    name, seconds, table = _duration_columns(path) or _duration_lines(path)
    return (
        table.select(
            file=name.str.split("/").list.last(), seconds=seconds.cast(pl.Float64, strict=False) / 1000
        )
        .filter(pl.col("seconds") > 0)
        .unique("file", keep="any")
    )


def _duration_columns(path: Path) -> tuple[pl.Expr, pl.Expr, pl.LazyFrame] | None:
    """Name and length by the words of the header, in whatever order.

    Nothing where there is no such header.
    """
    table = open_table(path)
    length = next((name for name in table.columns if "duration" in name.lower()), None)
    file = next((name for name in table.columns if name.lower() in FILE_NAMES), None)
    if length is None or file is None:
        return None
    return pl.col(file), pl.col(length), table.rows.filter(pl.col(FAULT).is_null())


def _duration_lines(path: Path) -> tuple[pl.Expr, pl.Expr, pl.LazyFrame]:
    """The same of ``times.txt``, line by line: it may have no header and need not be separated by tabs."""
    line = pl.col(TEXT)
    name = line.str.extract(r"([^\s/,]+)[\s,]+[\d.]+\s*$")
    return name, line.str.extract(r"([\d.]+)\s*$"), open_text(path).lines()
