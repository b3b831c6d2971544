"""A server on loopback that can misbehave in the ways of real ones."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest


class Site:
    """What the server has and how it behaves; ``cuts`` and ``statuses`` are used up by one answer each.

    Attributes:
        files: Content by path.
        types: Content type by path.
        tag: The ETag of every file; empty for none.
        modified: Its Last-Modified; empty for none.
        has_ranges: Whether parts may be asked for.
        cuts: After how many bytes of an answer the connection is closed.
        stalls: Whether a cut connection stays open and silent instead.
        statuses: Answers without a file.
        pause: Seconds before each answer.
        answers: Answers to the letter, status line and all; used up before anything else is looked at.
        dribbles: Whether an answer to the letter is followed by a byte now and then, without end.
        asked: Path and Range header of every request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.tag = '"1"'
        self.modified = ""
        self.has_ranges = True
        self.cuts: list[int] = []
        self.stalls = False
        self.statuses: list[int] = []
        self.pause = 0.0
        self.answers: list[bytes] = []
        self.dribbles = False
        self.asked: list[tuple[str, str]] = []
        self.url = ""
        self.closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, path = self.site, urlsplit(self.path).path
        wanted = self.headers.get("Range", "")
        site.asked.append((path, wanted))
        if site.closing.wait(site.pause):
            return
        if site.answers:
            self.to_the_letter(site.answers.pop(0))
            return
        if path not in site.files or site.statuses:
            self.send_error(site.statuses.pop(0) if path in site.files else 404)
            return
        content = site.files[path]
        start = 0
        if wanted and site.has_ranges and self.headers.get("If-Range", site.tag) in (site.tag, site.modified):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if site.tag:
            self.send_header("ETag", site.tag)
        self.send_header("Content-Type", site.types.get(path, "application/octet-stream"))
        if site.modified:
            self.send_header("Last-Modified", site.modified)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + site.cuts.pop(0) if site.cuts else len(content)
        self.wfile.write(content[start:end])
        if end < len(content) and site.stalls:
            site.closing.wait()

    def to_the_letter(self, answer: bytes) -> None:
        self.wfile.write(answer)
        while self.site.dribbles and not self.site.closing.wait(0.02):
            self.wfile.write(b"x")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    """A server that runs for one test."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield site
    site.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()
