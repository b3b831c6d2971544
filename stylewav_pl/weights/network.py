"""What stands between this machine and a server, in a person's words.

Certificates, proxies, and packages for them.
"""

import os
import re
from pathlib import Path

from requests.utils import get_environ_proxies, select_proxy

# The first are those of requests, the last two those of Python's own TLS, which the Hugging Face library
# uses.
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_CREDENTIALS = re.compile(r"//[^/@]*@")
_ABOUT_CERTIFICATES = re.compile(r"certificate|CERTIFICATE|X509|TLS CA")


def told(error: BaseException, url: str) -> str:
    """Tells why a request failed, with the setting of this machine that has to do with it.

    Args:
        error: What the HTTP library raised.
        url: What was asked for.
    """
    reason = innermost(error)
    lacking = [name for name in CERTIFICATES if _is_lacking(os.environ.get(name, ""))]
    if _ABOUT_CERTIFICATES.search(f"{error} {reason}") or (lacking and isinstance(error, FileNotFoundError)):
        return f"the certificates do not allow a connection ({reason}); {_about_certificates(lacking)}"
    proxy = proxy_of(url)
    if "SOCKS" in str(error):
        return (
            f"the proxy {proxy or 'of this system'} speaks SOCKS, for which Python needs packages more: pip "
            "install 'requests[socks]' 'httpx[socks]'"
        )
    if proxy:
        return (
            f"{reason}, through the proxy {proxy} (from HTTPS_PROXY, HTTP_PROXY or ALL_PROXY; NO_PROXY names "
            "hosts that need none)"
        )
    return reason


def _is_lacking(name: str) -> bool:
    return bool(name) and not Path(name).exists()


def _about_certificates(lacking: list[str]) -> str:
    if lacking:
        names = ", ".join(f"{name}={os.environ[name]}" for name in lacking)
        return f"{names} is not there: correct or unset it"
    named = next((name for name in CERTIFICATES if os.environ.get(name)), "")
    if named:
        return f"they are those of {named}={os.environ[named]}: correct or unset it"
    return f"behind a proxy that inspects connections, name its certificate with {CERTIFICATES[0]}=FILE.pem"


def proxy_of(url: str) -> str:
    """The proxy that a request goes through, without its password; empty where there is none."""
    proxy: str | None = select_proxy(url, get_environ_proxies(url))
    return _CREDENTIALS.sub("//", proxy) if proxy else ""


def innermost(error: BaseException) -> str:
    """Tells what really happened, below the layers of the HTTP libraries."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
