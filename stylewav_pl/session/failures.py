"""Errors of a run in a person's words: failing disks, memory and processes surface in many forms."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from stylewav_pl.errors import (
    ConfigError,
    DecodingProcessError,
    MemoryShortageError,
    OutputError,
    RunDirectoryError,
    Stopped,
    StyleWavError,
    one_line,
)
from stylewav_pl.processes.signals import INTERRUPTED, stop_requested

DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN}
# What no waiting and no space mends: the name itself cannot be one.
NO_NAME = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR}
# How torch and its loader say these things; they have no classes of their own for them.
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "Cannot allocate memory")
DEAD_WORKER = ("DataLoader worker",)
# How jsonargparse begins when a class of the configuration cannot be built.
UNBUILT = ("Problem with given class_path", "Does not validate against any")


def to_user_error(error: BaseException, run: Path) -> BaseException:
    """The error that a person should read; the same one where nothing is known about it.

    Args:
        error: What ended the run.
        run: The run directory.
    """
    if isinstance(error, StyleWavError | KeyboardInterrupt):
        return error
    if stop_requested():  # Lightning looks for the signal too; or it reached a process that decodes audio
        return Stopped()
    text = str(error)
    if isinstance(error, MisconfigurationException):
        return ConfigError(f"The trainer cannot work as configured: {one_line(error)} Correct trainer.*.")
    if isinstance(error, RuntimeError) and any(sign in text for sign in DEAD_WORKER):
        return DecodingProcessError(one_line(error))
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError | OSError) and any(sign in text for sign in NO_MEMORY)
    ):
        return MemoryShortageError(one_line(error, 160))
    if isinstance(error, ValueError | TypeError) and text.startswith(UNBUILT):
        return _of_a_class(error)
    if (
        isinstance(error, OSError)
        and error.errno in NO_NAME
        and str(error.filename or "").startswith(str(run))
    ):
        return RunDirectoryError(
            f"{error.filename} cannot be used: {error.strerror}. Choose another directory with --run."
        )
    if isinstance(error, OSError) and (error.errno in DISK or str(error.filename or "").startswith(str(run))):
        return OutputError(run, error)
    return error


@contextmanager
def user_errors(run: Path) -> Iterator[None]:
    """Lets errors leave the block in a user's words.

    Args:
        run: The run directory.
    """
    try:
        yield
    except BaseException as error:
        translated = to_user_error(error, run)
        if translated is error:
            raise
        raise translated from error


def exit_code_of(error: BaseException) -> int:
    """Returns the exit code of the command that ``error`` ends."""
    if isinstance(error, StyleWavError):
        return error.exit_code
    interrupted = isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)
    return INTERRUPTED if interrupted else 1


def _of_a_class(error: Exception) -> StyleWavError:
    """What a class of the configuration was refused for, from below the layers of jsonargparse."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, StyleWavError):
            return cause
        cause = cause.__cause__
    lines = [line.strip(" -") for line in str(error).splitlines()]
    ordinary = (
        "Expected a <class",
        "Import path",
        "Subtypes:",
        "Errors:",
        "Given value",
        "Does not validate",
    )
    reasons = [line for line in lines if line and not line.startswith(ordinary)]
    told = one_line(ValueError(" ".join(reasons or lines))).rstrip(".")
    return ConfigError(f"A class of the configuration cannot be used: {told}. Correct it.")
