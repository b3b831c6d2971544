"""The second decoder: FFmpeg, which PyAV's wheels carry, in a process of its own for each recording.

It reads what libsndfile refuses: recordings of phones and browsers (m4a, amr, 3gp, webm ...) and oddities of
the formats that libsndfile does read.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from stylewav_pl.data.cleaning import Block
from stylewav_pl.data.decoder import Decoder, cut_off
from stylewav_pl.data.file_part import FilePart
from stylewav_pl.errors import StyleWavError
from stylewav_pl.types import AudioError, SkipReason

PROGRAM = Path(__file__).with_name("pyav_process.py")
# Seconds of computing: more than a slow machine needs for speech at the lowest bit rates.
SECONDS, SECONDS_PER_MEGABYTE = 60, 20
MEMORY = 1 << 30  # bytes
MAX_DAMAGED = 0.1  # of the packets; players leave them out, too
# How a process ends by its own fault; any other signal comes from outside.
CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS}


class UnknownFormat(Exception):
    """FFmpeg's words for why it knows no sound in a file."""


class PyavDecoder(Decoder):
    """A file that FFmpeg decodes from its beginning, as often as :meth:`blocks` is called.

    Args:
        part: Where the file lies.

    Raises:
        AudioError: It is empty or damaged, or no sound for people.
        UnknownFormat: FFmpeg knows no sound in it.
    """

    def __init__(self, part: FilePart) -> None:
        self.part = part
        self._started: _Process | None = _Process(part)
        first = self._started.first
        self.rate, self.channels, self.promised = first["rate"], first["channels"], first["promised"]

    def blocks(self) -> Iterator[Block]:
        """See :meth:`Decoder.blocks`."""
        process, self._started = self._started or _Process(self.part), None
        try:
            while data := process.read(self.at_once * self.channels * 4):
                yield np.frombuffer(data, dtype="<f4").reshape(-1, self.channels)
            process.judge()
        finally:
            process.end()

    def close(self) -> None:
        """Ends the process where nobody has listened to it."""
        if self._started is not None:
            self._started.end()


@contextmanager
def open_pyav(part: FilePart) -> Iterator[PyavDecoder]:
    """Opens a part of a file.

    Raises:
        AudioError: See :class:`PyavDecoder`.
        UnknownFormat: See :class:`PyavDecoder`.
        StyleWavError: The process cannot be started, or somebody ended it.
    """
    decoder = PyavDecoder(part)
    try:
        decoder.check()
        yield decoder
    finally:
        decoder.close()


class _Process:
    """One run of the program; ``first`` is the first line that it wrote."""

    def __init__(self, part: FilePart) -> None:
        self.seconds = SECONDS + SECONDS_PER_MEGABYTE * part.size // 1_000_000
        self.name = part.path.name
        words = [part.offset, part.size, self.seconds, MEMORY]
        with part.path.open("rb") as file:
            try:
                self.process = subprocess.Popen(
                    [sys.executable, str(PROGRAM), *map(str, words)],
                    stdin=file,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    # What can be imported here can be imported there, and nothing else: not from its own
                    # folder.
                    env={
                        **os.environ,
                        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                        "PYTHONSAFEPATH": "1",
                    },
                    start_new_session=True,  # Ctrl-C is for the starter
                )
            except OSError as error:
                raise StyleWavError(
                    f"The decoder of {self.name} cannot be started: {error.strerror or error}. Free memory "
                    "or allow more processes, then start the same command again."
                ) from error
        try:
            self.first: dict[str, Any] = self._first_line()
        except BaseException:
            self.end()
            raise

    def read(self, size: int) -> bytes:
        """Returns so many bytes of samples; fewer at the end."""
        assert self.process.stdout is not None
        return self.process.stdout.read(size)

    def judge(self) -> None:
        """Checks how the program fared that has written everything.

        Raises:
            AudioError: The sound is not whole.
            StyleWavError: Somebody ended the program.
        """
        report = self._report()
        if report["broken"]:
            raise AudioError(
                SkipReason.UNREADABLE,
                "The file is cut off: it ends in the middle of a packet. Copy or convert it again.",
            )
        if report["failed"] > MAX_DAMAGED * report["packets"]:
            raise AudioError(
                SkipReason.UNREADABLE,
                f"The file is damaged: {report['failed']} of its {report['packets']} packets cannot be "
                "decoded. Copy it again.",
            )

    def end(self) -> None:
        """Ends the program, whatever it does, and frees what belongs to it."""
        with self.process:
            self.process.kill()

    def _first_line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            first: dict[str, Any] = json.loads(line)
            return first
        report = self._report()
        if report["promised"]:
            raise cut_off(0.0, report["promised"])
        if report["packets"] + report["failed"] == 0:
            raise AudioError(SkipReason.EMPTY, "The recording holds no samples.")
        raise AudioError(
            SkipReason.UNREADABLE,
            f"None of its {report['packets']} packets can be decoded: the file is damaged, or locked to "
            "another device. Copy or convert it again.",
        )

    def _report(self) -> dict[str, Any]:
        """What the program said at its end."""
        assert self.process.stderr is not None
        text = self.process.stderr.read().decode(errors="replace").strip()
        status = self.process.wait()
        if status < 0:
            raise self._ended_by(signal.Signals(-status))
        lines = text.splitlines() or ["it said nothing"]
        report: dict[str, Any] = json.loads(text) if status == 0 else {"error": lines[-1]}
        if "memory" in report:
            raise AudioError(SkipReason.UNREADABLE, f"FFmpeg needs more than {MEMORY >> 20} MiB to read it.")
        if "error" in report:
            raise UnknownFormat(report["error"])
        return report

    def _ended_by(self, number: signal.Signals) -> StyleWavError:
        if number == signal.SIGXCPU:
            return AudioError(
                SkipReason.UNREADABLE, f"FFmpeg was not done with it after {self.seconds} s of computing."
            )
        if number in CRASHES:
            return AudioError(SkipReason.UNREADABLE, f"FFmpeg crashed when it read it ({number.name}).")
        return StyleWavError(
            f"The decoder of {self.name} was ended from outside ({number.name}). Start the same command "
            "again."
        )
