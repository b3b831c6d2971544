"""Output that arrives on any terminal.

What its encoding cannot say is spelled out instead of ending the command.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def spelled_out() -> Iterator[None]:
    r"""Has standard output and error write ``\xfc`` for letters their encoding lacks, inside the block.

    Names of files may hold letters that a terminal's encoding lacks, and bytes that are no letters at all.
    """
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, io.TextIOWrapper)]
    before = [stream.errors for stream in streams]
    for stream in streams:
        _set(stream, "backslashreplace")
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            _set(stream, errors)


def _set(stream: io.TextIOWrapper, errors: str | None) -> None:
    with suppress(OSError, ValueError):  # the file below it was exchanged or closed: it stays as it is
        stream.reconfigure(errors=errors)
