"""A real S3 server on the loopback, moto's, which answers 503 where it is told to, or lacks something."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests


class Flaky:
    """A WSGI application that answers like another one, but for what it is told to spoil.

    ``deaf`` names conditions that it does not hear, as simple stores do: ``IF_MATCH``, ``IF_NONE_MATCH``; and
    ``ETAG``, which it does not tell. ``broken`` names objects of which the next answer breaks off in the
    middle.
    """

    def __init__(self, inner) -> None:
        self.inner, self.spoilt, self.asked, self.deaf, self.broken = inner, {}, [], set(), set()

    def __call__(self, environ, start_response):
        key = (environ["REQUEST_METHOD"], environ["PATH_INFO"].rpartition("/")[2])
        self.asked.append(key)
        if self.spoilt.get(key, 0) > 0:
            self.spoilt[key] -= 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Length", "0")])
            return []
        for condition in self.deaf:
            environ.pop(f"HTTP_{condition}", None)
        answer = self.inner(
            environ, self._without_tag(start_response) if "ETAG" in self.deaf else start_response
        )
        if key[0] == "GET" and key[1] in self.broken:
            self.broken.remove(key[1])
            whole = b"".join(answer)
            return iter([whole[: len(whole) // 2]])
        return answer

    @staticmethod
    def _without_tag(start_response):
        def respond(status, headers, *more):
            return start_response(status, [one for one in headers if one[0].lower() != "etag"], *more)

        return respond


@contextmanager
def serving() -> Iterator[Flaky]:
    """Runs the server with an empty bucket called ``bucket``; the environment leads to it."""
    from moto.server import ThreadedMotoServer

    with pytest.MonkeyPatch.context() as patch:
        threaded = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        threaded.start()
        port = threaded.get_host_and_port()[1]
        flaky = threaded._server.app = Flaky(threaded._server.app)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "a-secret",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        requests.put(f"http://127.0.0.1:{port}/bucket", timeout=60).raise_for_status()
        yield flaky
        threaded.stop()
