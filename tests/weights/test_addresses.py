"""Weights, tables and shards in a real S3 server on the loopback, and what an address may not hold."""

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from object_store import Flaky, serving
from tars import tar_bytes

from stylewav_pl.cli import main
from stylewav_pl.data import Files, Manifest, Shards, VggSound
from stylewav_pl.data.window import Window
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.runs import objects as objects_module
from stylewav_pl.runs.objects import Objects
from stylewav_pl.weights import addresses
from stylewav_pl.weights.addresses import RemoteFile, address_of
from stylewav_pl.weights.offline import without_network
from stylewav_pl.weights.registry import resolve

pytest.importorskip("obstore", reason="needs the extra `store`")
pytest.importorskip("moto.server", reason="needs moto")

TONE = np.sin(np.arange(16_000) / 5)


@pytest.fixture(scope="module")
def server() -> Iterator[Flaky]:
    with serving() as flaky:
        yield flaky


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def bucket(server: Flaky) -> Objects:
    server.spoilt.clear()
    server.asked.clear()
    addresses._seen.clear()
    return Objects("s3://bucket")


def new_process() -> None:
    addresses._seen.clear()


def test_weights_are_fetched_once_and_anew_when_they_changed(
    bucket: Objects, server: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "PART_BYTES", 4)
    bucket.write("some ears/a.pt", b"first-bytes")
    server.spoilt = {("GET", "a.pt"): 1}
    url = "s3://bucket/some ears/a.pt"
    path = resolve(url, "audio")
    assert (path.name, path.read_bytes()) == ("a.pt", b"first-bytes")
    assert server.asked.count(("GET", "a.pt")) == 4, "three parts, one of them tried again"
    server.asked.clear()
    assert resolve(Path(url), "audio") == path and not server.asked, "a path that has lost a slash, too"
    new_process()
    assert resolve(url, "audio") == path and server.asked == [("HEAD", "a.pt")]

    bucket.write("some ears/a.pt", b"second")
    assert resolve(url, "audio") == path, "a process stays with what it began with"
    new_process()
    changed = resolve(url, "audio")
    assert changed.read_bytes() == b"second" and path.read_bytes() == b"first-bytes"
    new_process()
    monkeypatch.setenv("STYLEWAV_OFFLINE", "1")
    assert resolve(url, "audio").is_file()
    with pytest.raises(WeightsError, match=r"b\.pt is not in the cache.*switched off"):
        resolve("s3://bucket/b.pt", "audio")


def test_what_was_begun_is_continued(bucket: Objects, server: Flaky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "PART_BYTES", 4)
    bucket.write("c.pt", b"0123456789")
    file = RemoteFile("s3://bucket/c.pt", "The file")
    part = file.place.with_name("c.pt.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(b"01234567")
    assert file.locate().read_bytes() == b"0123456789"
    assert server.asked[1:] == [("HEAD", "c.pt"), ("GET", "c.pt")], "the last two bytes alone"


def test_an_object_that_changes_meanwhile_is_not_mixed(bucket: Objects) -> None:
    bucket.write("d.pt", b"older")
    file = RemoteFile("s3://bucket/d.pt", "The file")
    assert file.place
    bucket.write("d.pt", b"newer")
    with pytest.raises(ConfigError, match="changed while it was fetched"):
        file.locate()
    assert file.locate().read_bytes() == b"newer"


def test_what_cannot_be_had_is_told(bucket: Objects) -> None:
    with pytest.raises(WeightsError, match=r"s3://bucket/gone\.pt could not be fetched: there is no such"):
        resolve("s3://bucket/gone.pt", "generator")
    bucket.write("large.pt", b"0123456789")
    with pytest.raises(ConfigError, match="can have 0 MB at most"):
        RemoteFile("s3://bucket/large.pt", "The file", largest=9).locate()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://me:secret@example.org/a.pt", r"https://example\.org/a\.pt is refused: it holds a user"),
        ("https://secret@example.org/a.pt", "it holds a user"),
        ("s3://key:secret@bucket/a.pt", "it holds a user"),
        ("https://example.org/a.pt?X-Amz-Signature=secret", r"a\.pt is refused: .* query"),
        ("s3://bucket", "Expected an address as"),
        ("https://[secret/a.pt", "is no address"),
    ],
)
def test_an_address_may_hold_no_secret(url: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=why) as told:
        resolve(url, "generator")
    assert "secret@" not in str(told.value) and "=secret" not in str(told.value)
    for make in (
        lambda: Manifest(url, root="x"),
        lambda: VggSound(url, "x"),
        lambda: Shards(url).list_clips(),
    ):
        with pytest.raises(ConfigError, match=why):
            make()


