"""The lines of a table in UTF-8, whatever program has written it.

Spreadsheets save "Unicode text" as UTF-16 and put a byte-order mark in front of UTF-8; old ones end lines
with a carriage return alone.
"""

import codecs
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stylewav_pl.errors import ConfigError, one_line

# Table columns are stripped, so that none of them can have one of these names.
LINE, TEXT = " line", " text"
# polars wants a character between cells: one of these that is not in the table leaves its lines whole.
SEPARATORS = (b"\x1f", b"\x1e", b"\x1d", b"\x1c", b"\x01", b"\x02", b"\x03", b"\x04", b"\x05", b"\x06")

# The mark of UTF-32 begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
PARQUET_MAGIC = b"PAR1"
HEAD = 1 << 20  # bytes that must hold the end of the first line
ADVICE = "Save the table as CSV in UTF-8 (.csv), as text with tabs in UTF-8 (.tsv), or as Parquet (.parquet)."


@dataclass(frozen=True, slots=True)
class TableText:
    """A table as text.

    Attributes:
        path: The file.
        source: What to read: the file itself where it is plain UTF-8, else its text in UTF-8.
        from_spreadsheet: Whether it is UTF-16 or UTF-32, which spreadsheets call Unicode text.
        first: The number and the text of the first line that is not blank.
    """

    path: Path
    source: Path | bytes
    from_spreadsheet: bool
    first: tuple[int, str]

    def lines(self) -> pl.LazyFrame:
        """Returns every line as ``LINE``, its number from 1, and ``TEXT``, without the end of the line.

        Raises:
            ConfigError: It holds more control characters than text does.
        """
        separator = next((sign for sign in SEPARATORS if not self.holds(sign)), None)
        if separator is None:
            raise ConfigError(f"{self.path} is no text: it is full of control characters. {ADVICE}")
        return pl.scan_csv(
            self.source,
            has_header=False,
            separator=separator.decode(),
            quote_char=None,
            schema={TEXT: pl.String},
            empty_string_is_null=False,
            raise_if_empty=False,
            row_index_name=LINE,
            row_index_offset=1,
            glob=False,
        )

    def holds(self, sign: bytes) -> bool:
        """Returns whether an ASCII character is anywhere in the text."""
        with _opened(self.source) as file:
            return any(sign in chunk for chunk in iter(lambda: file.read(HEAD), b""))


def open_text(path: Path) -> TableText:
    """Opens a table of text; one in UTF-16, or with the line ends of old spreadsheets, is held in memory.

    Raises:
        ConfigError: There is no such file, it is empty, or it is no text.
    """
    head = read_head(path)
    encoding = next((name for mark, name in MARKS if head.startswith(mark)), "utf-8")
    wide = encoding in ("utf-16", "utf-32")
    if not wide and b"\0" in head:
        raise ConfigError(
            f"{path} is no text: it holds NUL bytes, as workbooks (.xlsx) do, and UTF-16 without a "
            f"byte-order mark. {ADVICE}"
        )
    source = _as_utf8(path, encoding) if wide or _ends_with_returns(head) else path
    return TableText(path, source, wide, _first_line(path, source))


def read_head(path: Path) -> bytes:
    """Returns the first bytes of a table.

    Raises:
        ConfigError: There is no such file, it cannot be read, or it is empty.
    """
    if not path.is_file():
        found = "nothing"
        if path.exists():
            found = "a folder" if path.is_dir() else "something else"
        raise ConfigError(f"Expected a table at {path}, found {found}. Correct the path of the data source.")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise ConfigError(f"The table {path} cannot be read: {error.strerror or error}.") from error
    if not head:
        raise ConfigError(
            f"The table {path} is empty: 0 bytes. Expected a line with the names of its columns."
        )
    return head


@contextmanager
def readable(paths: Sequence[Path]) -> Iterator[None]:
    """Turns what polars says about files that it cannot read into a sentence with the file and the line.

    Raises:
        ConfigError: One of the tables is not UTF-8, or cannot be read.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        for path in paths:
            _check_utf8(path)
        names = ", ".join(map(str, paths))
        raise ConfigError(f"{names} cannot be read as a table ({one_line(error)}). {ADVICE}") from error


def _check_utf8(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(4)
        others = [mark for mark, name in MARKS if name != "utf-8-sig"]
        if head.startswith((PARQUET_MAGIC, *others)):
            return  # no UTF-8, and meant so
        file.seek(0)
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise _not_utf8(path, number, error) from error


def _ends_with_returns(head: bytes) -> bool:
    """Whether the first line ends with a carriage return alone."""
    first = head.find(b"\r")
    return 0 <= first < len(head) - 1 and head[first + 1] != ord("\n") and b"\n" not in head[:first]


def _as_utf8(path: Path, encoding: str) -> bytes:
    """The text with plain line ends; chunk by chunk, so that it is in memory once."""
    text = io.BytesIO()
    with path.open(encoding=encoding, newline=None) as file:
        try:
            while chunk := file.read(HEAD):
                text.write(chunk.encode())
        except UnicodeError as error:
            raise ConfigError(
                f"{path} is not {encoding.upper().removesuffix('-SIG')}, though it begins as such a file "
                f"({one_line(error)}). {ADVICE}"
            ) from error
    return text.getvalue()


def _first_line(path: Path, source: Path | bytes) -> tuple[int, str]:
    with _opened(source) as file:
        number = 0
        while line := file.readline(HEAD):
            number += 1
            text = _decoded(path, number, line)
            if text.strip():
                return number, text
    raise ConfigError(f"The table {path} is empty: it holds blank lines alone.")


def _decoded(path: Path, number: int, line: bytes) -> str:
    if len(line) == HEAD:
        raise ConfigError(f"{path} is no table: line {number} is longer than {HEAD:,} bytes. {ADVICE}")
    try:
        return line.decode().removeprefix("\ufeff").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, number, error) from error


def _not_utf8(path: Path, number: int, error: UnicodeDecodeError) -> ConfigError:
    byte = error.object[error.start]
    return ConfigError(f"{path} is not UTF-8: line {number} has the byte 0x{byte:02X}. {ADVICE}")


def _opened(source: Path | bytes) -> io.BufferedIOBase:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
