"""Files on disk: ids, labels, order."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stylewav_pl.data import Files, Folder, Window
from stylewav_pl.errors import ConfigError


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_ids_labels_and_order(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "male/b.wav",
        "male/deep/a.MP3",
        "Female/c.flac",
        "x.opus",
        "a b/é.ogg",
        "notes.txt",
        ".hidden.wav",
        ".git/d.wav",
        "male.wav",
    )
    clips = Folder(tmp_path).list_clips()
    assert {clip.id: dict(clip.labels) for clip in clips} == {
        "Female/c": {"sex": "female"},
        "a b/é": {},
        "male": {},
        "male/b": {"sex": "male"},
        "male/deep/a": {"sex": "male"},
        "x": {},
    }
    assert [clip.id for clip in clips] == ["Female/c", "a b/é", "male", "male/b", "male/deep/a", "x"]
    assert clips[3].path == (tmp_path / "male/b.wav").as_posix()


def test_the_nearest_folder_is_the_label(tmp_path: Path) -> None:
    _touch(tmp_path / "male", "female/a.wav")
    assert Folder(tmp_path).list_clips()[0].labels == {"sex": "female"}


def test_the_folder_itself_is_no_label(tmp_path: Path) -> None:
    _touch(tmp_path / "male", "a.wav")
    assert Folder(tmp_path / "male").list_clips()[0].labels == {}


def test_other_traits_and_no_labels(tmp_path: Path) -> None:
    _touch(tmp_path, "German/male/a.wav")
    assert Folder(tmp_path, trait="locale", values=["german", "french"]).list_clips()[0].labels == {
        "locale": "german"
    }
    assert Folder(tmp_path, labels="none").list_clips()[0].labels == {}


def test_prefix_and_dots_in_names(tmp_path: Path) -> None:
    _touch(tmp_path, "take.1.wav", "take.2.wav")
    assert [clip.id for clip in Folder(tmp_path, prefix="mine").list_clips()] == [
        "mine/take.1",
        "mine/take.2",
    ]


def test_missing_folder(tmp_path: Path) -> None:
    assert Folder(tmp_path / "voices", optional=True).list_clips() == []
    with pytest.raises(ConfigError, match="found nothing"):
        Folder(tmp_path / "voices").list_clips()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="found a file"):
        Folder(tmp_path / "file", optional=True).list_clips()


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    _touch(tmp_path / "elsewhere", "a.wav")
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "male").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "voices")
    assert [clip.id for clip in Folder(tmp_path / "voices").list_clips()] == ["male/a"]


def test_broken_links_are_listed_to_be_named_later(tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to(tmp_path / "gone")
    assert [clip.id for clip in Folder(tmp_path).list_clips()] == ["a"]


def test_files_keep_their_order_and_get_unique_ids(tmp_path: Path) -> None:
    paths = [
        tmp_path / "z.wav",
        tmp_path / "a.mp3",
        tmp_path / "sub" / "z.wav",
        tmp_path / "z.wav",
        tmp_path / "noise",
    ]
    clips = Files(paths).list_clips()
    assert [clip.id for clip in clips] == ["z", "a", "z-2", "noise"]
    assert [clip.path for clip in clips] == [
        path.as_posix() for path in (paths[0], paths[1], paths[2], paths[4])
    ]


def test_files_that_are_known_keep_their_ids(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "voice.wav" for folder in "abc"]
    known = {"voice": str(paths[1]), "voice-2": str(tmp_path / "gone" / "voice.wav")}
    assert [clip.id for clip in Files(paths, known).list_clips()] == ["voice-3", "voice", "voice-4"]


def test_read_decodes(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 8000), 8000)
    folder = Folder(tmp_path)
    assert folder.read(folder.list_clips()[0], 16_000, Window()).shape == (16_000,)
