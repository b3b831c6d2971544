"""One file over HTTP, whole or not at all.

Continued after an interruption, tried again after a failure, never a web page instead.

pooch's own downloaders start from zero each time and delete what does not fit, hence this one on
``requests``, which takes proxies from the environment. Ranges and validators as in RFC 9110, sections 13 and
14. A server is believed only where it can be checked, see :mod:`.answers`.
"""

import errno
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from stylewav_pl.errors import one_line
from stylewav_pl.weights.answers import (
    HEADERS,
    InterruptedDownloadError,
    OtherFileError,
    UnavailableError,
    Version,
    file_response,
    is_chunked,
    is_packed,
    range_of,
    version_of,
)
from stylewav_pl.weights.network import told
from stylewav_pl.weights.pace import Pace, Patience

__all__ = ["BLOCK", "LARGEST", "Patience", "UnavailableError", "download"]

BLOCK = 1 << 14  # bytes; what a broken connection loses at most
LARGEST = 4 << 30
"""Bytes of a file whose size is not known; the largest network with a name here has 1.3 GB."""

PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be gone a moment later
BROKEN_OFF = (
    requests.ConnectionError,
    requests.Timeout,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
    urllib3.exceptions.SSLError,
)
HTML_STARTS = (b"<!doctype html", b"<html")


def download(
    url: str, part: Path, label: str, patience: Patience, largest: int = LARGEST, is_verified: bool = False
) -> None:
    """Brings the whole of ``url`` into ``part``, continuing what is there from the same address.

    Args:
        url: ``http`` or ``https``.
        part: The file to fill; what is fetched of it survives every failure.
        label: Shown at the progress bar.
        patience: When to give up.
        largest: Bytes that the file may have.
        is_verified: Whether the caller compares the hash; else a file whose end nobody can tell is refused.

    Raises:
        UnavailableError: The address does not give the file.
        OSError: ``part`` cannot be written.
    """
    failures = restarts = 0
    attempt = _Attempt(url, part, label, patience, largest, is_verified)
    while True:
        before = _size(part)
        try:
            attempt.run()
        except InterruptedDownloadError as error:
            failures = 1 if _size(part) >= before + BLOCK else failures + 1
            restarts += isinstance(error, OtherFileError)
            if max(failures, restarts) >= patience.attempts:
                raise UnavailableError(f"{error}{_kept(part)}") from error
            pause = patience.pause * 2 ** (failures - 1)
            print(f"  {error}; trying again in {pause:.3g} s", file=sys.stderr, flush=True)
            time.sleep(pause)
        else:
            _note(part).unlink(missing_ok=True)
            return


