"""How commands end that a person, a shell or the system has something against: a sentence and
the right code."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from encoders import encoded
from lightning.fabric.utilities.exceptions import MisconfigurationException

from stylewav_pl.cli import main
from stylewav_pl.commands.terminal import spelled_out
from stylewav_pl.data import BuiltinVoices, pyav
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

def load(name):
    {loading}
    return types.SimpleNamespace(run=run)

cli.import_module = load
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

# Lightning ends with exit status 1 after Ctrl-C.
EXITED = INTERRUPTED.replace("raise", "sys.exit(1)")

STOPPED_WORDS = "stopped by a signal; the same command continues."
CONTINUES = "interrupted; the same command continues."


@pytest.mark.parametrize(
    ("loading", "body", "first", "command", "code", "told"),
    [
        ("", STOPPED, signal.SIGTERM, "fit", 75, STOPPED_WORDS),
        ("", STOPPED, signal.SIGUSR1, "generate", 75, STOPPED_WORDS),
        ("", INTERRUPTED, signal.SIGINT, "fit", 130, CONTINUES),
        ("", EXITED, signal.SIGINT, "fit", 130, CONTINUES),
        ("", INTERRUPTED, signal.SIGINT, "weights", 130, CONTINUES),
        ("", INTERRUPTED, signal.SIGINT, "validate", 130, "interrupted."),
        (INTERRUPTED, "", signal.SIGINT, "fit", 130, CONTINUES),
    ],
    ids=["SIGTERM", "SIGUSR1", "Ctrl-C", "Lightning's exit", "a download", "nothing to continue", "loading"],
)
def test_ctrl_c_while_a_command_ends_changes_neither_code_nor_words(
    loading: str, body: str, first: signal.Signals, command: str, code: int, told: str
) -> None:
    text = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    text += COMMAND.format(loading=loading.strip() or "pass", body=body.strip() or "pass")
    with program(text, command) as process:
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


@pytest.mark.parametrize(("handler", "code"), [("default_int_handler", -signal.SIGINT), ("SIG_IGN", 0)])
def test_ctrl_c_before_anything_is_loaded_gives_no_traceback(handler: str, code: int) -> None:
    """Unless whoever started the command had it ignored."""
    text = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.{handler})
class Finder:
    def find_spec(self, name, *_):
        if name == "stylewav_pl.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["stylewav-pl", "--version"]
from stylewav_pl.entry import main
sys.exit(main())
"""
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (code, "")


# Processes, memory, disks


def test_a_decoding_process_that_is_killed_is_told(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a system does that runs out of memory."""
    here = os.getpid()

    def killed(*_: object) -> None:
        assert os.getpid() != here, "it decodes in the process of the test"
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(BuiltinVoices, "read", killed)  # worker processes are forked from this one
    # six clips: a handful is decoded without workers
    code, error = refused("fit", "--data.sources.per_sex", "3", "--data.num_workers", "1")
    assert code == 1
    assert "A process that decodes audio was ended from outside" in error
    assert "--data.num_workers 0" in error


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_killed_decoder_fails_no_clip_and_the_same_command_continues(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """The second decoder is a process of its own for each recording."""
    tone = 0.3 * np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    (tmp_path / "voices").mkdir()
    for number in range(6):  # a handful is decoded without workers
        (tmp_path / "voices" / f"{number}.m4a").write_bytes(encoded(tone, 16_000, "mp4", "aac"))
    source = json.dumps([{"class_path": "Folder", "init_args": {"path": str(tmp_path / "voices")}}])
    words = ("fit", "--data.sources", source, "--data.num_workers", workers)
    (tmp_path / "killed.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with monkeypatch.context() as patch:
        patch.setattr(pyav, "PROGRAM", tmp_path / "killed.py")
        code, error = refused(*words)
    assert code == 1
    assert "m4a was ended from outside (SIGKILL). Start the same command again." in error
    assert refused(*words) == (0, "")
    assert len(list((tmp_path / "run" / "images").iterdir())) == 6


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
