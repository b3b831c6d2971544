"""Cells of the tables that a run writes, which people open in spreadsheets.

A spreadsheet runs a cell that begins like a formula, whoever wrote it: the name of a recording is enough
(https://owasp.org/www-community/attacks/CSV_Injection). Such cells get an apostrophe in front, which makes
them text there, and lose it when they are read back. Cells that begin so with apostrophes in front get one
more, so that every text comes back as it was.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

APOSTROPHE = "'"
# The last four are the wide forms of = + - @, which spreadsheets take for the same.
_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def guard(cell: str) -> str:
    """Returns the cell as no spreadsheet runs it; numbers stay numbers.

    >>> guard("=1+1"), guard("-a.wav"), guard("'=1"), guard("-0.5"), guard("a=b")
    ("'=1+1", "'-a.wav", "''=1", '-0.5', 'a=b')
    """
    if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return APOSTROPHE + cell
    return cell


def unguard(cell: str) -> str:
    """Returns what :func:`guard` was given.

    >>> unguard("'=1+1"), unguard("''=1"), unguard("'tis")
    ('=1+1', "'=1", "'tis")
    """
    if cell.startswith(APOSTROPHE) and _FORMULA.match(cell):
        return cell[1:]
    return cell


class Writer:
    """Writes rows of CSV that :class:`Reader` gives back.

    A lone carriage return needs quotes, which ``csv`` forgets before Python 3.13: its own reader would end
    the row there.
    """

    def __init__(self, text: io.TextIOBase) -> None:
        self._plain = csv.writer(text, lineterminator="\n")
        self._quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def writerow(self, cells: Sequence[str]) -> None:
        """Writes one row."""
        rows = self._quoted if any("\r" in cell for cell in cells) else self._plain
        rows.writerow([guard(cell) for cell in cells])

    def writerows(self, rows: Iterable[Sequence[str]]) -> None:
        """Writes rows, one after the other."""
        for row in rows:
            self.writerow(row)


class Reader(Iterator[list[str]]):
    """Reads rows of CSV, as ``csv.reader`` does, with the cells as they were given to :class:`Writer`."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rows = csv.reader(lines)

    @property
    def line_num(self) -> int:
        """The line at which the last row ended."""
        return self._rows.line_num

    def __next__(self) -> list[str]:
        return [unguard(cell) for cell in next(self._rows)]


def read_mappings(lines: Iterable[str]) -> Iterator[Mapping[str, str]]:
    """Reads rows as mappings from the names in the first one; cells that a row lacks are empty."""
    rows = Reader(lines)
    names = next(rows, [])
    for cells in filter(None, rows):
        yield {name: cells[place] if place < len(cells) else "" for place, name in enumerate(names)}
