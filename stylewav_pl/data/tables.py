"""The one way into every table that names recordings: CSV, text with tabs (TSV), Parquet.

A line is a row: no quotation mark makes two lines one, so no row is ever lost in another. Each line is
checked by itself, and what is wrong with it is told with its number.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stylewav_pl.data.table_text import LINE, PARQUET_MAGIC, TEXT, TableText, open_text, read_head, readable
from stylewav_pl.errors import ConfigError, printable
from stylewav_pl.weights.addresses import RemoteFile

FAULT = " fault"  # names of columns are stripped, so that none of them is called so
_CELLS = " cells"
TAB = "\t"
MAX_TOLD, LONGEST_TOLD = 20, 40
PARQUET = ".parquet"
_WHOLE_QUOTED = r'^"(?:[^"]|"")*"$'
# How pandas calls a column that had no name, and the index in Parquet.
_UNNAMED = re.compile(r"|Unnamed: \d+(\.\d+|_level_\d+)?|__index_level_\d+__")
_MALFORMED = (
    "a quotation mark is not closed in its line (a line break in a cell?), or not doubled inside a cell"
)
_NEXT = "Expected a row in each line, and no tab or line break inside a cell. Correct the line."


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose cells are text.

    Attributes:
        path: The file.
        columns: Their names without surrounding space, unique. An index without a name is left out.
        rows: ``LINE`` (its number in the file, from 1; in Parquet that of the row), ``FAULT`` (null, or what
            is wrong with the line; its cells mean nothing then) and the columns. Blank rows are left out.
    """

    path: Path
    columns: Sequence[str]
    rows: pl.LazyFrame

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """Returns ``LINE`` and columns of a table without a fault.

        Raises:
            ConfigError: A line is wrong, or the file cannot be read.
        """
        (frame,) = collect([self.rows.select(LINE, FAULT, *columns)], [self.path])
        for line, fault in frame.filter(pl.col(FAULT).is_not_null()).select(LINE, FAULT).head(1).iter_rows():
            raise ConfigError(f"{self.path}, line {line}: {fault}. {_NEXT}")
        return frame.drop(FAULT)


def listed(columns: Sequence[str]) -> str:
    """Returns names of columns as a sentence can hold them: not too many, none too long.

    >>> listed(["path", "sex"]), listed([])
    ('path, sex', '(none)')
    """
    names = [printable(name)[:LONGEST_TOLD] for name in columns[:MAX_TOLD]]
    return ", ".join(names + ["..."] * (len(columns) > MAX_TOLD)) or "(none)"


def collect(frames: Sequence[pl.LazyFrame], paths: Sequence[Path]) -> list[pl.DataFrame]:
    """Computes what was asked of tables, in little memory.

    Args:
        frames: What to compute.
        paths: The tables that it comes from.

    Raises:
        ConfigError: One of them cannot be read.
    """
    with readable(paths):
        return pl.collect_all(frames, engine="streaming")


def fetched_table(address: str) -> Path:
    """Returns the file of a table that has an address.

    Raises:
        ConfigError: It cannot be had.
    """
    return RemoteFile(address, "The table").locate()


