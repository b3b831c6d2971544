"""Certificates, proxies and SOCKS are told as what they are, not as a disk that cannot be written."""

from pathlib import Path

import pytest
import requests

from stylewav_pl.cli import main
from stylewav_pl.weights import network
from stylewav_pl.weights.download import Patience, UnavailableError, download
from stylewav_pl.weights.network import proxy_of, told

URL = "https://localhost:9/file"  # nothing listens there, and nothing is asked that far
ONCE = Patience(silence=300.0, attempts=1, pause=0.01)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", *network.CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def refusal(part: Path) -> str:
    with pytest.raises(UnavailableError) as caught:
        download(URL, part, "file", ONCE)
    return str(caught.value)


def test_a_bundle_of_certificates_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    message = refusal(tmp_path / "part")
    assert message.startswith("the certificates do not allow a connection")
    assert f"REQUESTS_CA_BUNDLE={tmp_path}/gone.pem is not there: correct or unset it" in message


def test_certificates_that_do_not_fit_are_no_broken_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def inspected(self: requests.Session, url: str, **_: object) -> None:
        asked.append(url)
        raise requests.exceptions.SSLError("certificate verify failed: self-signed certificate in chain")

    monkeypatch.setattr(requests.Session, "get", inspected)
    with pytest.raises(UnavailableError, match=r"REQUESTS_CA_BUNDLE=FILE\.pem"):
        download(URL, tmp_path / "part", "file", Patience(silence=300.0, attempts=9, pause=0.01))
    assert len(asked) == 1, "it does not become better by trying again"
    bundle = tmp_path / "own.pem"
    bundle.touch()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert f"they are those of REQUESTS_CA_BUNDLE={bundle}" in refusal(tmp_path / "part")


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        (
            "socks5://localhost:9",
            "speaks SOCKS, for which Python needs packages more: pip install 'requests[socks]'",
        ),
        ("http://me:secret@localhost:9", "through the proxy http://localhost:9 (from HTTPS_PROXY"),
        ("ftp://localhost:9", "through the proxy ftp://localhost:9 (from HTTPS_PROXY"),
        ("http://[bad", "through the proxy http://[bad (from HTTPS_PROXY"),
    ],
)
def test_a_proxy_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, message: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    found = refusal(tmp_path / "part")
    assert message in found
    assert "secret" not in found


def test_where_no_proxy_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(ConnectionRefusedError(111, "refused"), URL) == "ConnectionRefusedError: [Errno 111] refused"
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert proxy_of(URL) == ""
    assert proxy_of("https://example.org/file") == "http://proxy:1"


def test_files_that_python_itself_lacks_for_its_certificates_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the libraries of the Hugging Face hub fail: without a word about what is missing."""
    error = FileNotFoundError(2, "No such file or directory")
    assert "certificates" not in told(error, URL)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    assert f"SSL_CERT_FILE={tmp_path}/gone.pem is not there" in told(error, URL)


def test_the_command_says_it_and_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STYLEWAV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    assert main(["weights", "fetch", "wav2clip"]) == 2
    error = capsys.readouterr().err
    assert "the certificates do not allow a connection" in error
    assert "cannot be written" not in error
