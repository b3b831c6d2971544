"""What words of the command line mean, and what is said where they mean no sound."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tars import write_tar

from stylewav_pl.cli import main
from stylewav_pl.commands.places import files_of, sources_of
from stylewav_pl.data import Files, Folder, Manifest, Shards
from stylewav_pl.errors import ConfigError


def write_voice(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 9600), 16_000, format="WAV")
    return path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_words_become_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(
        tmp_path, "a/x.wav", "b/s.tar", "c/s.tar", "c/x.wav", "t.csv", "s1.tar", "s2.tar", "[1].wav", "5.mp3"
    )
    touch(tmp_path, "labels.csv", "notes.txt", "6.mp3")
    words = [
        "a",
        "b",
        "c",
        "t.csv",
        "s?.tar",
        "http://127.0.0.1/x.tar?y",
        "s{1..2}.tar",
        "[1].wav",
        "{5,6}.mp3",
    ]
    sources, ignored = sources_of(words)
    assert not ignored
    assert [type(source) for source in sources] == [Folder, Shards, Shards, Folder, Manifest, Shards, Files]
    shards, files = sources[-2:]
    assert isinstance(shards, Shards) and isinstance(files, Files)
    assert shards.patterns == ["s1.tar", "s2.tar", "http://127.0.0.1/x.tar?y", "s{1..2}.tar"]
    assert [path.name for path in files.paths] == ["[1].wav", "5.mp3", "6.mp3"]
    sources, ignored = sources_of(["*"])
    assert len(sources) == 7
    assert str(ignored[0]).startswith("*: ignored 2 files (1 .csv, 1 .txt).")


def test_a_deep_pattern_names_each_file_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/c.wav", "a/d.flac", "a/e.json")
    files, ignored = files_of([f"{tmp_path}/**", str(tmp_path / "a")])
    assert [Path(file).name for file in files] == ["c.wav", "d.flac"]
    assert [dict(one.counts) for one in ignored] == [{".json": 1}, {".json": 1}]


@pytest.mark.parametrize("word", ["gone", "gone.wav", "~nobody-of-this-name/a.wav", "x" * 5000, "a\0b"])
def test_what_is_not_there_is_told(word: str) -> None:
    with pytest.raises(ConfigError, match="found nothing"):
        sources_of([word])
    assert files_of([word]) == ([word], [])


def test_check_takes_files_folders_tables_and_patterns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("folder/male/a.wav", "home/b.wav", "home/c.wav", "listed.wav", "alone.sound"):
        voice = write_voice(tmp_path / f"{name}.wav")
        voice.rename(tmp_path / name)
    (tmp_path / "home" / "notes.txt").write_text("no sound")
    (tmp_path / "table.tsv").write_text("path\tsex\nlisted.wav\tfemale\n")
    words = ["folder", "folder/*/*.wav", "~/home/*", "table.tsv", "alone.sound"]
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", *words]) == 0
    out = capsys.readouterr().out
    assert "5 clips: 1 female, 1 male, 3 unlabelled" in out
    assert "~/home/*: ignored 1 file (1 .txt)" in out
    assert "5 can be used, 0 would be skipped" in out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shard.tar", r"shard\.tar: ignored 2 members \(1 \.wav\.data, 1 \.wav\.label\)"),
        ("archives", r"archives: ignored 2 files \(1 \.tar\.gz, 1 \.zip\).*unpack them"),
        ("texts", r"texts: ignored 2 files \(2 \.txt\)"),
        ("empty", r"every source of data is empty \(\S+/empty\)\. Put audio files there"),
    ],
)
@pytest.mark.parametrize("command", ["check", "validate", "shards"])
def test_what_holds_no_sound_says_what_it_holds_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, name: str, words: str
) -> None:
    write_tar(tmp_path / "shard.tar", {"a.wav.data": b"1", "a.wav.label": b"2"})
    for file in ("archives/a.zip", "archives/b.tar.gz", "texts/a.txt", "texts/b.TXT", "empty/.hidden.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    source = "Shards" if name == "shard.tar" else "Folder"
    config = tmp_path / "data.yaml"
    config.write_text(
        f"data: {{sources: [{{class_path: {source}, init_args: {{path: {tmp_path / name}}}}}]}}\n"
    )
    given = ["--config", str(config)]
    commands = {
        "check": ["data", "check", str(tmp_path / name)],
        "validate": ["validate", "--config", "demo.yaml", *given, "--run", str(tmp_path / "run")],
        "shards": ["data", "shards", *given, "-o", str(tmp_path / "out")],
    }
    assert main(commands[command]) == 2
    told = capsys.readouterr().err
    assert "No audio was found" in told
    assert re.search(words, told)


def test_check_of_clips_none_of_which_can_be_used_ends_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"x")
    assert main(["data", "check", str(tmp_path / "bad.wav")]) == 4
    assert "0 can be used, 1 would be skipped (1 unreadable)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"path,sex\na.wav,male\nb.wav,male,x\n", "t.csv, line 3: cells: 3 instead of 2"),
        ("t.csv", b"path,sex\ncaf\xe9.wav,male\n", "t.csv is not UTF-8: line 2"),
        ("t.csv", b"", "t.csv is empty"),
        ("t.tsv", None, "No audio was found"),
    ],
)
def test_check_of_a_wrong_table_ends_with_2_and_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, words: str
) -> None:
    if content is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(content)
    assert main(["data", "check", str(tmp_path / name)]) == 2
    told = capsys.readouterr().err
    assert words in told and "Traceback" not in told and told.count("\n") == 1
