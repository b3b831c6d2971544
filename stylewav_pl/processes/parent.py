"""A process that ends with the one that started it.

An orphan would take a place in the next start of the same run.

Imports nothing heavy: the program does this before anything else.
"""

import ctypes
import os
import signal
import sys
import threading
import time

PARENT = "STYLEWAV_PARENT"  # process id, which a launcher hands to the processes that it starts
PERIOD_SECONDS = 1.0

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def follow_parent() -> None:
    """Ends this process as soon as its launcher has ended.

    Does nothing in a process that no launcher of ours started.
    """
    launcher = os.environ.pop(PARENT, "")  # not for the programs that this process starts
    if launcher.isdigit():
        end_with(int(launcher))


def end_with(parent: int, period_seconds: float = PERIOD_SECONDS) -> None:
    """Ends this process as soon as process ``parent`` has ended.

    By the kernel where it can, else by a thread.

    Args:
        parent: Who started this process, by its own word: whoever is the parent now may have inherited it.
        period_seconds: How often the thread looks.
    """
    kill_when_the_parent_ends()
    _leave_unless_child_of(parent)  # it may have ended before the kernel was asked

    def watch() -> None:
        while True:
            time.sleep(period_seconds)
            _leave_unless_child_of(parent)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


def kill_when_the_parent_ends() -> bool:
    """Asks the kernel for SIGKILL at the parent's end; returns whether it agreed. Only Linux does.

    See prctl(2): the request is lost in a fork, and kept when another program is executed.
    """
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0)
    except (OSError, AttributeError):  # a C library without it
        return False


def _leave_unless_child_of(parent: int) -> None:
    if os.getppid() != parent:
        os._exit(1)
