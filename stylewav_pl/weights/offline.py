"""Whether the network may be used. Imports nothing: the command line asks before anything is loaded."""

import os

OFFLINE = "STYLEWAV_OFFLINE"


def is_offline() -> bool:
    """Whether ``STYLEWAV_OFFLINE``, or ``--offline`` of a command, forbids the network."""
    return os.environ.get(OFFLINE, "").lower() not in ("", "0", "false", "no")
