"""Signals that ask a run to stop.

SIGTERM, SIGUSR1, which SLURM can be told to send before it takes a machine away, and Ctrl-C.

A run loses nothing but the cohort in flight when it dies, so there is nothing to save: it stops at the next
step, and where the next step is too far away it is ended. Nothing heavy is imported here: signals are handled
from the first moment on.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
INTERRUPTED = 130  # exit code: Ctrl-C, as shells say it
STOPPED = 75  # exit code: stopped, and the same command continues (EX_TEMPFAIL of sysexits.h)
GRACE_SECONDS = 15.0

_stop_requested = threading.Event()
_was_requested = threading.Event()  # the same, until the command has ended
_callbacks: list[Callable[[], None]] = []


def stop_requested() -> bool:
    """Returns whether a signal has asked this process to stop."""
    return _stop_requested.is_set()


def on_stop(callback: Callable[[], None]) -> None:
    """Has ``callback`` called, from another thread, as soon as a signal arrives.

    Until :func:`handle_stop_signals` ends.
    """
    _callbacks.append(callback)


@contextmanager
def handle_stop_signals(grace_seconds: float = GRACE_SECONDS) -> Iterator[None]:
    """Handles the signals inside the block, instead of being killed by them; only the main thread can.

    Args:
        grace_seconds: After this time the process ends in any case, with exit code 75.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    handlers = {number: signal.signal(number, _leave_to_watcher) for number in SIGNALS}
    # Python runs handlers between two instructions of the main thread, which may be far apart; the number of
    # a signal goes through this pipe at once.
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    timers: list[threading.Timer] = []
    threading.Thread(
        target=_watch, args=(reading, grace_seconds, timers), daemon=True, name="stop-signals"
    ).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(writing)  # ends the watcher
        for timer in timers:
            timer.cancel()
        _stop_requested.clear()
        _callbacks.clear()


@contextmanager
def interruptible(grace_seconds: float = GRACE_SECONDS, for_good: bool = False) -> Iterator[None]:
    """Lets the first Ctrl-C inside the block raise ``KeyboardInterrupt``, and those after it do nothing.

    While things are put in order a second one would raise anywhere, in clean-up code above all. A Ctrl-C
    after a signal does nothing either: the process is ending, and says that it was stopped.

    Args:
        grace_seconds: After this time the process ends in any case, with exit code 130.
        for_good: Whether the process ends after the block: then no Ctrl-C disturbs that either.
    """
    before = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or before is not signal.default_int_handler:  # a shell's background jobs ignore it
        yield
        return
    interrupt = _Interrupt(grace_seconds)
    _was_requested.clear()
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        ends = for_good and (interrupt.timer is not None or _was_requested.is_set())
        signal.signal(signal.SIGINT, signal.SIG_IGN if ends else before)
        if interrupt.timer is not None:
            interrupt.timer.cancel()


class _Interrupt:
    """The handler of Ctrl-C."""

    def __init__(self, grace_seconds: float) -> None:
        self.grace_seconds = grace_seconds
        self.timer: threading.Timer | None = None

    def __call__(self, number: int, frame: object) -> None:
        if self.timer is not None or _was_requested.is_set():
            return
        self.timer = threading.Timer(self.grace_seconds, os._exit, (INTERRUPTED,))
        self.timer.daemon = True
        self.timer.start()
        raise KeyboardInterrupt


def _leave_to_watcher(number: int, frame: object) -> None:
    """Does nothing: it is there so that the signal does not kill."""


def _watch(reading: int, grace_seconds: float, timers: list[threading.Timer]) -> None:
    with os.fdopen(reading, "rb", buffering=0) as signals:
        while data := signals.read(64):
            if _stop_requested.is_set() or not any(number in data for number in SIGNALS):
                continue
            _stop_requested.set()
            _was_requested.set()
            timer = threading.Timer(grace_seconds, os._exit, (STOPPED,))
            timer.daemon = True
            timer.start()
            timers.append(timer)
            for callback in list(_callbacks):
                callback()


def _handles_signals() -> bool:
    return signal.getsignal(SIGNALS[-1]) is _leave_to_watcher


def _block_signals() -> None:
    """Runs before a fork.

    A signal to the new process must not be taken for one to this, since both have the pipe at first.
    """
    if _handles_signals():
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _unblock_signals() -> None:
    if _handles_signals():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _restore_default_handlers() -> None:
    """In a forked process (one that decodes audio): the signals are its own, and kill."""
    if isinstance(signal.getsignal(signal.SIGINT), _Interrupt):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if _handles_signals():
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


os.register_at_fork(
    before=_block_signals, after_in_parent=_unblock_signals, after_in_child=_restore_default_handlers
)
