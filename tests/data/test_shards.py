"""Shards as a source: what was written comes back, and nothing else happens."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from tars import tar_bytes, without_end, write_tar

from stylewav_pl.data import (
    BuiltinVoices,
    ClipDataModule,
    Folder,
    Population,
    Sample,
    Shards,
    Window,
    shard_contents,
    shard_index,
)
from stylewav_pl.data.audio import decode
from stylewav_pl.data.shard_writer import write_shards
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import AudioError, Skip, SkipReason


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(spoken: dict[str, Path], tmp_path: Path) -> Path:
    for sex in ("female", "male"):
        for suffix in ("mp3", "wav"):
            path = tmp_path / "voices" / sex / f"{suffix} voice.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(spoken[f"{sex}.{suffix}"].read_bytes())
    return tmp_path / "voices"


def test_clips_come_back_as_they_were(folder: Path, tmp_path: Path) -> None:
    written = Folder(folder)
    write_shards(ClipDataModule([written]), tmp_path / "out", clips_per_shard=3)
    stored = Shards(tmp_path / "out")
    clips = stored.list_clips()
    assert [(clip.id, clip.speaker, clip.labels) for clip in clips] == [
        (clip.id, clip.speaker, clip.labels) for clip in written.list_clips()
    ]
    for clip, original in zip(clips, written.list_clips(), strict=True):
        assert stored.read(clip, 16_000, Window()).equal(written.read(original, 16_000, Window()))


def test_workers_and_samples_read_shards(folder: Path, tmp_path: Path) -> None:
    write_shards(ClipDataModule([Folder(folder), BuiltinVoices(per_sex=1, seconds=0.6)]), tmp_path / "out")
    sample = Sample(Shards(tmp_path / "out"), "sex", {"male": Population(3), "female": Population(3)})
    data = ClipDataModule([sample], num_workers=1)
    assert all(not hasattr(data.load(clip.id), "reason") for clip in data.list_clips())


def test_a_shard_that_vanished_is_a_reason(folder: Path, tmp_path: Path) -> None:
    write_shards(ClipDataModule([Folder(folder)]), tmp_path / "out")
    stored = Shards(tmp_path / "out")
    first = stored.list_clips()[0]
    (tmp_path / "out" / "clips-00000.tar").unlink()
    with pytest.raises(AudioError) as caught:
        stored.read(first, 16_000, Window())
    assert caught.value.reason is SkipReason.UNREADABLE
    assert "No such file" in caught.value.detail


def told(**facts: object) -> bytes:
    return json.dumps(facts).encode()


def found(
    path: Path, members: Mapping[str, bytes], **header: object
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Ids with their path, and skips with their reason, of one shard."""
    source = Shards(write_tar(path / "x.tar", members, **header))
    return (
        [(clip.id, Path(clip.path).relative_to(path).as_posix()) for clip in source.list_clips()],
        [(skip.id, skip.reason.value) for skip in source.skips],
    )


def test_shards_of_others_need_no_json(tmp_path: Path) -> None:
    members = {
        "folder/one.wav": b"1",
        "two.channel.FLAC": b"2",
        "two.txt": b"words",
        "three.jpg": b"3",
        ".hidden.wav": b"4",
        "noise": b"5",
    }
    assert found(tmp_path, members) == (
        [("folder/one", "x.tar/folder/one.wav"), ("two", "x.tar/two.channel.FLAC")],
        [],
    )


def test_labels_and_speaker_come_from_the_json(tmp_path: Path) -> None:
    facts = {
        "id": 7,
        "speaker": "Anna",
        "labels": {"age": 30, "sex": " female ", "accent": None},
        "text": ["unused"],
    }
    write_tar(tmp_path / "x.tar", {"a.json": told(**facts), "a.wav": b"1"})
    (clip,) = Shards(tmp_path).list_clips()
    assert (clip.id, clip.speaker, clip.labels) == ("7", "Anna", {"age": "30", "sex": "female"})


