"""Whether the network may be used. Imports nothing: the command line asks before anything is loaded."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

OFFLINE = "STYLEWAV_OFFLINE"
VARIABLES = (OFFLINE, "HF_HUB_OFFLINE")  # the second is read by the library of the Hugging Face hub


def is_offline() -> bool:
    """Tells whether ``STYLEWAV_OFFLINE``, or ``--offline`` of a command, forbids the network."""
    return os.environ.get(OFFLINE, "").lower() not in ("", "0", "false", "no")


@contextmanager
def without_network() -> Iterator[None]:
    """Switches the network off for what runs inside, the processes it starts included."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})