def test_a_secret_reaches_no_file_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "voices").mkdir()
    soundfile.write(tmp_path / "voices" / "a.wav", 0.1 * TONE, 16_000)
    url = "https://me:word@example.org/a"
    for generator, source in (
        (url, "{class_path: Folder, init_args: {path: voices}}"),
        ("linear", f"{{class_path: Shards, init_args: {{path: '{url}'}}}}"),
    ):
        (tmp_path / "run.yaml").write_text(f"""
model: {{generator: '{generator}', guide: linear, audio: linear, num_steps: 1}}
data: {{num_workers: 0, sources: [{source}]}}
trainer: {{accelerator: cpu}}""")
        assert main(["fit", "--config", "run.yaml", "--run", "run", "--threads", "1"]) == 2
        assert "https://example.org/a is refused" in capsys.readouterr().err
        written = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
        assert b"me:word" not in b"".join(written)


def test_other_names_are_no_addresses() -> None:
    for name in ("pocket", "s3:/bucket/a", "ftp://host/a", "C:/a", "file:///a", "open_clip:RN50/openai"):
        assert not address_of(name)
    assert address_of("abfss://container@account.dfs.core.windows.net/a.pt")


def test_without_the_extra_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_process()
    monkeypatch.setattr(objects_module, "find_spec", lambda name: None)
    assert importlib.util.find_spec("obstore")
    options = ["--generator", "s3://bucket/a.pt", "-o", str(tmp_path / "out")]
    (tmp_path / "voice.wav").touch()
    assert main(["generate", str(tmp_path / "voice.wav"), *options]) == 2
    told = capsys.readouterr().err
    assert "s3://bucket/a.pt needs obstore" in told and "pip install 'stylewav-pl[store]'" in told


def test_tables(bucket: Objects, tmp_path: Path) -> None:
    bucket.write("clips.csv", b"path,sex\na.wav,male\n")
    (clip,) = Manifest("s3://bucket/clips.csv", root=tmp_path).list_clips()
    assert (clip.path, clip.labels) == (str(tmp_path / "a.wav"), {"sex": "male"})
    bucket.write("vgg.csv", b"abc,7,dog barking,train\n")
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "abc_000007.wav").touch()
    (sound,) = VggSound("s3://bucket/vgg.csv", tmp_path / "sounds").list_clips()
    assert sound.labels == {"sound": "dog barking"}


def test_where_only_a_disk_is_read_an_address_is_refused() -> None:
    url = "s3://bucket/voices"
    for make in (
        lambda: Files([url]),
        lambda: VggSound("table.csv", url),
    ):
        with pytest.raises(ConfigError, match=r"on a disk, found the address s3://bucket/voices\."):
            make()


def test_shards_come_when_they_are_needed(bucket: Objects, server: Flaky, cache: Path) -> None:
    for number in range(2):
        sound = io.BytesIO()
        soundfile.write(sound, (0.2 + number / 4) * TONE, 16_000, format="WAV")
        bucket.write(f"shards/c-{number}.tar", tar_bytes({f"v{number}.wav": sound.getvalue()}))
    source = Shards("s3://bucket/shards/")
    clips = source.list_clips()
    assert [clip.path for clip in clips] == [f"s3://bucket/shards/c-{n}.tar/v{n}.wav" for n in range(2)]

    with without_network():
        new_process()
        assert Shards("s3://bucket/shards/").list_clips() == clips
        with pytest.raises(ConfigError, match=r"What lies in s3://bucket/others/ is not known"):
            Shards("s3://bucket/others/").list_clips()
    for path in cache.glob("shards/**/*.tar"):
        path.unlink()
    new_process()
    server.asked.clear()
    again = Shards("s3://bucket/shards/c-{0..1}.tar")
    assert [clip.id for clip in again.list_clips()] == ["v0", "v1"]
    assert not [key for key in server.asked if key[0] == "GET"], "their contents are known"
    waveform = again.read(again.list_clips()[1], 16_000, Window())
    assert waveform.max() == pytest.approx(0.45, abs=1e-2)
    assert [key for key in server.asked if key[0] == "GET"] == [("GET", "c-1.tar")], "the one alone"

    new_process()
    bucket.write("shards/c-0.tar", tar_bytes({"other.wav": b"x"}))
    with pytest.raises(ConfigError, match="has changed since its clips were listed"):
        again.read(again.list_clips()[0], 16_000, Window())
