"""How commands end that a person, a shell or the system has something against: a sentence and
the right code."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from stylewav_pl.cli import main
from stylewav_pl.commands.terminal import spelled_out
from stylewav_pl.errors import ConfigError, OutputError, RunDirectoryError
from stylewav_pl.session.failures import to_user_error

Refused = Callable[..., tuple[int, str]]

REPOSITORY = Path(__file__).resolve().parents[2]
LONG = "x" * 5000


# Words


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fitt"], "no command 'fitt'. Did you mean fit?"),
        (["weigths", "list"], "Did you mean weights?"),
        (["quite", "another"], "Expected one of: fit, validate"),
    ],
)
def test_a_misspelt_command_names_the_nearest(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["generate", "a.wav", "-o", "x", "--stpes", "3"], "no option --stpes. Did you mean --steps?"),
        (["weights", "list", "--jsn"], "no option --jsn. Did you mean --json?"),
        (["weights", "fetch", "x", "--accept-license=y"], "Did you mean --accept-licence?"),
        (["data", "check", "--confg", "x"], "Did you mean --config?"),
        (["report", "--no-adio", "x"], "Did you mean --no-audio?"),
        (["pocket", "train", "faces", "--sed", "3"], "Did you mean --seed?"),
    ],
)
def test_a_misspelt_option_of_a_small_command_names_the_nearest(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert told in capsys.readouterr().err


# Paths


@pytest.mark.parametrize(
    "words",
    [
        ["validate", "--config", f"{LONG}.yaml"],
        ["generate", f"{LONG}.wav", "-o", "out"],
        ["report", LONG],
        ["data", "check", LONG],
        ["data", "check", f"{LONG}.csv"],
        ["data", "check", f"{LONG}.tar"],
        ["data", "check", "--config", f"{LONG}.yaml"],
        ["data", "voices", "-o", LONG],
        ["weights", "inspect", LONG],
        ["weights", "convert", LONG, "x"],
        ["weights", "convert", "pocket", LONG],
        ["weights", "fetch", LONG],
        ["weights", "verify", LONG],
        ["pocket", "train", "faces", "-o", LONG],
        ["pocket", "evaluate", "faces", "--weights", LONG],
    ],
    ids=lambda words: " ".join(word[:12] for word in words),
)
def test_a_path_of_5000_letters_is_told_in_a_short_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "characters)" in error
    assert len(error) < 1500


@pytest.mark.parametrize(
    "option", ["--model.generator", "--model.guide", "--model.audio", "--clip_score.judge"]
)
def test_settings_take_no_path_of_5000_letters_either(refused: Refused, option: str) -> None:
    code, error = refused("validate", option, LONG)
    assert code == 2
    assert len(error) < 1500


def test_a_run_directory_of_5000_letters_is_told(refused: Refused) -> None:
    code, error = refused("fit", "--run", LONG)
    assert code in (2, 5)
    assert len(error) < 1500


# Terminals


def ascii_terminal(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Puts a terminal that has ASCII alone in place of standard output; pytest's own comes back after each
    fixture."""
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, "ascii", write_through=True))
    return shown


def test_letters_that_a_terminal_lacks_are_spelled_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = ascii_terminal(monkeypatch)
    (tmp_path / "ünï").mkdir()
    (tmp_path / "ünï" / "你好.wav").write_bytes(b"no sound")
    assert main(["data", "check", str(tmp_path / "ünï")]) == 4
    assert rb"\u4f60\u597d.wav: unreadable" in shown.getvalue()


def test_a_terminal_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = ascii_terminal(monkeypatch)
    with spelled_out():
        print("bär")
    assert shown.getvalue() == b"b\\xe4r\n"
    with pytest.raises(UnicodeEncodeError):
        print("bär")


def program(text: str, *words: str) -> subprocess.Popen[str]:
    """A process that runs Python, with pipes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen([sys.executable, "-c", text, *words], text=True, env=environment, **pipes)


def test_a_closed_pipe_leaves_no_traceback() -> None:
    run = "import sys; from stylewav_pl.cli import main; sys.exit(main())"
    with program(run, "weights", "list") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()  # as head does when it has seen enough
        assert process.wait(500) == 1
        assert process.stderr.read() == ""


# Signals

COMMAND = """
import sys, types
from stylewav_pl.errors import Stopped
from stylewav_pl import cli
from stylewav_pl.processes import signals

