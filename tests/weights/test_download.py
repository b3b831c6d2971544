"""One file from servers that are slow, broken, gone, hostile or full of good advice."""

import gzip
import itertools
import shutil
import time
from collections import namedtuple
from pathlib import Path

import pytest

from stylewav_pl.weights.download import BLOCK, Patience, UnavailableError, download

CONTENT = bytes(range(251)) * (20 * BLOCK // 251)
# Servers of tests answer at once or close the connection; a loaded machine may take its time over either.
QUICK = Patience(silence=60.0, attempts=3, pause=0.01)
ONCE = Patience(silence=60.0, attempts=1, pause=0.01)


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
        download(url, part, "file", Patience(60.0, 2, 0.01))
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
        download("http://127.0.0.1:9/file", part, "file", Patience(60.0, 2, 0.01))


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


# servers that say what is not so


def answer(status: str, body: bytes = b"", **headers: object) -> bytes:
    """An HTTP answer to the letter; ``Content_Length=5`` gives the header Content-Length."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1") + body


def rest(begin: int, **headers: object) -> bytes:
    """The answer to a request for what follows ``begin``, of a file with other content."""
    span = f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}"
    facts = {"Content_Range": span, "Content_Length": len(CONTENT) - begin, **headers}
    return answer("206 Partial Content", bytes(len(CONTENT) - begin), **facts)


OTHERS = {
    "another tag": {"ETag": '"2"'},
    "no tag": {"Last_Modified": "Mon, 02 Mar 2026 00:00:00 GMT"},
    "a weak tag": {"ETag": 'W/"1"'},
    "another date": {"ETag": '"1"', "Last_Modified": "Tue, 03 Mar 2026 00:00:00 GMT"},
    "another size": {"ETag": '"1"', "Content_Range": f"bytes {BLOCK}-{len(CONTENT) - 2}/{len(CONTENT) - 1}"},
    "another place": {"ETag": '"1"', "Content_Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"},
    "no place": {"ETag": '"1"', "Content_Range": "bytes"},
    "a place backwards": {"ETag": '"1"', "Content_Range": f"bytes {BLOCK}-3/{len(CONTENT)}"},
    "packed": {"ETag": '"1"', "Content_Encoding": "gzip"},
}


@pytest.mark.parametrize("headers", OTHERS.values(), ids=OTHERS)
def test_a_rest_that_may_be_of_another_file_is_not_appended(site, url, part, headers):
    site.modified = "Mon, 02 Mar 2026 00:00:00 GMT"
    site.cuts = [BLOCK]
    with pytest.raises(UnavailableError):
        download(url, part, "file", ONCE)
    site.answers = [rest(BLOCK, **headers)]
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert ranges(site) == ["", f"bytes={BLOCK}-", ""]


def test_a_date_is_enough_to_continue_and_another_one_to_begin_anew(site, url, part):
    site.tag, site.modified = "", "Mon, 02 Mar 2026 00:00:00 GMT"
    site.cuts = [BLOCK, BLOCK]
    with pytest.raises(UnavailableError):
        download(url, part, "file", ONCE)
    with pytest.raises(UnavailableError):
        download(url, part, "file", ONCE)
    assert part.read_bytes() == CONTENT[: 2 * BLOCK]
    site.files["/file"], site.modified = CONTENT[::-1], "Tue, 03 Mar 2026 00:00:00 GMT"
    download(url, part, "file", ONCE)
    assert part.read_bytes() == CONTENT[::-1]


def test_a_file_that_always_changes_is_given_up(site, url, part):
    begin = answer("200 OK", CONTENT[:BLOCK], Content_Length=len(CONTENT), ETag='"1"')
    site.answers = [begin, rest(BLOCK, ETag='"2"')] * 5
    with pytest.raises(UnavailableError, match="another one than what was begun with"):
        download(url, part, "file", QUICK)
    assert len(site.asked) == 6


def test_a_rest_in_parts_is_put_together(site, url, part):
    def piece(begin: int, end: int) -> bytes:
        span = f"bytes {begin}-{end - 1}/{len(CONTENT)}"
        return answer("206 Partial Content", CONTENT[begin:end], Content_Range=span, ETag='"1"')

    site.answers = [
        answer("200 OK", CONTENT[:BLOCK], Content_Length=len(CONTENT), ETag='"1"'),
        piece(BLOCK, 3 * BLOCK),
        piece(3 * BLOCK, len(CONTENT)),
    ]
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert ranges(site) == ["", f"bytes={BLOCK}-", f"bytes={3 * BLOCK}-"]


def test_a_file_without_an_end_is_never_taken_for_whole(site, url, part):
    site.answers = [answer("200 OK", CONTENT[:BLOCK], ETag='"1"')]
    with pytest.raises(UnavailableError, match="does not say how long the file is"):
        download(url, part, "file", QUICK)
    assert not part.exists()
    site.answers = [answer("200 OK", CONTENT)]
    download(url, part, "file", QUICK, is_verified=True)  # the caller compares the hash
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("told", [f"bytes */{BLOCK}", "bytes */7", "", "bytes */*"])
def test_a_false_answer_that_all_is_there_is_not_believed(site, url, part, told):
    site.cuts = [BLOCK]
    with pytest.raises(UnavailableError):
        download(url, part, "file", ONCE)
    site.answers = [answer("416 Range Not Satisfiable", Content_Range=told)]
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert ranges(site)[-1] == ""


def chunked(content: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    sizes = [content[at : at + 5000] for at in range(0, len(content), 5000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in sizes) + end


def test_chunks_are_whole_with_their_end_alone(site, url, part):
    facts = {"Transfer_Encoding": "chunked", "ETag": '"1"'}
    site.answers = [
        answer("200 OK", chunked(CONTENT, end=b""), **facts),
        answer("416 Range Not Satisfiable", Content_Range=f"bytes */{len(CONTENT)}"),
        answer("200 OK", chunked(CONTENT), **facts),
    ]
    download(url, part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert len(site.asked) == 3


def test_packed_content_whose_end_nobody_knows_is_refused(site, url, part):
    packed = gzip.compress(CONTENT * 20)
    facts = {"Content_Encoding": "gzip", "Content_Length": len(packed) - 9, "ETag": '"1"'}
    site.answers = [answer("200 OK", packed, **facts)] * 2
    with pytest.raises(UnavailableError, match="does not say how long the file is"):
        download(url, part, "file", ONCE)
    assert not part.exists()
    site.answers = [answer("200 OK", packed, Content_Encoding="gzip", Content_Length=len(packed))]
    download(url, part, "file", QUICK, is_verified=True)
    assert part.read_bytes() == CONTENT * 20


@pytest.mark.parametrize("length", ["abc", "-5", "1e3", "12, 13", "", "0x10", "9" * 40, "\xb2", "5 5"])
def test_a_length_that_is_no_number_is_one_sentence(site, url, part, length):
    site.answers = [answer("200 OK", CONTENT, Content_Length=length)] * 3
    with pytest.raises(UnavailableError, match=r"no number of bytes|[Cc]ontent-[Ll]ength") as caught:
        download(url, part, "file", QUICK)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert not part.exists()


def test_a_file_is_no_larger_than_it_can_be(site, url, part):
    largest = len(CONTENT) - 1
    with pytest.raises(UnavailableError, match=r"the server sends 0 MB, and the file can have 0 MB"):
        download(url, part, "file", QUICK, largest)
    assert not part.exists() and len(site.asked) == 1
    site.answers = [answer("200 OK", chunked(CONTENT), Transfer_Encoding="chunked")]
    with pytest.raises(UnavailableError, match="the server sends more than 0 MB"):
        download(url, part, "file", QUICK, largest)
    assert not part.exists()
    site.answers = [
        answer("200 OK", gzip.compress(bytes(1 << 22)), Content_Encoding="gzip", Content_Length=99)
    ]
    with pytest.raises(UnavailableError):
        download(url, part, "file", ONCE, largest)
    assert not part.exists() or part.stat().st_size <= largest


def ticking(seconds: float) -> Patience:
    """A clock that goes on by so much whenever it is looked at."""
    ticks = itertools.count()
    return Patience(0.3, 3, 0.01, slowest=2000.0, slow_seconds=120.0, clock=lambda: seconds * next(ticks))


def test_what_is_too_slow_for_too_long_is_given_up_and_kept(site, url, part):
    with pytest.raises(UnavailableError, match=r"too slow: \d.* kB/s for \d+ s, and 2 kB/s are the least"):
        download(url, part, "file", ticking(10))
    assert len(site.asked) == 1
    kept = part.stat().st_size
    assert 0 < kept < len(CONTENT) and part.read_bytes() == CONTENT[:kept]
    download(url, part, "file", ticking(0))
    assert part.read_bytes() == CONTENT and ranges(site)[1] == f"bytes={kept}-"


def test_an_answer_that_never_ends_is_given_up(site, url, part):
    site.answers, site.dribbles = [b"HTTP/1.1 200 OK\r\nX-Long: "], True
    with pytest.raises(UnavailableError, match="timed out: the answer of the server does not end"):
        download(url, part, "file", Patience(silence=0.3, attempts=1, pause=0.01))


def test_redirects_are_followed_without_reading_what_they_carry(site, url, part):
    endless = {"Content_Length": 1 << 50, "Location": "/file"}
    site.answers = [answer("302 Found", b"x" * 1000, **endless)]
    download(f"{site.url}/moved", part, "file", QUICK)
    assert part.read_bytes() == CONTENT
    assert [path for path, _ in site.asked] == ["/moved", "/file"]


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://127.0.0.1/file", "http://[::1", "javascript:1"]
)
def test_redirects_lead_to_no_other_kind_of_place(site, url, part, place):
    site.answers = [answer("302 Found", Location=place)]
    with pytest.raises(UnavailableError):
        download(url, part, "file", QUICK)
    assert len(site.asked) == 1


def test_redirects_without_end_are_given_up(site, url, part):
    site.answers = [answer("302 Found", Location="/file")] * 50
    with pytest.raises(UnavailableError, match="on and on"):
        download(url, part, "file", QUICK)
    assert len(site.asked) < 20


@pytest.mark.parametrize(
    "hostile",
    [
        answer("404 \x1b[2J\x1b]0;title\x07Not Found"),
        answer("503 \x9b2J"),
        answer("200 OK", Content_Length="\x1b[2J"),
        answer("302 Found", Location="ftp://\x1b[2J/"),
        b"\x1b[2Jno HTTP at all\r\n\r\n",
        answer("200 OK", b"\x1b[2J\r\n", Transfer_Encoding="chunked"),
    ],
)
def test_a_server_cannot_speak_to_the_terminal(site, url, part, hostile, capsys):
    site.answers = [hostile] * 3
    with pytest.raises(UnavailableError) as caught:
        download(url, part, "file", QUICK)
    told = str(caught.value) + capsys.readouterr().err
    assert told.replace("\n", "").isprintable()
