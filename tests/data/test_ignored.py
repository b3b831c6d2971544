"""What sources leave out is told: how many, of which kind, and why."""

import os
from pathlib import Path

import pytest
from tars import tar_bytes, write_tar

from stylewav_pl.data import ClipDataModule, Folder, Manifest, Population, Sample, Shards, VggSound
from stylewav_pl.data.ignored import MAX_KINDS, OTHERS, Ignored
from stylewav_pl.runs.identity import differences


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"1")
    return folder


def counts(ignored: list[Ignored]) -> list[dict[str, int]]:
    return [dict(one.counts) for one in ignored]


def test_a_folder_tells_the_files_of_other_kinds(tmp_path: Path) -> None:
    names = (
        "a.wav",
        "sub/a.txt",
        "b.TXT",
        "c.wav.part",
        "d.tar.gz",
        "README",
        "._a.wav",
        ".DS_Store",
        ".git/e.wav",
    )
    folder = touch(tmp_path / "v", *names)
    assert counts(ClipDataModule([Folder(folder)]).ignored) == [
        {".txt": 2, ".wav.part": 1, ".tar.gz": 1, "without suffix": 1, "hidden": 1}
    ]
    assert str(Folder(folder).ignored[0]).startswith(f"{folder}: ignored 6 files (2 .txt, 1 ")
    assert Folder(tmp_path / "none", optional=True).ignored == []
    assert Folder(touch(tmp_path / "w", "a.wav")).ignored == []


def test_what_is_empty_beside_others_is_told(tmp_path: Path) -> None:
    full, empty = touch(tmp_path / "full", "a.wav"), touch(tmp_path / "empty", ".hidden.txt")
    (table := tmp_path / "table.csv").write_text("path,sex\n")
    data = ClipDataModule([Folder(full), Folder(empty), Folder(empty, optional=True), Manifest(table)])
    assert len(data.list_clips()) == 1
    assert [str(one) for one in data.ignored] == [
        f"{empty}: empty, not one file is there.",
        f"{table}: empty, not one row is there.",
    ]


def test_the_table_of_labels_is_not_ignored(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    (tmp_path / "labels.csv").write_text("id,sex\na,male\n")
    assert Folder(tmp_path, labels="csv").ignored == []
    sample = Sample(Folder(touch(tmp_path, "b.csv"), labels="csv"), "sex", {"male": Population(1)})
    assert counts(ClipDataModule([sample]).ignored) == [{".csv": 1}]


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the tests may be allowed to read everything; so the refusal is made here."""
    touch(tmp_path, "a.wav", "secret/b.wav")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert counts(ClipDataModule([Folder(tmp_path)]).ignored) == [{"folders that cannot be read": 1}]


def test_shards_tell_members_and_files_beside_them(tmp_path: Path) -> None:
    folder = touch(tmp_path / "s", "loose.wav", "x.tar.gz", "shards.json")
    write_tar(folder / "0.tar", {"a.wav": b"1", "a.json": b"{}", "a.txt": b"1"})
    write_tar(folder / "1.tar", {"b.wav.data": b"1", "b.wav.label": b"1", "c.wav": b"1"})
    for _ in range(2):  # searched, then remembered
        found = Shards(folder).ignored
        assert counts(list(found)) == [
            {".txt": 1},
            {".wav.data": 1, ".wav.label": 1},
            {".wav": 1, ".tar.gz": 1},
        ]
        assert str(found[1]).startswith(f"{folder}/1.tar: ignored 2 members (1 .wav.data, 1 .wav.label).")
    for number in range(2, 6):
        (folder / f"{number}.tar").write_bytes(tar_bytes({f"{number}.txt": b"1"}))
    assert counts(list(Shards(folder).ignored))[0] == {".txt": 5, ".wav.data": 1, ".wav.label": 1}


def test_vggsound_tells_sounds_without_a_row(tmp_path: Path) -> None:
    folder = touch(tmp_path / "sounds", "a_000001.wav", "b_000001.wav", "c.wav", "notes.txt")
    (tmp_path / "vggsound.csv").write_text("a,1,thunder,train\nb,1,thunder,test\n")
    source = VggSound(tmp_path / "vggsound.csv", folder, splits=["train"])
    assert counts(ClipDataModule([source]).ignored) == [
        {".txt": 1, "sounds that no chosen row of vggsound.csv names": 2}
    ]


def test_a_million_kinds_take_no_more_memory_than_a_few() -> None:
    ignored = Ignored("x\x1b[2J.tar", "member")
    for number in range(1000):
        ignored.add(f"a.k{number}")
    assert len(ignored.counts) == MAX_KINDS + 1
    assert ignored.counts[OTHERS] == 1000 - MAX_KINDS
    assert str(ignored).startswith("x?[2J.tar: ignored 1,000 members (950 of other kinds, 1 .k0")


def test_another_sample_is_explained() -> None:
    told = differences({"samples": {"0": "abc"}}, {"samples": {"0": "def"}})
    assert told == [
        "samples.0: 'abc' -> 'def': other clips are drawn, since the settings, a table or the files on disk "
        "have changed"
    ]
