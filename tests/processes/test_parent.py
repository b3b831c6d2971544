"""A process that its launcher leaves behind ends by itself, whenever that happens; with real processes and
without a clock."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stylewav_pl.processes.parent import PARENT, follow_parent, kill_when_the_parent_ends

# Starts the child, says its process id, and lives until it is killed.
LAUNCHER = """
import os, subprocess, sys, time
environment = {**os.environ, "STYLEWAV_PARENT": str(os.getpid())}
subprocess.Popen([sys.executable, "-c", sys.argv[1]], env=environment)
time.sleep(600)
"""

CHILD = """
import sys, time
from stylewav_pl.processes import parent
{before}
parent.follow_parent()
print("following", flush=True)
time.sleep(600)
"""

WITHOUT_THE_KERNEL = "parent.kill_when_the_parent_ends, parent.PERIOD_SECONDS = (lambda: False), 0.01"
WITHOUT_THE_THREAD = "parent.threading.Thread.start = lambda self: None"
WHEN_TOLD = 'print("waiting", flush=True); sys.stdin.readline()'


def launch(repository: Path, before: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", LAUNCHER, CHILD.format(before=before)]
    return subprocess.Popen(command, cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.chaos
@pytest.mark.parametrize(
    "before", ["", WITHOUT_THE_KERNEL, WITHOUT_THE_THREAD], ids=["both", "thread", "kernel"]
)
def test_a_child_ends_with_its_launcher(repository: Path, before: str) -> None:
    if before == WITHOUT_THE_THREAD and sys.platform != "linux":
        pytest.skip("only Linux ends a process with its parent")
    with launch(repository, before) as launcher:
        assert launcher.stdout is not None and launcher.stdout.readline() == "following\n"
        launcher.kill()
        assert launcher.stdout.read() == ""  # the end of the pipe: nobody is left who could write into it


@pytest.mark.chaos
def test_a_child_that_is_still_starting_when_its_launcher_ends_goes_no_further(repository: Path) -> None:
    with launch(repository, WHEN_TOLD) as launcher:
        assert launcher.stdout is not None and launcher.stdin is not None
        assert launcher.stdout.readline() == "waiting\n"
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
        launcher.stdin.write("go on\n")
        launcher.stdin.flush()
        assert launcher.stdout.read() == "", "it went on without its launcher"


def test_who_was_not_launched_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PARENT, raising=False)
    follow_parent()


def test_what_a_child_starts_is_not_taken_for_a_child_of_the_launcher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PARENT, str(os.getppid()))
    monkeypatch.setattr("stylewav_pl.processes.parent.kill_when_the_parent_ends", lambda: False)
    follow_parent()
    assert PARENT not in os.environ


@pytest.mark.skipif(sys.platform == "linux", reason="Linux can")
def test_elsewhere_the_kernel_is_not_asked() -> None:
    assert not kill_when_the_parent_ends()
