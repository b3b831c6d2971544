"""Shards: the same bytes each time, whole or absent, and readable by webdataset."""

import io
import json
from pathlib import Path

import pytest
import soundfile
import webdataset

from stylewav_pl.data import BuiltinVoices, ClipDataModule, Files, Folder
from stylewav_pl.data.shard_writer import INDEX, write_shards
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import SkipReason

# webdataset leaves the closing of a shard that it read to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture
def folder(spoken: dict[str, Path], tmp_path: Path) -> Path:
    for place in range(5):
        path = tmp_path / "voices" / ("male" if place % 2 else "female") / f"Take {place}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(spoken["male.mp3"].read_bytes())
    return tmp_path / "voices"


def members(path: Path) -> list[dict[str, bytes]]:
    return list(webdataset.WebDataset(str(path), shardshuffle=False))


def test_files_go_in_unchanged_with_their_labels(
    folder: Path, spoken: dict[str, Path], tmp_path: Path
) -> None:
    assert write_shards(ClipDataModule([Folder(folder)]), tmp_path / "out", clips_per_shard=3) == []
    index = json.loads((tmp_path / "out" / INDEX).read_text())
    assert [(shard["file"], shard["clips"]) for shard in index["shards"]] == [
        ("clips-00000.tar", 3),
        ("clips-00001.tar", 2),
    ]
    found = [member for shard in index["shards"] for member in members(tmp_path / "out" / shard["file"])]
    assert all(member["mp3"] == spoken["male.mp3"].read_bytes() for member in found)
    assert json.loads(found[3]["json"]) == {"id": "male/Take 1", "speaker": "", "labels": {"sex": "male"}}
    assert len({member["__key__"] for member in found}) == 5


def test_the_same_clips_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    shards = []
    for name in ("one", "two"):
        write_shards(ClipDataModule([Folder(folder)]), tmp_path / name)
        shards.append((tmp_path / name / "clips-00000.tar").read_bytes())
    assert shards[0] == shards[1]


def test_ids_that_differ_in_dots_alone_are_two_samples(spoken: dict[str, Path], tmp_path: Path) -> None:
    for name in ("take.1", "take-1"):
        (tmp_path / "voices").mkdir(exist_ok=True)
        (tmp_path / "voices" / f"{name}.mp3").write_bytes(spoken["male.mp3"].read_bytes())
    assert write_shards(ClipDataModule([Folder(tmp_path / "voices")]), tmp_path / "out") == []
    found = members(tmp_path / "out" / "clips-00000.tar")
    assert [json.loads(member["json"])["id"] for member in found] == ["take-1", "take.1"]


def test_of_clips_that_would_share_a_name_the_first_is_written(
    spoken: dict[str, Path], tmp_path: Path
) -> None:
    voices = tmp_path / "voices"
    voices.mkdir()
    for name in ("v#^<^#", "v'=:~&"):  # the same slug, ten digits of the hash included
        (voices / f"{name}.mp3").write_bytes(spoken["male.mp3"].read_bytes())
    (skip,) = write_shards(ClipDataModule([Folder(voices)]), tmp_path / "out")
    assert (skip.id, skip.reason) == ("v'=:~&", SkipReason.DUPLICATE_ID) and "v#^<^#" in skip.detail
    (found,) = members(tmp_path / "out" / "clips-00000.tar")
    assert json.loads(found["json"])["id"] == "v#^<^#"
    assert json.loads((tmp_path / "out" / INDEX).read_text())["clips"] == 1


def test_made_voices_become_flac(tmp_path: Path) -> None:
    write_shards(ClipDataModule([BuiltinVoices(per_sex=1, seconds=1.0)]), tmp_path / "out")
    first, _ = members(tmp_path / "out" / "clips-00000.tar")
    samples, rate = soundfile.read(io.BytesIO(first["flac"]))
    assert (len(samples), rate) == (16_000, 16_000)


def test_missing_files_are_named_and_nothing_else_is_lost(folder: Path, tmp_path: Path) -> None:
    skips = write_shards(ClipDataModule([Files([tmp_path / "gone.wav"]), Folder(folder)]), tmp_path / "out")
    assert [(skip.id, skip.reason) for skip in skips] == [("gone", SkipReason.UNREADABLE)]
    index = json.loads((tmp_path / "out" / INDEX).read_text())
    assert (index["clips"], index["skipped"][0]["id"]) == (5, "gone")


def test_a_finished_set_is_not_overwritten_and_an_unfinished_one_is(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "clips-00007.tar").touch()
    (out / "clips-00007.index.json").touch()
    write_shards(ClipDataModule([Folder(folder)]), out)
    assert sorted(path.name for path in out.iterdir()) == [
        "clips-00000.index.json",
        "clips-00000.tar",
        INDEX,
    ]
    with pytest.raises(ConfigError, match="holds shards already"):
        write_shards(ClipDataModule([Folder(folder)]), out)


def test_nothing_to_write(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="found 0 clips"):
        write_shards(ClipDataModule([Folder(tmp_path / "empty")]), tmp_path / "out")
    assert not (tmp_path / "out").exists()
