"""The command ``stylewav-pl``: finds the sub-command, runs it, and turns errors into messages and exit codes.

Nothing heavy is imported here, so that ``--help`` and ``--version`` answer at once.

Exit codes: 0 done (skips included), 1 unexpected error, 2 wrong option, configuration or weights, 3 skips
under ``--strict``, 4 more skips than ``max_skipped_fraction``, 5 run directory locked or made by another
configuration, 75 stopped by a signal and resumable, 130 Ctrl-C.
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module

from stylewav_pl import __version__
from stylewav_pl.commands.first_look import EXPERIMENTS, HELP, HELP_ALL, look_at
from stylewav_pl.commands.help import short_help
from stylewav_pl.commands.nearest import did_you_mean
from stylewav_pl.commands.terminal import spelled_out
from stylewav_pl.errors import StyleWavError, printable_lines, shortened
from stylewav_pl.processes.parent import follow_parent
from stylewav_pl.processes.signals import INTERRUPTED, handle_stop_signals, interruptible
from stylewav_pl.weights.offline import is_offline, without_network

OFFLINE_FLAG = "--offline"
COMPLETION = "--print-completion"
RESUMABLE = ("fit", "generate", "compare")  # a signal stops them in good order
CONTINUING = (*RESUMABLE, "weights", "pocket")  # downloads and trainings go on where they were
# What a path may have against it, whichever call finds out.
FAULTS_OF_A_PATH = {
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENOENT,
    errno.EROFS,
}
# Threads that wait give their core away; read once, when torch is loaded.
WAITING = ("OMP_WAIT_POLICY", "PASSIVE")

COMMANDS = {
    "fit": ("engines", "make a face for every clip, score them, write results and report"),
    "validate": ("engines", "check configuration, weights and data, print the plan; make nothing"),
    "test": ("engines", "score the images of a finished run again, with other prompts or another judge"),
    "predict": ("engines", "render the latents of a finished run again"),
    "generate": ("generate", "a face for each audio file: generate voice.wav -o out/"),
    "invert": ("invert", "latents of photos, to begin faces there: generate --latent"),
    "compare": ("compare", "what several generators make of the same voices, side by side"),
    "report": ("report", "write statistics, picture grid and report.html of a run again"),
    "verify": ("verify", "compare every file of a run with what was written; damaged ones are named"),
    "weights": ("weights", "list, fetch, verify, inspect and convert network weights"),
    "data": (
        "data",
        "what a Common Voice release or a folder holds, a selection as shards, built-in voices as files",
    ),
    "studio": ("studio", "a page to record a voice on and watch faces grow from it"),
    "pocket": ("pocket", "train the shipped miniature networks from nothing"),
}

EXAMPLES = """examples:
  stylewav-pl fit --config demo.yaml                voices of two sexes, faces, statistics (offline, a minute)
  stylewav-pl generate voice.wav other.mp3 -o out/  one face per file
  stylewav-pl fit --help                            what an experiment can set (--help-all: everything)

A generated face is not a portrait of the speaker."""


def usage() -> str:
    """The text of ``stylewav-pl --help``."""
    lines = [f"  {name:<10}{summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: stylewav-pl COMMAND [OPTIONS]   (stylewav-pl COMMAND --help tells the options)",
            "",
            "A recorded voice goes in, a face that sounds like it comes out, and statistics say",
            "whether the faces of two groups of voices differ.",
            "",
            "commands:",
            *lines,
            "",
            "  --offline with any command: never use the network (as STYLEWAV_OFFLINE=1 does)",
            f"  {COMPLETION} bash (zsh, fish ...): a script that completes commands and options",
            "",
            EXAMPLES,
        ]
    )


def main(args: list[str] | None = None) -> int:
    """Runs one command.

    Args:
        args: The words after ``stylewav-pl``; those of the command line by default.

    Returns:
        The exit code.
    """
    follow_parent()
    given = sys.argv[1:] if args is None else list(args)
    words = [word for word in given if word != OFFLINE_FLAG]
    with spelled_out():
        try:
            # the process of a command line ends after this; a Python program that calls it does not
            with interruptible(for_good=args is None):
                return _answer(words, offline=OFFLINE_FLAG in given)
        except BrokenPipeError:  # whoever read the output has seen enough: stylewav-pl weights list | head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1


def _answer(words: Sequence[str], offline: bool) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"stylewav-pl {__version__}")
        return 0
    if words[0] not in (*COMMANDS, COMPLETION):
        _complain(
            f"no command {words[0]!r}.{did_you_mean(words[0], COMMANDS)} Expected one of: "
            f"{', '.join(COMMANDS)}. See stylewav-pl --help."
        )
        return 2
    os.environ.setdefault(*WAITING)
    with without_network() if offline or is_offline() else nullcontext():
        return _run(words[0], list(words[1:]))


def _run(command: str, options: list[str]) -> int:
    try:
        with handle_stop_signals() if command in RESUMABLE else nullcontext():
            if command in EXPERIMENTS and HELP & set(options):
                print(short_help(command))
                return 0
            look_at(command, options)
            options = ["--help" if word == HELP_ALL else word for word in options]
            if command == COMPLETION:
                return completion_script(options)
            module = import_module(f"stylewav_pl.commands.{COMMANDS[command][0]}")
            code: int = module.run(command, options)
    except KeyboardInterrupt:
        return _interrupted(command)
    except SystemExit as end:
        # Lightning turns Ctrl-C into exit status 1
        return _interrupted(command) if isinstance(end.__context__, KeyboardInterrupt) else _code_of(end)
    except BrokenPipeError:
        raise
    except Exception as error:
        return _report(error)
    return code


def completion_script(options: list[str]) -> int:
    """Prints what a shell needs to complete commands and options; imports everything to know them."""
    from stylewav_pl.commands import completion

    return completion.run(options)


def _interrupted(command: str) -> int:
    _complain(f"interrupted{'; the same command continues' if command in CONTINUING else ''}.")
    return INTERRUPTED


def _code_of(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(printable_lines(str(end.code)), file=sys.stderr)
    return 2


def _report(error: Exception) -> int:
    if isinstance(error, StyleWavError):
        _complain(str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.errno in FAULTS_OF_A_PATH and error.filename:
        _complain(f"{os.fsdecode(error.filename)}: {error.strerror}. Correct the path, or its permissions.")
        return 2
    if isinstance(error, ValueError) and "null byte" in str(
        error
    ):  # from Python; no command line can hold one
        _complain("a path holds a NUL. Correct it.")
        return 2
    traceback.print_exc()
    return 1


def _complain(message: str) -> None:
    print(f"stylewav-pl: {shortened(printable_lines(message))}", file=sys.stderr)