BAD_JSON = {
    "not utf-8": b'{"id": "caf\xe9"}',
    "not json": b"{",
    "a list": b"[1]",
    "labels in a list": told(labels=["female"]),
    "a list as label": told(labels={"sex": ["female"]}),
    "a list as id": told(id=[1]),
    "half a character": b'{"id": "\\ud800"}',
    "nul": told(labels={"sex": "\0"}),
    "too deep": b"[" * 100_000,
    "too large": b" " * (1 << 20) + b"{}",
}


@pytest.mark.parametrize("kind", BAD_JSON)
def test_a_json_that_is_no_use_costs_its_clip_alone(tmp_path: Path, kind: str) -> None:
    members = {"a.wav": b"1", "a.json": BAD_JSON[kind], "b.wav": b"2", "b.json": b"{}"}
    assert found(tmp_path, members) == ([("b", "x.tar/b.wav")], [("a", "bad-labels")])


def test_a_sound_without_json_among_others_and_a_json_without_sound(tmp_path: Path) -> None:
    members = {"a.wav": b"1", "a.json": b"{}", "b.wav": b"2", "c.json": b"{}"}
    assert found(tmp_path, members) == ([("a", "x.tar/a.wav")], [("b", "bad-labels"), ("c", "missing")])


def test_many_sounds_of_one_name_read_their_json_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = shard_contents._told
    monkeypatch.setattr(shard_contents, "_told", lambda *given: read.append("") or original(*given))
    sounds = {f"{key}.{number}.wav": b"1" for number in range(50) for key in "ab"}
    labels = {"text": "x" * shard_contents.LONGEST_TEXT}
    clips, skips = found(tmp_path, {**sounds, "a.json": told(labels=labels), "b.json": b"{"})
    assert len(read) == 2
    assert clips == [("a", "x.tar/a.0.wav")]
    assert [reason for _, reason in skips].count("duplicate-id") == 49
    assert [reason for _, reason in skips].count("bad-labels") == 50


@pytest.mark.parametrize("part", ["id", "speaker", "labels"])
def test_a_text_that_no_table_should_hold_costs_its_clip_alone(tmp_path: Path, part: str) -> None:
    text = "x" * (shard_contents.LONGEST_TEXT + 1)
    facts = {part: {"sex": text} if part == "labels" else text}
    assert found(tmp_path, {"a.wav": b"1", "a.json": told(**facts)}) == ([], [("a", "bad-labels")])


def test_a_name_without_end_is_refused_and_cut(tmp_path: Path) -> None:
    name = "x" * 100_000
    source = Shards(write_tar(tmp_path / "x.tar", {f"{name}.wav": b"1"}))
    assert source.list_clips() == []
    (skip,) = source.skips
    assert "100,004 characters" in skip.detail and len(skip.id) < 5000


@pytest.mark.parametrize("name", ["../../x.wav", "a/../../x.wav", "/etc/x.wav", "..\\x.wav", "C:/x.wav"])
def test_names_that_lead_out_of_the_shard_are_refused(tmp_path: Path, name: str) -> None:
    clips, skips = found(tmp_path / "deep", {name: b"1", "good.wav": b"2"})
    assert [id for id, _ in clips] == ["good"]
    assert [reason for _, reason in skips] == ["unsafe"]


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"6"], ids=["hard link", "link", "device", "pipe"])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    assert found(tmp_path, {"a.wav": b""}, type=kind, linkname="/etc/passwd") == ([], [("a", "unsafe")])


def test_one_id_twice_within_a_shard_and_in_two(tmp_path: Path, spoken: dict[str, Path]) -> None:
    female, male = (spoken[f"{sex}.wav"].read_bytes() for sex in ("female", "male"))
    write_tar(tmp_path / "1.tar", {"a.wav": female, "a.flac": male})
    write_tar(tmp_path / "2.tar", {"a.wav": male, "A.wav": male})
    data = ClipDataModule([Shards(tmp_path)])
    assert [clip.id for clip in data.list_clips()] == ["a", "A"]
    assert [
        (Path(skip.path).parent.name, Path(skip.path).name, skip.reason.value) for skip in data.early_skips
    ] == [
        ("1.tar", "a.flac", "duplicate-id"),
        ("2.tar", "a.wav", "duplicate-id"),
    ]
    first = data.load("a")
    assert isinstance(first, torch.Tensor) and first.equal(decode(spoken["female.wav"], 16_000, data.window))


