"""The errors that a user may see; :mod:`stylewav_pl.types` has them too.

Imports nothing heavy: the command line reports an error without loading torch.
"""

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
    """The beginning of an error's text in one line, without codes that a terminal would obey; its type where it has no text."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = printable(text)
    return text if len(text) <= longest else f"{text[:longest]} ..."


def printable(text: str) -> str:
    r"""The text with a question mark for every sign that could steer a terminal; names of files and folders may hold such.

    >>> printable("left out: \x1b[2Jother")
    'left out: ?[2Jother'
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)
