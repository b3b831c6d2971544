"""The errors that a user may see; :mod:`stylewav_pl.types` has them too.

Imports nothing heavy: the command line reports an error without loading torch.
"""

import re
from pathlib import Path


class StyleWavError(Exception):
    """Base of every error with a message meant for the user; ``exit_code`` ends the command."""

    exit_code: int = 1


class ConfigError(StyleWavError):
    """An option or configuration that cannot work."""

    exit_code = 2


class WeightsError(StyleWavError):
    """A weight file that is missing, damaged or of the wrong kind."""

    exit_code = 2


class RunDirectoryError(StyleWavError):
    """A run directory that is locked or belongs to another configuration."""

    exit_code = 5


class OutputError(StyleWavError):
    """Results that cannot be written: a full disk, a lost mount."""

    def __init__(self, path: Path | str, reason: object) -> None:
        super().__init__(
            f"Nothing can be written into {path} any more: {reason}. What was finished before is safe, and "
            "nothing half-written counts. "
            "Mend the cause (free space, mount the disk), then start the same command again."
        )


class DecodingProcessError(StyleWavError):
    """A process that decodes audio is gone."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"A process that decodes audio was ended from outside ({reason}), as systems do that run out of "
            "memory. What was finished is safe; the same command continues. If it happens again, take fewer "
            "of them: --data.num_workers 0."
        )


class MemoryShortageError(StyleWavError):
    """The memory of the device or of the machine does not suffice."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The memory does not suffice ({reason}). Optimise fewer clips side by side (--data.cohort_size "
            "N, or auto, with --restart for a run that has begun), or recompute feature maps "
            "(--model.speed.recompute_from 256)."
        )


class ProcessError(StyleWavError):
    """Another process of the job failed; this one ends with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Stopped(StyleWavError):
    """A signal asked the run to stop."""

    exit_code = 75

    def __init__(self) -> None:
        super().__init__("stopped by a signal; the same command continues.")


class TooManySkipsError(StyleWavError):
    """More clips were skipped than ``max_skipped_fraction`` allows."""

    exit_code = 4


class StrictError(StyleWavError):
    """Clips were skipped although ``--strict`` was given."""

    exit_code = 3


def one_line(error: Exception | str, longest: int = 300) -> str:
    """The beginning of an error's text in one line, without codes that a terminal would obey.

    Its type where it has no text.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    text = printable(text)
    return text if len(text) <= longest else f"{text[:longest]} ..."


def shortened(text: str, longest: int = 200) -> str:
    """Leaves out the middle of words that no terminal shows whole, paths of thousands of letters say.

    >>> shortened("no file " + "x" * 5000, longest=12)
    'no file xxxxxx...xxx (5,000 characters)'
    """
    long_words = rf"\S{{{longest},}}[^\s:;,.'\")]"
    return re.sub(long_words, lambda word: _without_middle(word[0], longest), text)


def _without_middle(word: str, longest: int) -> str:
    return f"{word[: longest // 2]}...{word[-longest // 4 :]} ({len(word):,} characters)"


def printable(text: str) -> str:
    r"""The text with a question mark for every sign that could steer a terminal.

    Names of files and folders may hold such.

    >>> printable("left out: \x1b[2Jother")
    'left out: ?[2Jother'
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def printable_lines(text: str) -> str:
    r"""The same for a text of several lines: whatever a server, a file or a configuration has put into it.

    >>> printable_lines("one\n\x1b[2Jtwo")
    'one\n?[2Jtwo'
    """
    return "\n".join(map(printable, text.split("\n")))