class _Attempt:
    """One request after the other for one file; the arguments are those of :func:`download`."""

    def __init__(
        self, url: str, part: Path, label: str, patience: Patience, largest: int, is_verified: bool
    ) -> None:
        self.url, self.part, self.label = url, part, label
        self.patience, self.largest, self.is_verified = patience, largest, is_verified

    def run(self) -> None:
        """Asks once for what is missing.

        Raises:
            InterruptedDownloadError: It is not there yet.
            UnavailableError: It will never be.
        """
        begun = _begun(self.part, self.url)
        offset = _size(self.part) if begun else 0
        headers = dict(HEADERS)
        if begun and offset:
            headers |= {"Range": f"bytes={offset}-", "If-Range": begun.validator}
        with requests.Session() as session:
            try:
                with self._response(session, headers) as response:
                    self._take(response, begun, offset)
            except OtherFileError:
                _forget(self.part)
                raise
            except requests.exceptions.SSLError as error:  # it will not be gone a moment later
                raise UnavailableError(self._told(error)) from error
            except BROKEN_OFF as error:
                raise InterruptedDownloadError(self._told(error)) from error
            # ValueError: what a server calls an address may be none
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
                raise UnavailableError(self._told(error)) from error

    def _response(self, session: requests.Session, headers: dict[str, str]) -> requests.Response:
        """The answer.

        A setting of this machine that prevents any, such as certificates that are not there, is no full disk.
        """
        try:
            return file_response(session, self.url, headers, self.patience.silence)
        except requests.RequestException:
            raise
        except OSError as error:
            raise UnavailableError(self._told(error)) from error

    def _told(self, error: Exception) -> str:
        return one_line(told(error, self.url), 600)

    def _take(self, response: requests.Response, begun: Version | None, offset: int) -> None:
        status = response.status_code
        if status == 200:
            self._write(response, version_of(response), 0)
        elif status == 206 and begun and offset:
            version = version_of(response)
            begun.check_same(version)
            total = version.total or begun.total
            if range_of(response)[0] != offset or total is None:
                raise OtherFileError(f"the server cannot continue at byte {offset}")
            self._write(response, replace(version, total=total), offset)
        elif status == 416 and begun and begun.total == offset:
            pass  # everything was there already
        elif status in (206, 416):
            raise OtherFileError(f"the server cannot continue at byte {offset}")
        elif status in PASSING:
            raise InterruptedDownloadError(f"HTTP {status} {one_line(response.reason or '', 60)}")
        else:
            raise UnavailableError(f"HTTP {status} {one_line(response.reason or '', 60)}")

    def _write(self, response: requests.Response, version: Version, start: int) -> None:
        total = version.total
        has_end = not is_packed(response) and (total is not None or is_chunked(response))
        if not has_end and not self.is_verified:
            raise UnavailableError(
                "the server does not say how long the file is, so that nobody could tell whether it came "
                "whole"
            )
        check_room(self.part, total, start, self.largest)
        # disable=None: no bar where nobody watches
        with (
            self.part.open("ab" if start else "wb") as file,
            tqdm(
                total=total,
                initial=start,
                desc=self.label,
                unit="B",
                unit_scale=True,
                disable=None,
                file=sys.stderr,
            ) as bar,
        ):
            _keep(self.part, self.url, version)  # after older bytes are gone
            for block in self._blocks(response):
                if file.tell() == 0 and block.lstrip()[:16].lower().startswith(HTML_STARTS):
                    raise UnavailableError("the server answered with a web page instead of the file")
                if file.tell() + len(block) > self.largest:
                    raise self._too_large(f"more than {file.tell() / 1e6:,.0f} MB")
                file.write(block)
                bar.update(len(block))
            file.flush()
            os.fsync(file.fileno())
        self._check_end(total)

    def _blocks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it comes.

        Ends in an error where fewer bytes come than were announced, or too few in too long a time.
        """
        pace = Pace(self.patience)
        while block := response.raw.read1(BLOCK, decode_content=True):
            yield block
            pace.check(len(block))

    def _too_large(self, found: str) -> UnavailableError:
        return _too_large(self.part, found, self.largest)

    def _check_end(self, total: int | None) -> None:
        size = _size(self.part)
        if not size:
            raise UnavailableError("the server sent an empty file")
        if total is not None and size < total:
            raise InterruptedDownloadError(f"the answer ended at byte {size} of {total}")
        if total is not None and size > total:
            raise OtherFileError(f"{size} bytes came of a file of {total}")


def check_room(part: Path, total: int | None, start: int, largest: int) -> None:
    """Refuses what is too large for anybody, or for the disk.

    Args:
        part: The file to fill.
        total: Bytes of the whole; None where nobody knows.
        start: How many of them are there.
        largest: How many there may be.

    Raises:
        UnavailableError: More than ``largest`` are announced.
        OSError: The disk has no room.
    """
    if total is not None and total > largest:
        raise _too_large(part, f"{total / 1e6:,.0f} MB", largest)
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise OSError(
            errno.ENOSPC, f"{(total - start) / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free"
        )


def _too_large(part: Path, found: str, largest: int) -> UnavailableError:
    _forget(part)
    return UnavailableError(
        f"the server sends {found}, and the file can have {largest / 1e6:,.0f} MB at most"
    )


def _begun(part: Path, url: str) -> Version | None:
    """The file that a part is of; None if there is no telling that it can be continued."""
    try:
        note = json.loads(_note(part).read_text("utf-8"))
        version = Version(str(note["tag"]), str(note["modified"]), note["total"])
        same = note["url"] == url and isinstance(version.total, int | None)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return version if same and version.validator else None


def _keep(part: Path, url: str, version: Version) -> None:
    _note(part).write_text(json.dumps({"url": url, **asdict(version)}), "utf-8")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _kept(part: Path) -> str:
    return f"; {_size(part) / 1e6:.1f} MB are kept and will be continued" if _size(part) else ""


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
