"""One file over HTTP: continued after an interruption, tried again after a failure, never a web page instead of a file.

pooch's own downloaders start from zero each time and delete what does not fit, hence this one on
``requests``, which takes proxies from the environment. Ranges and validators as in RFC 9110, sections 13 and
14.
"""

import errno
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm import tqdm

from stylewav_pl import __version__
from stylewav_pl.weights.confirmation import confirmed_url
from stylewav_pl.weights.network import told

BLOCK = 1 << 14  # bytes; what a broken connection loses at most
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be gone a moment later
HTML_STARTS = (b"<!doctype html", b"<html")
HEADERS = {
    "Accept-Encoding": "identity",
    "User-Agent": f"stylewav-pl/{__version__}",
}  # identity: lengths count the file's own bytes


class UnavailableError(Exception):
    """The address does not give the file; the message says why."""


class InterruptedDownloadError(Exception):
    """It broke off, but may succeed when tried again."""


@dataclass(frozen=True)
class Patience:
    """How long a download waits.

    Attributes:
        silence: Seconds without an answer or a byte after which a connection counts as broken.
        attempts: Failures in a row without a new byte after which an address is given up.
        pause: Seconds before the second attempt; doubles with each further one.
    """

    silence: float = 30.0
    attempts: int = 5
    pause: float = 1.0


def download(url: str, part: Path, label: str, patience: Patience) -> None:
    """Brings the whole of ``url`` into ``part``, continuing what is there from the same address.

    Args:
        url: ``http`` or ``https``.
        part: The file to fill; what is fetched of it survives every failure.
        label: Shown at the progress bar.
        patience: When to give up.

    Raises:
        UnavailableError: The address does not give the file.
        OSError: ``part`` cannot be written.
    """
    failures = 0
    while True:
        before = _size(part)
        try:
            _attempt(url, part, label, patience)
        except InterruptedDownloadError as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures >= patience.attempts:
                kept = f"; {_size(part) / 1e6:.1f} MB are kept and will be continued" if _size(part) else ""
                raise UnavailableError(f"{error}{kept}") from error
            pause = patience.pause * 2 ** (failures - 1)
            print(f"  {error}; trying again in {pause:.3g} s", file=sys.stderr, flush=True)
            time.sleep(pause)
        else:
            _note(part).unlink(missing_ok=True)
            return


def _attempt(url: str, part: Path, label: str, patience: Patience) -> None:
    offset, validator = _begun(part, url)
    headers = HEADERS | ({"Range": f"bytes={offset}-", "If-Range": validator} if offset else {})
    with requests.Session() as session:
        try:
            response = _response(session, url, headers, patience.silence)
            with response:
                _save(response, url, part, offset, label)
        except requests.exceptions.SSLError as error:  # no connection error that may be gone a moment later
            raise UnavailableError(told(error, url)) from error
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            raise InterruptedDownloadError(told(error, url)) from error
        except requests.RequestException as error:
            raise UnavailableError(told(error, url)) from error


def _response(
    session: requests.Session, url: str, headers: dict[str, str], silence: float
) -> requests.Response:
    """The answer; a setting of this machine that prevents any, such as certificates that are not there, is no full disk."""
    try:
        return _file_response(session, url, headers, silence)
    except requests.RequestException:
        raise
    except (OSError, ValueError) as error:
        raise UnavailableError(told(error, url)) from error


def _file_response(
    session: requests.Session, url: str, headers: dict[str, str], silence: float
) -> requests.Response:
    """The answer that carries the file.

    A page that only asks to confirm a large download is confirmed once.
    """
    response = session.get(url, headers=headers, stream=True, timeout=silence)
    if response.ok and _is_page(response):
        confirmed = confirmed_url(
            response.url, response.raw.read(BLOCK, decode_content=True).decode("utf-8", "replace")
        )
        response.close()
        if confirmed is None:
            raise UnavailableError("the server answered with a web page instead of the file")
        response = session.get(confirmed, headers=headers, stream=True, timeout=silence)
        if response.ok and _is_page(response):
            response.close()
            raise UnavailableError(
                "the server answered with a web page instead of the file, even after the download was "
                "confirmed"
            )
    return response


def _is_page(response: requests.Response) -> bool:
    return response.headers.get("Content-Type", "").lower().startswith("text/html")


def _save(response: requests.Response, url: str, part: Path, offset: int, label: str) -> None:
    status, sent = response.status_code, response.headers.get("Content-Range", "")
    if status == 200:
        _write(response, url, part, 0, label)
    elif status == 206 and sent.startswith(f"bytes {offset}-"):
        _write(response, url, part, offset, label)
    elif status == 416 and sent == f"bytes */{offset}":
        pass  # everything was there already
    elif status in (206, 416):
        part.unlink(missing_ok=True)
        raise InterruptedDownloadError(f"the server cannot continue at byte {offset}")
    elif status in PASSING:
        raise InterruptedDownloadError(f"HTTP {status} {response.reason}")
    else:
        raise UnavailableError(f"HTTP {status} {response.reason}")


def _write(response: requests.Response, url: str, part: Path, start: int, label: str) -> None:
    length = response.headers.get("Content-Length") if "Content-Encoding" not in response.headers else None
    total = start + int(length) if length is not None else None
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise OSError(
            errno.ENOSPC, f"{(total - start) / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free"
        )
    # disable=None: no bar where nobody watches
    with (
        part.open("ab" if start else "wb") as file,
        tqdm(
            total=total, initial=start, desc=label, unit="B", unit_scale=True, disable=None, file=sys.stderr
        ) as bar,
    ):
        _note(part).write_text(
            json.dumps({"url": url, "validator": _validator(response)}), "utf-8"
        )  # after older bytes are gone
        for block in response.iter_content(BLOCK):  # raises when fewer bytes come than were announced
            if file.tell() == 0 and block.lstrip()[:16].lower().startswith(HTML_STARTS):
                raise UnavailableError("the server answered with a web page instead of the file")
            file.write(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())
    if not _size(part):
        raise UnavailableError("the server sent an empty file")


def _validator(response: requests.Response) -> str:
    """What tells whether the file is still the same one; a weak tag does not promise equal bytes."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _begun(part: Path, url: str) -> tuple[int, str]:
    """Bytes that can be continued, and the validator of the file they are from.

    (0, "") if there is no telling that it is the same file.
    """
    try:
        note = json.loads(_note(part).read_text("utf-8"))
        validator = str(note["validator"]) if note["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        validator = ""
    return (_size(part), validator) if validator else (0, "")


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
