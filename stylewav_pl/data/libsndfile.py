"""The first decoder: libsndfile, in this process; it reads wav, flac, ogg, opus, mp3 and many more."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import soundfile

from stylewav_pl.data.cleaning import Block, Excerpt, Loudness, around
from stylewav_pl.data.decoder import COMPLETE, Decoder, cut_off
from stylewav_pl.data.file_part import FilePart
from stylewav_pl.data.headers import COMPLETE_SAMPLES, counts_frames
from stylewav_pl.data.window import Window

# Recorders that write to a pipe cannot know the length and claim about 2 or 4 GiB.
STREAMED_SIZE = 0x7F000000
# What libsndfile notes when the file is shorter than its header says; `riff` is the size of a whole W64 or
# RF64.
_SHORT = re.compile(
    r"^ *(?:data|SSND|BODY|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.MULTILINE
)


# Two threads that hand descriptor 2 back in the wrong order would lose it.
_SILENCE = Lock()


class Unsuitable(Exception):
    """A file that libsndfile opens but does not know well enough."""


class SndfileDecoder(Decoder):
    """A file that libsndfile has opened.

    Args:
        file: The opened file.
        part: What it was opened from.

    Raises:
        AudioError: It is no sound for people, or cut off.
        Unsuitable: Another decoder knows more about it.
    """

    def __init__(self, file: Any, part: FilePart) -> None:
        self.file = file
        self.rate, self.channels = file.samplerate, file.channels
        self.check()
        self._check_size()
        # A header that was never filled in; GSM, whose length it counts in blocks; VOC, of which it reads the
        # headers of later blocks as sound.
        if file.frames == 0 or not file.seekable() or file.format == "VOC":
            raise Unsuitable("opened, but not understood")
        known = not file.subtype.startswith("MPEG") or counts_frames(part)
        self.promised = file.frames if known else None

    def blocks(self) -> Iterator[Block]:
        """See :meth:`Decoder.blocks`; it goes on until the sound ends: a damaged header may promise years."""
        self.file.seek(0)
        while len(block := self._read(self.at_once)):
            yield block

    def excerpt(self, window: Window) -> Excerpt:
        """See :meth:`Decoder.excerpt`; goes to the place directly where the length is known."""
        if self.promised is None:
            return super().excerpt(window)
        if window.place == "loudest":
            start, count = self._loudest(window)
        else:
            start, count = window.span(self.promised, self.rate)
        first, wide = around((start, count), self.rate, window.high_pass)
        self.file.seek(first)
        block = self._read(wide)
        found = first + len(block) - start
        if found < COMPLETE * count:
            raise cut_off((start + max(0, found)) / self.rate, self.promised / self.rate)
        return Excerpt(block, start - first, min(count, found))

    def seconds(self) -> float:
        """See :meth:`Decoder.seconds`; decodes nothing where the length is known."""
        return super().seconds() if self.promised is None else self.promised / self.rate

    def _loudest(self, window: Window) -> tuple[int, int]:
        loudness, found = Loudness(self.rate, window.high_pass), 0
        for block in self.blocks():
            loudness.add(block)
            found += len(block)
        return window.loudest_span(loudness.energies, self.length(found), self.rate)

    def _check_size(self) -> None:
        short = _SHORT.search(self.file.extra_info)
        if short is None or self.file.frames == 0:
            return
        promised, found = int(short[1]), int(short[2])
        if found < COMPLETE_SAMPLES * promised and promised < STREAMED_SIZE:
            seconds = self.file.frames / self.rate
            raise cut_off(seconds, seconds * promised / found)

    def _read(self, count: int) -> Block:
        block: Block = self.file.read(count, dtype="float32", always_2d=True)
        return block


@contextmanager
def open_sndfile(part: FilePart) -> Iterator[SndfileDecoder]:
    """Opens a part of a file as bytes without a name: soundfile would trust the suffix ``.raw``.

    Raises:
        soundfile.LibsndfileError: libsndfile refuses it, here or when it is read.
        AudioError: See :class:`SndfileDecoder`.
        Unsuitable: See :class:`SndfileDecoder`.
    """
    with part.open() as opened, _quiet(part), soundfile.SoundFile(opened) as file:
        yield SndfileDecoder(file, part)


@contextmanager
def _quiet(part: FilePart) -> Iterator[None]:
    """Keeps libmpg123 from writing to the terminal.

    It complains about whole recordings, hundreds of times.
    """
    with part.open() as opened:
        sync = opened.read(2)
    if len(sync) < 2 or sync[0] != 0xFF or sync[1] < 0xE0:  # no MPEG audio
        yield
        return
    with _SILENCE:
        sys.stderr.flush()
        terminal = os.dup(2)
        try:
            with open(os.devnull, "w") as nothing:
                os.dup2(nothing.fileno(), 2)
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
