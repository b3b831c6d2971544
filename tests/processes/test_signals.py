"""Signals are heeded inside the block, by this process alone, and nowhere else."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from stylewav_pl.processes import signals


def until_requested() -> None:
    while not signals.stop_requested():
        time.sleep(0.005)


@pytest.mark.parametrize("number", signals.SIGNALS)
def test_a_signal_asks_and_kills_nobody(number: signal.Signals) -> None:
    before, told = signal.getsignal(number), threading.Event()
    with signals.handle_stop_signals():
        assert not signals.stop_requested()
        signals.on_stop(told.set)
        os.kill(os.getpid(), number)
        until_requested()
        assert told.wait(500)
    assert not signals.stop_requested()
    assert signal.getsignal(number) is before


def test_other_signals_are_left_to_others() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        _interrupt()
    finally:
        signal.signal(signal.SIGINT, before)
    with signals.handle_stop_signals():
        time.sleep(0.05)
        assert not signals.stop_requested()


def _interrupt() -> None:
    with signals.handle_stop_signals(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(500)


def test_elsewhere_than_in_the_main_thread_nothing_is_changed() -> None:
    seen: list[object] = []

    def look() -> None:
        with signals.handle_stop_signals():
            seen.append(signal.getsignal(signal.SIGUSR1))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGUSR1)]


STUCK = """
import signal, sys, threading
from stylewav_pl.processes import signals
with signals.handle_stop_signals(grace_seconds=0.5):
    print("ready", flush=True)
    threading.Event().wait() if sys.argv[1] == "stuck" else signal.pause()
    print("asked" if signals.stop_requested() else "not asked", flush=True)
"""


def test_who_does_not_stop_is_ended(repository) -> None:
    command = [sys.executable, "-c", STUCK, "stuck"]
    with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(500) == 75
        assert time.monotonic() - began > 0.4, "it had the time that it was given"


FORKED = """
import os, signal, time
from stylewav_pl.processes import signals
with signals.handle_stop_signals():
    child = os.fork()
    if not child:
        time.sleep(500)
        os._exit(0)
    os.kill(child, signal.SIGUSR1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    time.sleep(0.2)
    print(signals.stop_requested())
"""


def test_a_signal_to_a_forked_process_is_its_own_affair(repository) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=repository, capture_output=True, text=True, timeout=500
    )
    assert ended.stdout.split() == [str(-signal.SIGUSR1), "False"], ended.stderr
