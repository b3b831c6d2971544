"""The page with which Google Drive asks to confirm the download of a large file.

Such a file is not scanned for viruses.
"""

from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

FORM = "download-form"
HOSTS = ("drive.google.com", "drive.usercontent.google.com")


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form" and named.get("id") == FORM:
            self.action = named.get("action")
        elif tag == "input" and self.action is not None and named.get("type") == "hidden":
            self.fields[named.get("name", "")] = named.get("value", "")


def confirmed_url(page_url: str, page: str) -> str | None:
    """The address behind the page's button, or None if it is another kind of page or leads to another site.

    >>> page = '<form id="download-form" action="/download"><input type="hidden" name="id" value="x1"></form>'
    >>> confirmed_url("https://drive.google.com/uc?id=x1", page)
    'https://drive.google.com/download?id=x1'
    """
    form = _Form()
    form.feed(page)
    if form.action is None:
        return None
    target = urljoin(page_url, form.action)
    host = urlsplit(target).hostname
    if host != urlsplit(page_url).hostname and host not in HOSTS:
        return None
    return f"{target}?{urlencode(form.fields)}"
