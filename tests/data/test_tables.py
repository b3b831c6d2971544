"""The opener of tables: every encoding and line end reads back, and what is wrong is told with its line."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stylewav_pl.data.table_text import LINE
from stylewav_pl.data.tables import FAULT, open_table
from stylewav_pl.errors import ConfigError

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
LINE_ENDS = ("\n", "\r\n", "\r")

# What a cell may hold: anything but line ends, tabs, NUL, the unit separator, and space around it.
signs = st.characters(
    exclude_characters="\n\r\t\0\x1f", exclude_categories=("Cs", "Zs", "Zl", "Zp", "Cc", "Cf")
)
words = st.text(st.one_of(signs, st.sampled_from(" \",;'=é你")), max_size=12).map(str.strip)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(words, min_size=width, max_size=width).filter(any), max_size=6)
)


def write(path: Path, lines: list[str], encoding: str = "utf-8", end: str = "\n") -> Path:
    path.write_bytes(MARKS.get(encoding, b"") + "".join(line + end for line in lines).encode(encoding))
    return path


def quoted(cells: list[str], separator: str = ",") -> str:
    """A line as Python's own writer has it: another implementation of the same rules."""
    line = io.StringIO()
    csv.writer(line, delimiter=separator, lineterminator="").writerow(cells)
    return line.getvalue()


def read(path: Path) -> list[list[str]]:
    table = open_table(path)
    return [list(row) for row in table.read(table.columns).drop(LINE).iter_rows()]


@given(rows=tables, encoding=st.sampled_from(ENCODINGS), end=st.sampled_from(LINE_ENDS))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_of_any_encoding_and_line_end_reads_back(
    tmp_path: Path, rows: list[list[str]], encoding: str, end: str
) -> None:
    names = [f"column {place}" for place in range(len(rows[0]) if rows else 2)]
    lines = [quoted(names), *map(quoted, rows)]
    blank = [row for row in rows if not "".join(row).strip(' ,"')]  # commas and quotation marks alone
    kept = [row for row in rows if row not in blank]
    assert read(write(tmp_path / "t.csv", lines, encoding, end)) == kept


