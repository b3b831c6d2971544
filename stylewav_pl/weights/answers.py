"""What a server answers, believed no further than it can be checked.

Where it leads to, how long the file is, which file it is.
"""

import queue
import re
import threading
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests

from stylewav_pl import __version__
from stylewav_pl.errors import one_line
from stylewav_pl.weights.confirmation import confirmed_url

PAGE_BYTES = 1 << 14  # how much of a web page is looked at
MAX_PIECES = 50
MAX_REDIRECTS = 10
SCHEMES = ("http", "https")
HEADERS = {
    "Accept-Encoding": "identity",
    "User-Agent": f"stylewav-pl/{__version__}",
}  # identity: lengths count the file's own bytes
_LENGTH = re.compile(r"\s*([0-9]{1,15})\s*(?:,\s*\1\s*)*")  # a length may stand there twice
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)")


class UnavailableError(Exception):
    """The address does not give the file; the message says why."""


class InterruptedDownloadError(Exception):
    """It broke off, but may succeed when tried again."""


class OtherFileError(InterruptedDownloadError):
    """What was begun cannot be continued: the file is another one by now, or there is no telling."""


@dataclass(frozen=True)
class Version:
    """Which content an address gave.

    Attributes:
        tag: The ETag; empty where there is none that promises equal bytes.
        modified: Last-Modified, as it was sent.
        total: Bytes of the whole file; None where the server did not tell.
    """

    tag: str
    modified: str
    total: int | None

    @property
    def validator(self) -> str:
        """Tells what ``If-Range`` takes; empty where a part cannot be continued."""
        return self.tag or self.modified

    def check_same(self, other: "Version") -> None:
        """Compares with the answer to a request for the rest (RFC 9110, sections 13.1.5 and 15.3.7).

        Raises:
            OtherFileError: It is about another file, or does not tell which.
        """
        confirmed = other.tag == self.tag if self.tag else other.modified == self.modified
        known = (
            (self.tag, other.tag),
            (self.modified, other.modified),
            (self.total, other.total),
        )
        if not confirmed or any(mine != theirs for mine, theirs in known if mine and theirs):
            raise OtherFileError("the file on the server is another one than what was begun with")


def version_of(response: requests.Response) -> Version:
    """Tells which content an answer carries.

    A weak tag does not promise equal bytes, and packed content cannot be continued.

    Raises:
        UnavailableError: A length is no number.
        OtherFileError: It carries a part, and does not say which.
    """
    if is_packed(response):
        return Version("", "", None)
    tag = response.headers.get("ETag", "")
    total = range_of(response)[2] if response.status_code == 206 else length_of(response)
    return Version("" if tag.startswith("W/") else tag, response.headers.get("Last-Modified", ""), total)


def length_of(response: requests.Response) -> int | None:
    """Bytes of the body; None where the server does not tell.

    Raises:
        UnavailableError: What it tells is no number.
    """
    text = response.headers.get("Content-Length")
    if text is None or is_chunked(response):
        return None
    if not (match := _LENGTH.fullmatch(text)):
        raise UnavailableError(
            f"the server announces a length of {one_line(text, 40)!r}, which is no number of bytes"
        )
    return int(match[1])


def is_chunked(response: requests.Response) -> bool:
    """Tells whether the body says itself where it ends."""
    return "chunked" in response.headers.get("Transfer-Encoding", "").lower()


def is_packed(response: requests.Response) -> bool:
    """Tells whether the body is not the file itself but, say, compressed, although that was not asked for."""
    return response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity")


def range_of(response: requests.Response) -> tuple[int, int, int | None]:
    """First and last byte of a part, and the bytes of the whole, None where the server does not know.

    Raises:
        OtherFileError: The answer does not say.
    """
    text = response.headers.get("Content-Range", "")
    if not (match := _RANGE.fullmatch(text)) or int(match[2]) < int(match[1]):
        raise OtherFileError(f"the server sends a part, but calls it {one_line(text, 60)!r}")
    return int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])


def file_response(
    session: requests.Session, url: str, headers: dict[str, str], silence: float
) -> requests.Response:
    """The answer that carries the file; a page that only asks to confirm a large download is confirmed once.

    Raises:
        UnavailableError: There is only a web page, or the way leads to a place that is not asked.
        InterruptedDownloadError: The answer does not come.
    """
    response = _followed(session, url, headers, silence)
    if response.ok and _is_page(response):
        confirmed = confirmed_url(response.url, _beginning(response))
        response.close()
        if confirmed is None:
            raise UnavailableError("the server answered with a web page instead of the file")
        response = _followed(session, confirmed, headers, silence)
        if response.ok and _is_page(response):
            response.close()
            raise UnavailableError(
                "the server answered with a web page instead of the file, even after the download was "
                "confirmed"
            )
    return response


def _followed(
    session: requests.Session, url: str, headers: dict[str, str], silence: float
) -> requests.Response:
    """Follows redirects; requests would read the body of each, however long, and go from https to http."""
    for _ in range(MAX_REDIRECTS):
        response = _answer(session, url, headers, silence)
        target = session.get_redirect_target(response)
        if target is None:
            return response
        response.close()
        before, url = url, urljoin(url, target)
        scheme = urlsplit(url).scheme
        if scheme not in SCHEMES or (urlsplit(before).scheme == "https" and scheme != "https"):
            raise UnavailableError(f"the server leads to {one_line(url, 100)}, which is not asked: no https")
    raise UnavailableError(f"the server leads on and on, {MAX_REDIRECTS} times")


def _answer(
    session: requests.Session, url: str, headers: dict[str, str], silence: float
) -> requests.Response:
    """The head of an answer.

    It is waited for in a thread: one that comes byte by byte, each in time, would never end.
    """
    answers: queue.Queue[requests.Response | Exception] = queue.Queue()
    given_up = threading.Event()

    def ask() -> None:
        try:
            response = session.get(url, headers=headers, stream=True, timeout=silence, allow_redirects=False)
        except Exception as error:  # for whoever waits
            answers.put(error)
            return
        answers.put(response)
        if given_up.is_set():
            response.close()

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=2 * silence)
    except queue.Empty:
        given_up.set()
        raise InterruptedDownloadError("timed out: the answer of the server does not end") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _beginning(response: requests.Response) -> str:
    """The first part of a page, or what comes of it in a few pieces."""
    content = b""
    for _ in range(MAX_PIECES):
        piece = response.raw.read1(PAGE_BYTES, decode_content=True)
        content += piece
        if not piece or len(content) >= PAGE_BYTES:
            break
    return content.decode("utf-8", "replace")


def _is_page(response: requests.Response) -> bool:
    return response.headers.get("Content-Type", "").lower().startswith("text/html")
