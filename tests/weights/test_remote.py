"""Weights of others: fetched once, under one hash, after their licence was accepted."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stylewav_pl.errors import WeightsError
from stylewav_pl.weights import cache, remote
from stylewav_pl.weights.download import BLOCK, Patience
from stylewav_pl.weights.licences import RESTRICTED, accept
from stylewav_pl.weights.remote import RemoteWeights
from stylewav_pl.weights.whole import why_not_whole

CONTENT = b"weights " * 1000
OTHER = b"another " * 1000
NON_COMMERCIAL = next(iter(RESTRICTED))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(RemoteWeights, "patience", Patience(silence=60.0, attempts=2, pause=0.01))


@pytest.fixture
def weights(site):
    """Makes an entry; the first of its addresses has the content, unless others are given."""
    site.files["/file"] = CONTENT

    def make(*paths: str, licence: str = "MIT", sha256: str = "", reported_sha256: str = "") -> RemoteWeights:
        urls = tuple(site.url + path for path in paths or ("/file",))
        return RemoteWeights(
            "some-net", "generator", licence, "a net", "net.pkl", urls, len(CONTENT), sha256, reported_sha256
        )

    return make


def left_in_cache(entry: RemoteWeights) -> list[str]:
    return sorted(path.name for path in entry.path.parent.iterdir() if path.name != ".lock")


def test_fetched_once(weights, site, capsys):
    entry = weights()
    assert not entry.is_verified
    assert entry.locate() == entry.path
    assert entry.path.read_bytes() == CONTENT
    assert entry.is_verified
    assert left_in_cache(entry) == ["net.pkl"]
    told = capsys.readouterr().err
    assert all(
        words in told for words in (site.url, "0 MB", "licence: MIT", str(entry.path.parent), sha256(CONTENT))
    )
    assert weights().locate().read_bytes() == CONTENT
    assert len(site.asked) == 1
    assert capsys.readouterr().err == ""


def test_a_wrong_hash_is_put_aside_and_not_used(weights):
    entry = weights(sha256=sha256(OTHER))
    with pytest.raises(WeightsError, match=f"expected SHA-256 {sha256(OTHER)}, found {sha256(CONTENT)}"):
        entry.locate()
    assert left_in_cache(entry) == [f"net.pkl.quarantined-{sha256(CONTENT)[:12]}"]


def test_mirrors_are_tried_in_order(weights, site):
    site.files["/tampered"] = OTHER
    entry = weights("/gone", "/tampered", "/file", "/never", sha256=sha256(CONTENT))
    assert entry.locate().read_bytes() == CONTENT
    assert [path for path, _ in site.asked] == ["/gone", "/tampered", "/file"]


def test_what_was_begun_at_one_address_is_not_lost_at_the_next(weights, site):
    site.files["/file"] = site.files["/other"] = CONTENT * 3
    site.cuts = [BLOCK, 0, 0, 0]
    entry = weights("/file", "/other")
    with pytest.raises(WeightsError, match="will be continued"):
        entry.locate()
    assert entry.locate().read_bytes() == CONTENT * 3
    assert site.asked[-1] == ("/file", f"bytes={BLOCK}-")
    assert left_in_cache(entry) == ["net.pkl"]


def test_when_nobody_has_it_every_address_is_named(weights, site):
    entry = weights("/gone", "/lost")
    with pytest.raises(WeightsError) as caught:
        entry.locate()
    for words in (
        f"{site.url}/gone: HTTP 404",
        f"{site.url}/lost: HTTP 404",
        str(entry.path),
        "stylewav-pl weights verify some-net",
    ):
        assert words in str(caught.value)


def test_the_hash_of_the_first_use_is_binding(weights, site, capsys):
    first = weights().locate()
    assert "will be refused" in capsys.readouterr().err
    first.unlink()
    site.files["/file"] = OTHER
    with pytest.raises(
        WeightsError,
        match=rf"expected SHA-256 {sha256(CONTENT)}, found {sha256(OTHER)}.*delete some-net from "
        r".*weights\.lock\.json",
    ):
        weights().locate()
    assert json.loads((cache.cache_directory() / "weights.lock.json").read_text())["some-net"][
        "sha256"
    ] == sha256(CONTENT)


def test_a_half_written_file_in_the_cache_is_replaced(weights, site, capsys):
    entry = weights(sha256=sha256(CONTENT))
    entry.path.parent.mkdir(parents=True)
    entry.path.write_bytes(CONTENT[:100])
    assert entry.locate().read_bytes() == CONTENT
    assert len(site.asked) == 1
    assert left_in_cache(entry) == ["net.pkl", f"net.pkl.quarantined-{sha256(CONTENT[:100])[:12]}"]
    assert "moved to" in capsys.readouterr().err


def test_a_file_that_changed_after_its_first_use_is_replaced(weights, site):
    entry = weights()
    entry.locate().write_bytes(OTHER)
    assert not entry.is_verified
    assert entry.locate().read_bytes() == CONTENT
    assert len(site.asked) == 2


def test_an_unconfirmed_hash_warns_and_does_not_block(weights, capsys):
    entry = weights(reported_sha256=sha256(OTHER))
    assert entry.locate().read_bytes() == CONTENT
    told = capsys.readouterr().err
    assert "Warning" in told and sha256(OTHER) in told and sha256(CONTENT) in told
    weights(reported_sha256=sha256(CONTENT)).locate()
    assert "Warning" not in capsys.readouterr().err


def test_an_interrupted_download_is_continued_by_the_next_start(weights, site):
    entry = weights()
    site.files["/file"] = CONTENT * 3
    site.cuts = [BLOCK, 0]
    with pytest.raises(WeightsError, match="will be continued"):
        entry.locate()
    site.cuts = []
    assert entry.locate().read_bytes() == CONTENT * 3
    assert site.asked[-1] == ("/file", f"bytes={BLOCK}-")


@pytest.mark.parametrize("cut", [1, 5000])
def test_what_broke_off_without_a_length_is_never_recorded(weights, site, cut):
    entry = weights()
    site.answers = [b"HTTP/1.1 200 OK\r\n\r\n" + CONTENT[:cut]] * 2
    with pytest.raises(WeightsError, match="does not say how long the file is"):
        entry.locate()
    assert cache.recorded("some-net") is None and not entry.path.exists()
    with pytest.raises(WeightsError, match=f"expected SHA-256 {sha256(CONTENT)}"):
        weights(sha256=sha256(CONTENT)).locate()
    assert entry.locate().read_bytes() == CONTENT


def test_a_file_that_is_much_larger_than_known_is_refused(weights, site):
    site.files["/file"] = bytes(1 << 21)
    with pytest.raises(WeightsError, match="the server sends 2 MB, and the file can have 1 MB at most"):
        weights().locate()
    assert left_in_cache(weights()) == []


def test_text_of_a_server_is_shown_without_its_codes(weights, site, capsys):
    site.answers = [b"HTTP/1.1 404 \x1b[2J\r\n\r\n"]
    with pytest.raises(WeightsError) as caught:
        weights().locate()
    assert "\x1b" not in str(caught.value) + capsys.readouterr().err


# files that were cut off


def formats(folder: Path) -> dict[str, bytes]:
    """Small files of the formats that tell where they end."""
    import torch
    from safetensors.torch import save_file

    tensors = {"weight": torch.arange(100.0)}
    torch.save(tensors, folder / "zip")
    torch.save(tensors, folder / "legacy", _use_new_zipfile_serialization=False)
    save_file(tensors, folder / "safetensors")
    (folder / "pickle").write_bytes(pickle.dumps({"weight": b"x" * 400}))
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["zip", "safetensors", "pickle"])
def test_a_file_that_was_cut_off_never_becomes_what_is_expected(weights, name, tmp_path, site, capsys):
    whole = formats(tmp_path)[name]
    site.files["/file"] = whole
    for kept in (len(whole) - 1, len(whole) // 2, 60):
        entry = weights()
        entry.path.parent.mkdir(parents=True, exist_ok=True)
        entry.path.write_bytes(whole[:kept])  # put there by hand
        with pytest.raises(WeightsError, match="not the expected file"):
            entry.verify()
        assert "not used, moved to" in capsys.readouterr().err
        assert cache.recorded("some-net") is None
    assert weights().locate().read_bytes() == whole


def test_whole_files_of_every_format_are_recorded(tmp_path):
    for name, content in formats(tmp_path).items():
        assert why_not_whole(tmp_path / name) == ""
        (tmp_path / "empty").write_bytes(content[:0])
    assert why_not_whole(tmp_path / "empty") == ""


# licences


def test_a_licence_must_be_accepted_before_anything_is_asked(weights, site):
    entry = weights(licence=NON_COMMERCIAL)
    with pytest.raises(WeightsError) as caught:
        entry.locate()
    licence = RESTRICTED[NON_COMMERCIAL]
    for words in (
        licence.title,
        licence.terms,
        licence.url,
        f"--accept-licence {NON_COMMERCIAL}",
        f"STYLEWAV_ACCEPT_LICENCE={NON_COMMERCIAL}",
    ):
        assert words in str(caught.value)
    assert site.asked == []


def test_a_licence_is_accepted_once(weights, capsys):
    accept([NON_COMMERCIAL])
    entry = weights(licence=NON_COMMERCIAL)
    entry.locate().unlink()
    assert (
        RESTRICTED[NON_COMMERCIAL].terms in capsys.readouterr().err
    )  # shown although it was accepted before anybody saw it
    assert entry.locate().is_file()
    other = list(RESTRICTED)[1]
    with pytest.raises(WeightsError, match=other):
        RemoteWeights("other-net", "generator", other, "a net", "net.pkl", entry.urls).locate()


def test_the_environment_accepts_and_is_remembered(weights, monkeypatch):
    monkeypatch.setenv("STYLEWAV_ACCEPT_LICENCE", f"something, {NON_COMMERCIAL}")
    entry = weights(licence=NON_COMMERCIAL)
    entry.locate().unlink()
    monkeypatch.delenv("STYLEWAV_ACCEPT_LICENCE")
    assert entry.locate().is_file()


# places without a network, and caches that cannot be written


def test_offline_nothing_is_asked_and_the_steps_are_told(weights, site, monkeypatch):
    monkeypatch.setenv("STYLEWAV_OFFLINE", "1")
    entry = weights()
    with pytest.raises(WeightsError) as caught:
        entry.locate()
    for words in (
        "STYLEWAV_OFFLINE",
        f"{site.url}/file",
        str(entry.path),
        "stylewav-pl weights verify some-net",
    ):
        assert words in str(caught.value)
    assert site.asked == []
    monkeypatch.setenv("STYLEWAV_OFFLINE", "0")
    entry.locate()
    monkeypatch.setenv("STYLEWAV_OFFLINE", "1")
    assert entry.locate().read_bytes() == CONTENT


def test_a_file_put_there_by_hand_is_verified(weights, site):
    entry = weights()
    with pytest.raises(WeightsError, match="is not in the cache"):
        entry.verify()
    entry.path.write_bytes(CONTENT)
    assert entry.verify() == entry.path
    assert entry.is_verified
    entry.path.write_bytes(OTHER)
    with pytest.raises(WeightsError, match="not the expected file"):
        entry.verify()
    assert site.asked == []


def test_a_cache_that_cannot_be_written(weights, site, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(
        "STYLEWAV_CACHE", str(tmp_path / "file" / "cache")
    )  # below a file not even root can create anything
    with pytest.raises(WeightsError, match=r"cannot be written .* STYLEWAV_CACHE"):
        weights().locate()
    assert site.asked == []


def test_a_verified_file_needs_no_writing(weights, monkeypatch):
    entry = weights()
    entry.locate()

    def read_only(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    monkeypatch.setattr(remote, "FileLock", read_only)
    assert entry.locate() == entry.path
    assert entry.verify() == entry.path
    monkeypatch.setattr(
        cache.Record, "describes", lambda record, path: False
    )  # touched, but of the same content
    assert entry.locate() == entry.path


@pytest.mark.parametrize("content", ["{", "[]", '{"some-net": {"size": 1}}'])
def test_a_damaged_lock_file_is_named(weights, content):
    entry = weights()
    entry.locate()
    (cache.cache_directory() / "weights.lock.json").write_text(content)
    with pytest.raises(WeightsError, match=r"weights\.lock\.json is damaged"):
        entry.locate()


# several processes

FETCHING = """
import sys
from stylewav_pl.weights.remote import RemoteWeights
entry = RemoteWeights("some-net", "generator", "MIT", "a net", "net.pkl", (sys.argv[1],))
print("ready", flush=True)
sys.stdin.readline()
print(entry.locate().stat().st_size, "torch" in sys.modules)
"""


def start(site, repository: Path, count: int) -> "list[subprocess.Popen[str]]":
    """Processes that fetch the site's file, all imports behind them."""
    words, environment = (
        [sys.executable, "-c", FETCHING, f"{site.url}/file"],
        {**os.environ, "PYTHONPATH": str(repository)},
    )
    processes = [
        subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def test_two_processes_fetch_a_file_once(weights, site, repository):
    weights()
    site.pause = 1.0  # so both are there before the first has its answer
    processes = start(site, repository, 2)
    assert [process.communicate()[0].split() for process in processes] == [[str(len(CONTENT)), "False"]] * 2
    assert len(site.asked) == 1


@pytest.mark.chaos
def test_what_a_killed_process_had_is_continued(weights, site, repository):
    entry = weights()
    site.files["/file"] = CONTENT * 10
    site.cuts, site.stalls = [2 * BLOCK], True
    (process,) = start(site, repository, 1)
    part = entry.path.with_name("net.pkl.part0")
    while not (part.exists() and part.stat().st_size >= BLOCK):  # the rest may be in a buffer
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    had = part.stat().st_size
    assert not entry.path.exists()
    assert entry.locate().read_bytes() == CONTENT * 10
    assert site.asked[-1] == ("/file", f"bytes={had}-")