@given(rows=tables, end=st.sampled_from(LINE_ENDS), encoding=st.sampled_from(["utf-8", "utf-8-sig"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_text_with_tabs_has_no_quoting(
    tmp_path: Path, rows: list[list[str]], encoding: str, end: str
) -> None:
    names = [f"column {place}" for place in range(len(rows[0]) if rows else 2)]
    lines = ["\t".join(cells) for cells in [names, *rows]]
    assert read(write(tmp_path / "t.tsv", lines, encoding, end)) == rows


def test_a_quotation_mark_swallows_no_row(tmp_path: Path) -> None:
    lines = [
        "path\tsentence\tsex",
        '0.mp3\t"Hello there\tmale',
        '1.mp3\tyou said"\tfemale',
        "2.mp3\tfine\tmale",
    ]
    assert read(write(tmp_path / "t.tsv", lines)) == [
        ["0.mp3", '"Hello there', "male"],
        ["1.mp3", 'you said"', "female"],
        ["2.mp3", "fine", "male"],
    ]
    rest = [line.replace("\t", ",") for line in lines]
    with pytest.raises(ConfigError, match=r"t\.csv, line 2: a quotation mark is not closed"):
        read(write(tmp_path / "t.csv", rest))


def test_headers_and_cells_are_stripped_and_an_index_is_dropped(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", [", path , sex ,", "0, a.wav , male ,", '1, "b, c.wav" ,female,', ",,,", ""]
    )
    table = open_table(path)
    assert table.columns == ["path", "sex"]
    assert table.read(table.columns).rows() == [(2, "a.wav", "male"), (3, "b, c.wav", "female")]


@pytest.mark.parametrize("header", ["\tUnnamed: 0\tpath", "Unnamed: 0\tUnnamed: 0.1\tpath"])
def test_indices_of_several_savings_are_dropped(tmp_path: Path, header: str) -> None:
    assert read(write(tmp_path / "t.tsv", [header, "0\t0\ta.wav"])) == [["a.wav"]]


def test_pandas_index_in_parquet_is_dropped(tmp_path: Path) -> None:
    frame = pl.DataFrame({"path": ["a.wav"], "age": [30], "__index_level_0__": [7]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet") == [["a.wav", "30"]]
    (tmp_path / "t.parquet").rename(tmp_path / "t.csv")  # the content says what it is
    assert read(tmp_path / "t.csv") == [["a.wav", "30"]]


def test_unicode_text_of_a_spreadsheet(tmp_path: Path) -> None:
    """Cells with a comma or a quotation mark stand in quotation marks there, between tabs."""
    lines = ["path\tsex\tsentence", '"a, b.wav"\tmännlich\t"say ""hi"""', 'c.wav\tmale\t"Who?" he said, "I?"']
    assert read(write(tmp_path / "t.csv", lines, "utf-16", "\r\n")) == [
        ["a, b.wav", "männlich", 'say "hi"'],
        ["c.wav", "male", '"Who?" he said, "I?"'],
    ]


def test_other_separators(tmp_path: Path) -> None:
    assert read(write(tmp_path / "t.csv", ["path;sex", '"a;b, c.wav";male'])) == [["a;b, c.wav", "male"]]
    assert read(write(tmp_path / "t.csv", ["path\tsex", "a, b.wav\tmale"])) == [["a, b.wav", "male"]]
    assert read(write(tmp_path / "t.csv", ['"path; of","sex"', "a,b"])) == [["a", "b"]]
    assert read(write(tmp_path / "t.tsv", ['"path"\t"sex"', '"a ""x"".wav"\t"male"'])) == [
        ['a "x".wav', "male"]
    ]


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        ("t.tsv", ["path\tsex", "a\tm", "b\tm\tx"], "line 3: cells: 3 instead of 2"),
        ("t.tsv", ["path\tsex", "", "a"], "line 3: cells: 1 instead of 2"),
        ("t.csv", ["path,sex", "a,m", "b,m,x"], "line 3: cells: 3 instead of 2"),
        ("t.csv", ["path,sex", "a"], "line 2: cells: 1 instead of 2"),
        ("t.csv", ["path,sex", "a,m", "b\tc,m"], "line 3: a tab inside a cell"),
        ("t.csv", ["path,sex", '"a', 'b",m'], "line 2: a quotation mark is not closed"),
        ("t.csv", ["path,sex", 'a 5" disk,m'], "line 2: .*not doubled inside a cell"),
        ("t.csv", ['path,"sex'], "line 1: a quotation mark is not closed"),
        ("t.tsv", ["path\tsex", "a\tm", "b\rc\tm"], r"line 3: a line break \(CR\) inside a cell"),
        ("t.tsv", ["path\tsex", "a\tm\0"], "NUL"),
        ("t.tsv", ["path\tsex", "a\tm", "b\tm" + 2_000_000 * "x" + "\0"], "line 3: a NUL character"),
        ("t.csv", ["path,,sex", "a,,m", "b,x,m"], "line 3: a cell in column 2, which has no name"),
        ("t.csv", ["path, path ", "a,m"], "more than one column 'path'"),
        ("t.csv", [",", "a,m"], "no columns with a name"),
        ("t.csv", ["", " ", ""], "blank lines alone"),
        ("t.csv", ["x" * 2_000_000], "line 1 is longer"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, lines: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(write(tmp_path / name, lines))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: 0 bytes"),
        (b"\xef\xbb\xbf", "blank lines alone"),
        (b"path,sex\na,m\ncaf\xe9.wav,m\n", "not UTF-8: line 3 has the byte 0xE9"),
        (b"p\xe4th,sex\na,m\n", "not UTF-8: line 1 has the byte 0xE4"),
        (b"path,sex\ra,m\rcaf\xe9.wav,m\r", "is not UTF-8"),
        ("path,sex\na,m".encode("utf-16")[:-1], "is not UTF-16, though it begins as such"),
        ("path,sex".encode("utf-16-le"), "NUL bytes.*UTF-16 without a byte-order mark"),
        (b"PK\x03\x04\0\0", "NUL bytes, as workbooks"),
        (b"PAR1 and then nothing", "cannot be read as a table"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        read(tmp_path / "t.csv")


def test_what_lies_in_place_of_a_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found nothing"):
        open_table(tmp_path / "t.csv")
    with pytest.raises(ConfigError, match="found a folder"):
        open_table(tmp_path)
    (tmp_path / "t.parquet").write_text("path,sex\n")
    with pytest.raises(ConfigError, match="called Parquet and is none"):
        open_table(tmp_path / "t.parquet")


def test_lines_are_counted_rightly_in_long_tables(tmp_path: Path) -> None:
    """polars reads in parallel parts; blank lines and old line ends must not move the numbers."""
    for end in LINE_ENDS:
        lines = ["path\tsex", *(f"{number}.wav\tm" if number % 7 else "" for number in range(60_000)), "x"]
        rows = open_table(write(tmp_path / "t.tsv", lines, end=end)).rows.collect(engine="streaming")
        wrong = rows.filter(pl.col(FAULT).is_not_null())
        assert wrong[LINE].to_list() == [60_002]
        assert (rows.head(-1)["path"] == (rows.head(-1)[LINE] - 2).cast(pl.String) + ".wav").all()