def until_told():
    print("waiting", flush=True)
    sys.stdin.readline()

def run(command, options):
    {body}

cli.import_module = lambda name: types.SimpleNamespace(run=run)
cli.look_at = lambda command, options: None
import atexit
atexit.register(until_told)  # a signal may also come while Python ends
sys.exit(cli.main())
"""

STOPPED = """
    print("ready", flush=True)
    while not signals.stop_requested():
        pass
    until_told()
    raise Stopped
"""

INTERRUPTED = """
    try:
        print("ready", flush=True)
        while True:
            pass
    except KeyboardInterrupt:
        until_told()
        raise
"""


@pytest.mark.parametrize(
    ("body", "first", "command", "code", "told"),
    [
        (STOPPED, signal.SIGTERM, "fit", 75, "stopped by a signal; the same command continues."),
        (STOPPED, signal.SIGUSR1, "generate", 75, "stopped by a signal; the same command continues."),
        (INTERRUPTED, signal.SIGINT, "fit", 130, "interrupted; the same command continues."),
    ],
)
def test_ctrl_c_while_a_command_ends_changes_neither_code_nor_words(
    body: str, first: signal.Signals, command: str, code: int, told: str
) -> None:
    text = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    with program(text + COMMAND.format(body=body.strip()), command) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(first)
        for _ in range(2):  # while it puts things in order, and while Python ends
            assert process.stdout.readline() == "waiting\n"
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
            process.stdin.write("go on\n")
            process.stdin.flush()
        assert process.wait(500) == code
        assert process.stderr.read() == f"stylewav-pl: {told}\n"


# Processes, memory, disks


@pytest.mark.parametrize(
    ("error", "kind", "code", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "MemoryShortageError", 1, "--data.cohort_size"),
        (MemoryError(), "MemoryShortageError", 1, "--data.cohort_size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "MemoryShortageError", 1,
         "--data.cohort_size"),
        (RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed. "), "DecodingProcessError", 1,
         "num_workers"),
        (MisconfigurationException("No supported gpu backend found!"), "ConfigError", 2, "trainer"),
        (ValueError("Problem with given class_path 'a.B':\n  it is broken"), "ConfigError", 2,
         "it is broken"),
        (OSError(28, "No space left on device"), "OutputError", 1, "No space left on device"),
        (PermissionError(13, "Permission denied", "run/images"), "OutputError", 1, "Permission denied"),
    ],
)  # fmt: skip
def test_errors_of_libraries_become_sentences(error: Exception, kind: str, code: int, told: str) -> None:
    words = to_user_error(error, Path("run"))
    assert type(words).__name__ == kind
    assert getattr(words, "exit_code", 1) == code
    assert told in str(words)


def test_what_a_class_was_refused_for_is_found_below_the_layers() -> None:
    error = ValueError("Does not validate against any of the Union subtypes")
    error.__cause__ = ValueError("Problem with given class_path 'a.B'")
    error.__cause__.__cause__ = ConfigError("Expected more.")
    assert str(to_user_error(error, Path("run"))) == "Expected more."


@pytest.mark.parametrize(
    "error", [RuntimeError("a fault of the program"), KeyError("x"), RunDirectoryError("locked")]
)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert to_user_error(error, Path("run")) is error


def test_links_are_told_before_anything_is_computed(refused: Refused, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "latents").symlink_to(tmp_path / "gone")
    for command in ("fit", "validate"):
        code, error = refused(command)
        assert code == 5
        assert "latents, found a link to nothing" in error
    assert [path.name for path in run.iterdir() if path.name not in (".lock", "latents")] == []


def test_a_disk_that_fails_is_still_told_as_one() -> None:
    assert isinstance(to_user_error(OSError(5, "Input/output error"), Path("run")), OutputError)
