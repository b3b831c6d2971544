"""Shards as a source: what was written comes back, and nothing else happens."""

import io
import tarfile
from pathlib import Path

import pytest

from stylewav_pl.data import BuiltinVoices, ClipDataModule, Folder, Population, Sample, Shards, Window
from stylewav_pl.data.shard_writer import write_shards
from stylewav_pl.types import AudioError, ConfigError, SkipReason


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
    assert [(clip.id, clip.speaker, clip.labels) for clip in clips] == [(clip.id, clip.speaker, clip.labels) for clip in written.list_clips()]
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
    assert caught.value.reason is SkipReason.MISSING


def _tar(path: Path, **members: bytes) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name.replace("_", "."))
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    "members", [{"a_wav": b""}, {"a_wav": b"", "a_json": b"[1]"}, {"a_wav": b"", "a_json": b"{"}, {"a_wav": b"", "a_json": b"{}"}]
)
def test_what_is_no_shard_is_named(tmp_path: Path, members: dict[str, bytes]) -> None:
    _tar(tmp_path / "x.tar", **members)
    with pytest.raises(ConfigError, match=r"x\.tar is no shard"):
        Shards(tmp_path).list_clips()


def test_no_shards(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found none"):
        Shards(tmp_path).list_clips()
    (tmp_path / "x.tar").write_bytes(b"text")
    with pytest.raises(ConfigError, match="is no shard"):
        Shards(tmp_path).list_clips()