def test_a_shard_that_is_cut_off_keeps_what_is_whole(tmp_path: Path) -> None:
    whole = without_end(tar_bytes({"a.wav": b"1" * 1024, "b.wav": b"2" * 1024}))
    for kept, ids, skipped in (
        (1535, [], ["a"]),
        (len(whole) - 1, ["a"], ["b"]),
        (len(whole), ["a", "b"], [str(tmp_path / "x.tar")]),
    ):
        (tmp_path / "x.tar").write_bytes(whole[:kept])
        source = Shards(tmp_path)
        assert [clip.id for clip in source.list_clips()] == ids
        assert [skip.id for skip in source.skips] == skipped
        assert all("cut off" in skip.detail for skip in source.skips)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes"),
        (b"This is a letter.", "not a tar file"),
        (b"\x1f\x8b\x08" + bytes(900), "a gzip file; expected a plain tar"),
    ],
)
def test_a_shard_that_is_none_is_named_and_the_others_are_used(
    tmp_path: Path, content: bytes, words: str
) -> None:
    write_tar(tmp_path / "good.tar", {"a.wav": b"1"})
    (tmp_path / "bad.tar").write_bytes(content)
    source = Shards(tmp_path)
    assert [clip.id for clip in source.list_clips()] == ["a"]
    (skip,) = source.skips
    assert skip.path.endswith("bad.tar") and words in skip.detail


def test_a_shard_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tar(tmp_path / "a.tar", {"a.wav": b"1"})

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shard_index, "search", denied)
    (skip,) = Shards(tmp_path).skips
    assert (skip.reason, skip.detail) == (
        SkipReason.UNREADABLE,
        "The shard cannot be read: Permission denied.",
    )


def test_a_shard_is_searched_once_and_again_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []
    original = shard_index.search
    monkeypatch.setattr(shard_index, "search", lambda path: searched.append(path.name) or original(path))
    shard = write_tar(
        tmp_path / "a.tar",
        {"a.wav": b"1", "a.json": told(speaker="é", labels={"sex": "male"}), "../b.wav": b"2"},
    )
    first, second = Shards(tmp_path), Shards(tmp_path)
    assert first.list_clips() == second.list_clips() != []
    assert list(first.skips) == list(second.skips) != []
    assert searched == ["a.tar"]
    write_tar(shard, {"c.wav": b"1"})
    os.utime(shard, ns=(1, 1))
    assert [clip.id for clip in Shards(tmp_path).list_clips()] == ["c"]


@pytest.mark.parametrize("damage", [b"", b"{}", b"[", b'{"version": 1}', b"\xff"])
def test_a_damaged_index_is_made_again(tmp_path: Path, cache: Path, damage: bytes) -> None:
    write_tar(tmp_path / "a.tar", {"a.wav": b"1"})
    Shards(tmp_path).list_clips()
    (kept,) = (cache / "shard-index").iterdir()
    kept.write_bytes(damage)
    assert [clip.id for clip in Shards(tmp_path).list_clips()] == ["a"]


def test_without_a_cache_shards_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "file"))
    write_tar(tmp_path / "a.tar", {"a.wav": b"1"})
    assert [clip.id for clip in Shards(tmp_path).list_clips()] == ["a"]


def test_nothing_but_the_part_of_its_own_is_read(tmp_path: Path, spoken: dict[str, Path]) -> None:
    sounds = [spoken["male.mp3"].read_bytes(), spoken["female.wav"].read_bytes()]
    write_tar(tmp_path / "x.tar", {"a.mp3": sounds[0][:40], "b.wav": sounds[1]})
    data = ClipDataModule([Shards(tmp_path)])
    assert isinstance(data.load("a"), Skip), "40 bytes of mp3 must not go on into the next member"
    assert isinstance(data.load("b"), torch.Tensor)


def test_no_shards(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found none"):
        Shards(tmp_path).list_clips()
