"""What a pattern of shards means, and what is refused."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stylewav_pl.data.shard_files import find_shards
from stylewav_pl.errors import ConfigError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server with one shard."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "clips-07.tar").write_bytes(b"content")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "served")))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_folders_files_and_braces(tmp_path: Path) -> None:
    for name in ("b.tar", "a.tar", "._a.tar", "note.txt", "clips-{1}.tar"):
        (tmp_path / name).touch()
    assert [Path(shard.source).name for shard in find_shards([tmp_path])] == [
        "a.tar",
        "b.tar",
        "clips-{1}.tar",
    ]
    assert [Path(shard.source).name for shard in find_shards([str(tmp_path / "{b,a}.tar")])] == [
        "b.tar",
        "a.tar",
    ]
    assert [Path(shard.source).name for shard in find_shards([str(tmp_path / "clips-{1}.tar")])] == [
        "clips-{1}.tar"
    ], "a name as it is"
    shards = find_shards(["http://example.org/{000008..000011}.tar"])
    assert [shard.shown for shard in shards] == [
        f"http://example.org/{number:06d}.tar" for number in range(8, 12)
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        "pipe:cat a.tar",
        "pipe:touch evil{1..2}",
        "file:///a.tar",
        "ftp://a/b.tar",
        "PIPE:ls",
    ],
)
def test_other_schemes_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"refused: (it would run a program|only files)"):
        find_shards([pattern])


def test_a_wrong_pattern_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be understood"):
        find_shards(["clips-{000..019.tar"])
    with pytest.raises(ConfigError, match="found none"):
        find_shards([tmp_path])
    (shard,) = find_shards([str(tmp_path / "gone.tar")])
    with pytest.raises(ConfigError, match=r"gone\.tar, found nothing"):
        shard.locate()


def test_an_address_is_fetched_once(address: str, tmp_path: Path, cache: Path) -> None:
    (shard,) = find_shards([f"http://{address}/clips-07.tar"])
    assert shard.shown == f"http://{address}/clips-07.tar"
    file = shard.locate()
    assert file.read_bytes() == b"content" and cache in file.parents and file.name == "clips-07.tar"
    (tmp_path / "served" / "clips-07.tar").unlink()
    assert shard.locate() == file


def test_an_address_without_the_shard_stops_at_once(address: str) -> None:
    with pytest.raises(ConfigError, match=r"could not be fetched: HTTP 404"):
        find_shards([f"http://{address}/clips-08.tar"])[0].locate()


def test_offline_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("STYLEWAV_OFFLINE", "1")
    with pytest.raises(ConfigError, match=rf"switched off.*put it at {cache}.*clips\.tar"):
        find_shards(["https://example.org/clips.tar"])[0].locate()


def test_a_cache_that_cannot_be_written_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"cannot be written .* Set STYLEWAV_CACHE"):
        find_shards([f"http://{address}/clips-07.tar"])[0].locate()
