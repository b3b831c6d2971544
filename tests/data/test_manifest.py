"""Tables of the user's own: what they may look like, and what is said about those that cannot be used."""

from pathlib import Path

import polars as pl
import pytest

from stylewav_pl.data import ClipDataModule, Manifest
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import Skip, SkipReason

ROWS = [
    {"path": "x/a.wav", "id": "first", "speaker": "Anna", "sex": "female", "age": "030"},
    {"path": "/abs/b.c.mp3", "id": "", "speaker": "", "sex": "", "age": ""},
    {"path": 'ü, "q".ogg', "id": "", "speaker": " Bo ", "sex": "male", "age": "41"},
]


def write(path: Path, rows: list[dict[str, str]] = ROWS) -> Path:
    table = pl.DataFrame(rows)
    if path.suffix == ".parquet":
        table.write_parquet(path)
    else:
        tabs = path.suffix == ".tsv"
        table.write_csv(path, separator="\t" if tabs else ",", quote_style="never" if tabs else None)
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_rows_are_clips(tmp_path: Path, suffix: str) -> None:
    clips = Manifest(write(tmp_path / f"table.{suffix}")).list_clips()
    assert [(clip.id, clip.path, clip.speaker, clip.labels) for clip in clips] == [
        ("first", f"{tmp_path}/x/a.wav", "Anna", {"sex": "female", "age": "030"}),
        ("abs/b.c", "/abs/b.c.mp3", "", {}),
        ('ü, "q"', f'{tmp_path}/ü, "q".ogg', "Bo", {"sex": "male", "age": "41"}),
    ]


def test_another_root_and_chosen_traits(tmp_path: Path) -> None:
    first = Manifest(write(tmp_path / "table.csv"), root="/recordings", traits=["sex"]).list_clips()[0]
    assert (first.path, first.labels) == ("/recordings/x/a.wav", {"sex": "female"})


def test_columns_of_any_type(tmp_path: Path) -> None:
    pl.DataFrame(
        {
            "path": ["a.wav"],
            "age": [30],
            "tall": [True],
            "words": [["a", "b"]],
            "bytes": [b"x"],
            "nul": ["a\0b"],
            "lines": ["a\nb\tc"],
        }
    ).write_parquet(tmp_path / "t.parquet")
    assert Manifest(tmp_path / "t.parquet").list_clips()[0].labels == {
        "age": "30",
        "tall": "true",
        "nul": "ab",
        "lines": "a\nb\tc",
    }


def test_a_table_of_a_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("\ufeffpath,sex\r\na.wav,male\r\n".encode())
    (clip,) = Manifest(tmp_path / "t.csv").list_clips()
    assert (clip.id, clip.labels) == ("a", {"sex": "male"})


def test_missing_files_rows_without_a_path_and_repeated_ids_are_skips(
    tmp_path: Path, spoken: dict[str, Path]
) -> None:
    good = str(spoken["male.wav"])
    rows = [
        {"path": good, "id": "a", "sex": ""},
        {"path": "gone.wav", "id": "b", "sex": ""},
        {"path": "", "id": "", "sex": "male"},
        {"path": "", "id": "", "sex": ""},
        {"path": good, "id": "a", "sex": ""},
    ]
    data = ClipDataModule([Manifest(write(tmp_path / "t.csv", rows))])
    loaded = {clip.id: data.load(clip.id) for clip in data.list_clips()}
    assert {id: found.reason if isinstance(found, Skip) else "used" for id, found in loaded.items()} == {
        "a": "used",
        "b": SkipReason.MISSING,
        "row 3": SkipReason.MISSING,
    }
    assert [(skip.id, skip.reason) for skip in data.early_skips] == [("a", SkipReason.DUPLICATE_ID)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"file;sex\na.wav;male\n", "has the columns file, sex; expected path, too"),
        ("t.csv", b"path,sex\ncaf\xe9.wav,male\n", "line 2 has the byte 0xE9"),
        ("t.csv", b"path,sex\na.wav,male,30\n", "line 2: cells: 3 instead of 2"),
        ("t.parquet", b"path,sex\n", "cannot be read as a table"),
    ],
)
def test_a_wrong_table_stops_at_once(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        Manifest(tmp_path / name).list_clips()


def test_a_missing_table_and_a_missing_trait(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found nothing"):
        Manifest(tmp_path / "t.csv").list_clips()
    with pytest.raises(ConfigError, match="found a folder"):
        Manifest(tmp_path).list_clips()
    with pytest.raises(ConfigError, match="expected accent, too"):
        Manifest(write(tmp_path / "t.csv"), traits=["accent"]).list_clips()


def test_rows_with_equal_labels_share_them(tmp_path: Path) -> None:
    """Millions of rows would need half as much memory again."""
    (tmp_path / "t.csv").write_text(
        "path,sex\n" + "".join(f"{number}.wav,{'mf'[number % 2]}\n" for number in range(4))
    )
    clips = Manifest(tmp_path / "t.csv").list_clips()
    assert clips[0].labels is clips[2].labels and clips[1].labels == {"sex": "f"}