def open_table(path: Path, header: Sequence[str] | None = None) -> Table:
    """Opens a table; only its first line is read.

    The content says what it is. In UTF-8, with or without a byte-order mark, or UTF-16 with one; lines end
    with LF, CR LF or CR. A table called ``.tsv``, or whose first line holds a tab, is separated by tabs and
    knows no quoting: a quotation mark is a character. Others are separated by commas, or by semicolons where
    the first line has no comma, and cells may stand in quotation marks.

    Args:
        path: The file.
        header: The names of the columns of a table without a header.

    Raises:
        ConfigError: There is no such file, it is empty or no table, or two columns have one name.
    """
    if read_head(path).startswith(PARQUET_MAGIC):
        return _open_parquet(path)
    if path.suffix.lower() == PARQUET:
        raise ConfigError(
            f"{path} cannot be read as a table: it is called Parquet and is none. Write it again."
        )
    text = open_text(path)
    dialect = _dialect(text)
    names = list(header) if header else _header(text, dialect)
    kept = _kept(names, path)
    lines = text.lines().filter(pl.col(TEXT).str.strip_chars(dialect.blank) != "")
    rows = lines if header else lines.filter(pl.col(LINE) > text.first[0])
    rows = rows.with_columns(dialect.cells.alias(_CELLS))
    return Table(
        path,
        [name for _, name in kept],
        rows.select(
            LINE,
            _fault(names, kept, dialect).alias(FAULT),
            *(dialect.cell(place).alias(name) for place, name in kept),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a line is cut into cells.

    Attributes:
        separator: Between two cells.
        quoting: Whether a cell may stand in quotation marks, and then hold separators.
        unquotes: Whether quotation marks around a whole cell do not belong to it.
    """

    separator: str
    quoting: bool
    unquotes: bool

    @property
    def pattern(self) -> str:
        """A separator and the cell behind it."""
        return rf'{self.separator}(?: *"(?:[^"]|"")*" *|[^"{self.separator}]*)'

    @property
    def blank(self) -> str:
        """What a line without a value consists of."""
        return f" {TAB}\r{self.separator}" + '"' * self.unquotes

    @property
    def cells(self) -> pl.Expr:
        """The cells of a line as they stand there."""
        if self.quoting:
            return (self.separator + pl.col(TEXT)).str.extract_all(self.pattern)
        return pl.col(TEXT).str.split(self.separator)

    def cell(self, place: int) -> pl.Expr:
        """One cell of a line, without surrounding space; empty where the line ends before."""
        cell = pl.col(_CELLS).list.get(place, null_on_oob=True).fill_null("")
        cell = (cell.str.slice(1) if self.quoting else cell).str.strip_chars()
        if not self.unquotes:
            return cell
        inner = cell.str.slice(1, cell.str.len_chars() - 2).str.replace_all('""', '"', literal=True)
        return pl.when(cell.str.contains(_WHOLE_QUOTED)).then(inner.str.strip_chars()).otherwise(cell)

    @property
    def malformed(self) -> pl.Expr:
        """Whether the quotation marks of a line are not those of whole cells."""
        if not self.quoting:
            return pl.lit(False)
        return ~(self.separator + pl.col(TEXT)).str.contains(f"^(?:{self.pattern})*$")


def _dialect(text: TableText) -> _Dialect:
    _, first = text.first
    if TAB in first or text.path.suffix.lower() == ".tsv":
        # Spreadsheets, which alone write UTF-16, put cells with a comma into quotation marks, and R every
        # cell. Tabs separate all the same.
        all_quoted = all(re.match(_WHOLE_QUOTED, name.strip(" ")) for name in first.split(TAB))
        return _Dialect(TAB, False, text.from_spreadsheet or all_quoted)
    outside = re.sub(r'"[^"]*"', "", first)
    separator = ";" if ";" in outside and "," not in outside else ","
    quoting = text.from_spreadsheet or text.holds(b'"')
    return _Dialect(separator, quoting, quoting)


def _fault(names: Sequence[str], kept: Sequence[tuple[int, str]], dialect: _Dialect) -> pl.Expr:
    """What is wrong with a line; null where nothing is."""
    line, count = pl.col(TEXT), pl.col(_CELLS).list.len()
    fault = (
        pl.when(line.str.contains("\r", literal=True)).then(pl.lit("a line break (CR) inside a cell"))
        .when(line.str.contains("\0", literal=True)).then(pl.lit("a NUL character"))
        .when(dialect.malformed).then(pl.lit(_MALFORMED))
        .when(count != len(names)).then(pl.format(f"cells: {{}} instead of {len(names)}", count))
    )  # fmt: skip
    if dialect.separator != TAB:
        fault = fault.when(line.str.contains(TAB, literal=True)).then(pl.lit("a tab inside a cell"))
    places = {place for place, _ in kept}
    for place in range(min(places), len(names)):
        if place not in places:
            fault = fault.when(dialect.cell(place) != "").then(
                pl.lit(f"a cell in column {place + 1}, which has no name")
            )
    return fault.otherwise(None)


def _header(text: TableText, dialect: _Dialect) -> list[str]:
    number, line = text.first
    frame = pl.DataFrame({TEXT: [line]}).with_columns(dialect.cells.alias(_CELLS))
    if frame.select(dialect.malformed).item():
        raise ConfigError(f"{text.path}, line {number}: {_MALFORMED}. {_NEXT}")
    count = frame[_CELLS].list.len().item()
    return [str(frame.select(dialect.cell(place)).item()) for place in range(count)]


def _kept(names: Sequence[str], path: Path) -> list[tuple[int, str]]:
    """Place and name of the columns that have one.

    Raises:
        ConfigError: None has, or two have the same.
    """
    named = [
        (place, name.strip()) for place, name in enumerate(names) if not _UNNAMED.fullmatch(name.strip())
    ]
    twice = [name for name, count in Counter(name for _, name in named).items() if count > 1]
    if twice:
        raise ConfigError(f"{path} has more than one column {twice[0]!r}. Rename or remove one of them.")
    if not named:
        raise ConfigError(f"{path} has no columns with a name. Expected a header in its first line.")
    return named


def _open_parquet(path: Path) -> Table:
    """What is no text, number or truth value (lists, bytes) is left out."""
    with readable([path]):
        table = pl.scan_parquet(path, glob=False)
        schema = table.collect_schema()
    texts = [
        name for name, kind in schema.items() if not kind.is_nested() and kind not in (pl.Binary, pl.Object)
    ]
    cells = {
        name: pl.col(texts[place])
        .cast(pl.String)
        .fill_null("")
        .str.replace_all("\0", "", literal=True)  # the tables of a run cannot hold it
        .str.strip_chars()
        for place, name in _kept(texts, path)
    }
    rows = table.with_row_index(LINE, 1).select(LINE, pl.lit(None, pl.String).alias(FAULT), **cells)
    return Table(path, list(cells), rows.filter(pl.any_horizontal(pl.col(name) != "" for name in cells)))
