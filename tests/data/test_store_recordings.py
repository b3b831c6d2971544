"""Recordings one by one in a real S3 server on the loopback: the same clips and sounds as from a disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile
import torch
from object_store import Flaky, serving
from tars import tar_bytes

from stylewav_pl.data import (
    ClipDataModule,
    CommonVoice,
    Folder,
    Manifest,
    Population,
    Shards,
    store_recordings,
)
from stylewav_pl.data.common_voice_store import fetch_tables
from stylewav_pl.data.shard_contents import search
from stylewav_pl.data.shard_index import index_text, read_index
from stylewav_pl.data.shard_writer import write_shards
from stylewav_pl.data.window import Window
from stylewav_pl.errors import ConfigError, OutputError
from stylewav_pl.runs.objects import Objects
from stylewav_pl.runs.plan import Plan
from stylewav_pl.types import AudioError, SkipReason
from stylewav_pl.weights import addresses
from stylewav_pl.weights.offline import without_network

pytest.importorskip("obstore", reason="needs the extra `store`")
pytest.importorskip("moto.server", reason="needs moto")

NAMES = [f"{sex}/v{number}.wav" for number in range(3) for sex in ("female", "male")]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six voices and what lies beside them."""
    folder = tmp_path_factory.mktemp("voices")
    for number, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(9_600), 16_000)
    (folder / "male" / "odd?na#me %20.wav").write_bytes((folder / NAMES[0]).read_bytes())
    (folder / "male" / "empty.wav").write_bytes(b"")
    (folder / "notes.txt").write_text("no sound")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "v.wav").write_bytes(b"no sound")
    (folder / "labels.csv").write_text("id,speaker,age\nmale/v0,he,twenties\nmale/gone,she,teens\n")
    return folder


@pytest.fixture(scope="module")
def server(disk: Path) -> Iterator[Flaky]:
    with serving() as flaky:
        store = Objects("s3://bucket/voices")
        for path in disk.rglob("*"):
            if path.is_file():
                store.write(path.relative_to(disk).as_posix(), path.read_bytes())
        yield flaky


@pytest.fixture(autouse=True)
def fresh(server: Flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    addresses._seen.clear()
    server.asked.clear()


def gets(server: Flaky) -> list[str]:
    return [name for method, name in server.asked if method in ("GET", "HEAD")]


@pytest.mark.parametrize("labels", ["subfolder", "csv"])
def test_a_folder_has_the_clips_that_it_has_on_a_disk(disk: Path, labels: str) -> None:
    here, there = Folder(disk, labels=labels), Folder("s3://bucket/voices/", labels=labels)
    mine, theirs = here.list_clips(), there.list_clips()
    assert [(clip.id, clip.speaker, clip.labels) for clip in theirs] == [
        (clip.id, clip.speaker, clip.labels) for clip in mine
    ]
    assert [clip.path for clip in theirs] == [
        clip.path.replace(disk.as_posix(), "s3://bucket/voices") for clip in mine
    ]
    assert [one.counts for one in there.ignored] == [one.counts for one in here.ignored]
    assert there.file_of(theirs[0]) is None


def batches(source, num_workers: int) -> list:
    data = ClipDataModule([source], cohort_size=3, num_workers=num_workers)
    data.assign(Plan(3).extended(clip.id for clip in data.list_clips()).cohorts)
    return list(data.train_dataloader())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_cohorts_are_those_of_the_disk(disk: Path, server: Flaky, num_workers: int) -> None:
    """In worker processes, too: what talks to a store does not survive a fork."""
    there = batches(Folder("s3://bucket/voices"), num_workers)
    for batch, other in zip(there, batches(Folder(disk), 0), strict=True):
        assert batch.cohort == other.cohort and len(batch.waveforms) == len(other.waveforms) > 0
        assert all(map(torch.equal, batch.waveforms, other.waveforms))
        assert [(skip.id, skip.reason) for skip in batch.skips] == [
            (skip.id, skip.reason) for skip in other.skips
        ]
    sounds = [name for name in gets(server) if name.endswith(".wav")]
    assert len(sounds) == len(NAMES) + 1 + 2, "one request for each, and two for one without a byte"
    assert len(gets(server)) == len(sounds) + 1, "a listing"


def test_shards_are_read_ahead_without_a_fork(tmp_path: Path, disk: Path) -> None:
    members = {f"v{number}.wav": (disk / name).read_bytes() for number, name in enumerate(NAMES)}
    Objects("s3://bucket").write("shards/c-0.tar", tar_bytes(members))
    Shards("s3://bucket/shards/").list_clips()
    for path in tmp_path.rglob("*.tar"):  # the contents are known, and the shard is not here any more
        path.unlink()
    assert sum(len(batch.waveforms) for batch in batches(Shards("s3://bucket/shards/"), 2)) == len(NAMES)


def test_shards_with_an_index_are_never_fetched_whole(
    tmp_path: Path, disk: Path, server: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write_shards(ClipDataModule([Folder(disk, labels="csv")]), out)
    for path in out.iterdir():
        Objects("s3://bucket/indexed").write(path.name, path)
    server.asked.clear()
    here, there = Shards(out), Shards("s3://bucket/indexed/")
    assert [(clip.id, clip.speaker, clip.labels) for clip in there.list_clips()] == [
        (clip.id, clip.speaker, clip.labels) for clip in here.list_clips()
    ]
    assert ("GET", "clips-00000.tar") not in server.asked
    for batch, other in zip(batches(there, 2), batches(here, 0), strict=True):
        assert all(map(torch.equal, batch.waveforms, other.waveforms))
    assert server.asked.count(("GET", "clips-00000.tar")) == len(NAMES) + 1, "one for each sound"
    assert not list((tmp_path / "cache").rglob("*.tar"))
    monkeypatch.setattr(store_recordings, "LARGEST", 1000)
    with pytest.raises(AudioError, match="The recording is larger"):
        there.read(there.list_clips()[0], 16_000, Window())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"version": ["shard-index-1", 10240]', '"version": ["shard-index-1", 9999]'),
        ('["v0", "v0.wav", 512,', '["v0", "v0.wav", 512000,'),
        ('["v0", "v0.wav", 512,', '["v0", "v0.wav", -512,'),
        ('["v0", "v0.wav", 512,', '[["v0"], "v0.wav", 512,'),
        ('"", {}]', '"", []]'),
        ('"entries"', '"others"'),
        ("{", ""),
    ],
)
def test_an_index_that_cannot_be_right_is_left_alone(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / "c.tar").write_bytes(tar_bytes({"v0.wav": b"RIFF"}))
    text, size = index_text(tmp_path / "c.tar"), (tmp_path / "c.tar").stat().st_size
    assert before in text and read_index(text.encode(), size) == search(tmp_path / "c.tar")
    assert read_index(text.replace(before, after, 1).encode(), size) is None


