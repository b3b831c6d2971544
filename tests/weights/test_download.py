"""One file from servers that are slow, broken, gone or full of good advice."""

import shutil
import time
from collections import namedtuple
from pathlib import Path

import pytest

from stylewav_pl.weights.download import BLOCK, Patience, UnavailableError, download

CONTENT = bytes(range(251)) * (20 * BLOCK // 251)
# Servers of tests answer at once or close the connection; a loaded machine may take its time over either.
QUICK = Patience(silence=300.0, attempts=3, pause=0.01)
ONCE = Patience(silence=300.0, attempts=1, pause=0.01)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


@pytest.fixture
def url(site) -> str:
    site.files["/file"] = CONTENT
    return f"{site.url}/file"


def ranges(site) -> list[str]:
    return [wanted for _, wanted in site.asked]


def test_a_whole_file_leaves_nothing_else(site, url, part):
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert list(part.parent.iterdir()) == [part]
    assert ranges(site) == [""]


def test_a_broken_connection_is_continued_where_it_broke(site, url, part):
    site.cuts = [2 * BLOCK, BLOCK]
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert ranges(site) == ["", f"bytes={2 * BLOCK}-", f"bytes={3 * BLOCK}-"]


def test_a_server_without_ranges_starts_again(site, url, part):
    site.has_ranges, site.cuts = False, [BLOCK]
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert ranges(site) == ["", f"bytes={BLOCK}-"]


def test_progress_is_not_counted_as_failure(site, url, part):
    site.cuts = [BLOCK] * 8
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert len(site.asked) == 9


def test_a_later_start_continues(site, url, part):
    site.cuts = [BLOCK]
    with pytest.raises(UnavailableError, match="kept and will be continued"):
        download(url, part, "file", ONCE)
    assert part.read_bytes() == CONTENT[:BLOCK]
    download(url, part, "file", ONCE)
    assert part.read_bytes() == CONTENT
    assert ranges(site) == ["", f"bytes={BLOCK}-"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(site, url, part):
    site.cuts = [BLOCK]
    with pytest.raises(UnavailableError):
        download(url, part, "file", ONCE)
    site.files["/file"], site.tag = CONTENT[::-1], '"2"'
    download(url, part, "file", ONCE)
    assert part.read_bytes() == CONTENT[::-1]


def test_what_cannot_be_told_to_be_the_same_file_is_fetched_anew(site, url, part):
    site.tag, site.cuts = "", [BLOCK]
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert ranges(site) == ["", ""]


def test_the_part_of_another_address_is_not_continued(site, url, part):
    site.files["/other"] = CONTENT[::-1]
    site.cuts = [BLOCK]
    with pytest.raises(UnavailableError):
        download(f"{site.url}/other", part, "file", ONCE)
    download(url, part, "file", ONCE)
    assert part.read_bytes() == CONTENT


def test_a_part_that_is_whole_is_not_fetched_again(site, url, part):
    site.cuts = [len(CONTENT) - 1, 0]
    with pytest.raises(UnavailableError):
        download(url, part, "file", Patience(300.0, 2, 0.01))
    part.write_bytes(CONTENT)  # the last byte came, then the process was killed
    download(url, part, "file", ONCE)
    assert part.read_bytes() == CONTENT
    assert ranges(site)[-1] == f"bytes={len(CONTENT)}-"


def test_a_missing_file_is_asked_for_once(site, part):
    with pytest.raises(UnavailableError, match="HTTP 404"):
        download(f"{site.url}/nowhere", part, "file", QUICK)
    assert len(site.asked) == 1
    assert not part.exists()


def test_an_empty_file_is_refused(site, url, part):
    site.files["/file"] = b""
    with pytest.raises(UnavailableError, match="empty"):
        download(url, part, "file", QUICK)


def test_a_busy_server_is_asked_again_and_that_is_said(site, url, part, capsys):
    site.statuses = [503, 429]
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert len(site.asked) == 3
    told = capsys.readouterr().err
    assert "HTTP 503 Service Unavailable; trying again in 0.01 s" in told and "trying again in 0.02 s" in told


def test_a_silent_server_is_given_up(site, url, part):
    site.pause = 3600
    with pytest.raises(UnavailableError, match=r"(?i)timed? ?out"):
        download(url, part, "file", Patience(silence=0.1, attempts=2, pause=0.01))
    while len(site.asked) < 2:  # the server's threads may be slower than the patience
        time.sleep(0.01)
    assert len(site.asked) == 2


def test_nobody_there(part):
    with pytest.raises(UnavailableError, match="refused"):
        download("http://127.0.0.1:9/file", part, "file", Patience(300.0, 2, 0.01))


@pytest.mark.parametrize(
    ("page", "kind"),
    [("<p>Please log in</p>", "text/html; charset=utf-8"), ("\n<!DOCTYPE html><p>Hello", "application/pdf")],
)
def test_a_web_page_is_never_taken_for_the_file(site, url, part, page, kind):
    site.files["/file"], site.types["/file"] = page.encode(), kind
    with pytest.raises(UnavailableError, match="web page instead of the file"):
        download(url, part, "file", QUICK)
    assert not part.exists() or part.read_bytes() == b""


def test_a_large_download_is_confirmed(site, url, part):
    site.files["/page"] = (
        b'<html><form id="download-form" action="/file" method="get">'
        b'<input type="submit" value="Download anyway"><input type="hidden" name="id" value="x">'
        b'<input type="hidden" name="confirm" value="t"></form></html>'
    )
    site.types["/page"] = "text/html"
    download(f"{site.url}/page", part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert [path for path, _ in site.asked] == ["/page", "/file"]


def test_a_confirmation_that_leads_elsewhere_is_not_followed(site, part):
    site.files["/page"] = b'<form id="download-form" action="http://192.0.2.1/file"></form>'
    site.types["/page"] = "text/html"
    with pytest.raises(UnavailableError, match="web page instead of the file"):
        download(f"{site.url}/page", part, "file", QUICK)


def test_a_full_disk_is_noticed_before_anything_is_written(url, part, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(free=len(CONTENT) - 1))
    with pytest.raises(OSError, match="are needed"):
        download(url, part, "file", QUICK)
    assert not part.exists()


def test_a_proxy_of_the_environment_is_used(site, part, monkeypatch):
    site.files["/file"] = CONTENT
    monkeypatch.setenv("http_proxy", site.url)
    download("http://weights.invalid/file", part, "file", QUICK)
    assert part.read_bytes() == CONTENT