def test_rows_of_a_table_may_be_objects(tmp_path: Path, disk: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text(
        f"id,path\nfar,s3://bucket/voices/{NAMES[0]}\nhere,{disk / NAMES[1]}\nnear,male/v1.wav\n"
    )
    source = Manifest(table, root="s3://bucket/voices/")
    clips = source.list_clips()
    assert [clip.path for clip in clips] == [
        f"s3://bucket/voices/{NAMES[0]}", str(disk / NAMES[1]), "s3://bucket/voices/male/v1.wav",
    ]  # fmt: skip
    assert source.uses_network and source.file_of(clips[1]) == disk / NAMES[1]
    for clip, name in zip(clips, [NAMES[0], NAMES[1], "male/v1.wav"], strict=True):
        expected = Folder(disk).read(clip.__class__("x", str(disk / name)), 16_000, Window())
        assert torch.equal(source.read(clip, 16_000, Window()), expected)
    Objects("s3://bucket").write("tables/clips.csv", b"path\na.wav\n")
    (clip,) = Manifest("s3://bucket/tables/clips.csv").list_clips()
    assert clip.path == "s3://bucket/tables/a.wav", "beside the table"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("s3://me:word@bucket/a.wav", "a user's name or password"),
        ("s3://bucket/a.wav?X-Amz-Signature=1", "may be a signature"),
        ("https://example.org/a.wav", r"Line 2 .*expected a path on a disk or an address in a store"),
        ("pipe://cat", "Line 2"),
        ("s3://bucket/", "Line 2"),
    ],
)
def test_a_row_that_nothing_is_fetched_from_is_refused(tmp_path: Path, row: str, why: str) -> None:
    (tmp_path / "clips.csv").write_text(f"path\n{row}\n")
    with pytest.raises(ConfigError, match=why):
        Manifest(tmp_path / "clips.csv").list_clips()


SEXES = {"male": Population(1), "female": Population(1)}


@pytest.mark.parametrize("number", [3, 13, 25])
def test_a_release_gives_the_sample_that_it_gives_on_a_disk(
    release: Any, rows: list[Any], spoken: dict[str, Path], tmp_path: Path, server: Flaky, number: float
) -> None:
    """Without a folder for each locale, without durations, and with both; and some sounds are absent."""
    written = release(tmp_path / "cv", number)
    written.write(rows)
    for row in rows:
        if row.gender in ("male", "female") and row.name not in ("common_voice_en_male0", "long"):
            shutil.copy(spoken[f"{row.gender}.mp3"], written.folder() / "clips" / f"{row.name}.mp3")
    store = Objects(f"s3://bucket/release-{number}/cv")
    for path in (tmp_path / "cv").rglob("*"):
        if path.is_file():
            store.write(path.relative_to(tmp_path / "cv").as_posix(), path)
    server.asked.clear()
    here = CommonVoice(tmp_path / "cv", "sex", SEXES)
    there = CommonVoice(f"s3://bucket/release-{number}/cv/", "sex", SEXES)
    mine, theirs = here.list_clips(), there.list_clips()
    assert [(clip.id, clip.speaker, clip.labels) for clip in theirs] == [
        (clip.id, clip.speaker, clip.labels) for clip in mine
    ]
    assert all(clip.path.startswith(f"s3://bucket/release-{number}/cv/") for clip in theirs)
    sampled = [stage for stage in there.funnel if "opened" not in stage.stage]
    assert sampled == [stage for stage in here.funnel if "opened" not in stage.stage]
    opened = next(stage.count for stage in there.funnel if "opened" in stage.stage)
    assert len([name for name in gets(server) if name.endswith(".mp3")]) == opened
    assert torch.equal(there.read(theirs[0], 16_000, Window()), here.read(mine[0], 16_000, Window()))


def test_what_is_missing_in_a_release_is_told(release: Any, rows: list[Any], tmp_path: Path) -> None:
    release(tmp_path, 25).write(rows)
    for path in tmp_path.rglob("*.tsv"):
        Objects("s3://bucket/counted").write(path.relative_to(tmp_path).as_posix(), path)
    url = "s3://bucket/counted"
    assert len(CommonVoice(url, "sex", SEXES).list_clips()) == 2, "the tables alone count"
    for options, why in (
        ({"splits": ["train"]}, r"the table s3://bucket/counted/en/train\.tsv, found .*validated\.tsv"),
        ({"locales": ["de"]}, "with de, found en"),
    ):
        with pytest.raises(ConfigError, match=why):
            CommonVoice(url, "sex", SEXES, **options).list_clips()
    with pytest.raises(ConfigError, match="found nothing"):
        CommonVoice("s3://bucket/nothing", "sex", SEXES).list_clips()


def test_what_a_release_has_no_more_is_forgotten(release: Any, rows: list[Any], tmp_path: Path) -> None:
    release(tmp_path / "cv", 25).write(rows)
    store, table = Objects("s3://bucket/shrunk"), tmp_path / "cv" / "en" / "validated.tsv"
    others = ("de/validated.tsv", "en/clip_durations.tsv")
    store.write("en/validated.tsv", table)
    store.write(others[0], table)
    store.write(others[1], b"clip\tduration[ms]\ncommon_voice_en_male0.mp3\t1\n")

    def found() -> set[str]:
        addresses._seen.clear()
        root = fetch_tables("s3://bucket/shrunk", None, ["validated"])
        return {path.relative_to(root).as_posix() for path in root.rglob("*.tsv")}

    assert found() == {"en/validated.tsv", *others}
    for name in others:
        store.remove(name)
    assert found() == {"en/validated.tsv"}


def test_what_is_not_there_is_skipped_and_a_store_that_refuses_ends_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Folder("s3://bucket/voices")
    clip = source.list_clips()[0]
    with pytest.raises(AudioError, match="no such object") as missing:
        source.read(clip.__class__("gone", "s3://bucket/voices/gone.wav"), 16_000, Window())
    assert missing.value.reason == SkipReason.MISSING
    with monkeypatch.context() as patch, pytest.raises(ConfigError, match="could not be fetched: no answer"):
        patch.setattr(Objects, "fetch", Mock(side_effect=OutputError("s3://bucket", "no answer")))
        patch.setattr(store_recordings, "_reason", lambda error: "no answer")
        source.read(clip, 16_000, Window())
    with without_network(), pytest.raises(ConfigError, match="the network is switched off"):
        source.read(clip, 16_000, Window())
    assert Folder("s3://bucket/nothing", optional=True).list_clips() == []
    with pytest.raises(ConfigError, match="at s3://bucket/nothing, found nothing"):
        Folder("s3://bucket/nothing").list_clips()
    with pytest.raises(ConfigError, match=r"in a store \(s3, gs, az\) or on a disk, found the address http"):
        Folder("https://example.org/voices")


class Name(str):
    """A name that is counted while somebody keeps it."""

    kept, most = 0, 0

    def __init__(self, text: str) -> None:
        Name.kept += 1
        Name.most = max(Name.most, Name.kept)

    def __del__(self) -> None:
        Name.kept -= 1


def test_of_a_large_listing_only_the_sounds_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["b.wav", *(f"notes/{number}.txt" for number in range(500)), "a.wav"]
    monkeypatch.setattr(Objects, "everything", lambda self: (Name(name) for name in listed))
    folder = Folder("s3://bucket/large")
    assert [clip.id for clip in folder.list_clips()] == ["a", "b"]
    assert "500 .txt" in str(folder.ignored[0])
    assert Name.most < 10
