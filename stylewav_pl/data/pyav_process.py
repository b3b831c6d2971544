"""The second decoder: a program of its own that writes the sound of a part of a file to its output.

It is a process because FFmpeg is C code that reads what strangers send: the kernel bounds its time and
memory, and its crash is a skipped clip instead of a lost run. It opens nothing but the recording.
:mod:`stylewav_pl.data.pyav` starts it. It imports nothing of this package, so that a start takes 0.1 s.

Input: the file, open for reading as descriptor 0. Arguments: offset and size of the part, seconds of
computing, bytes of memory. Output: a line of JSON (``rate``, ``channels``, ``promised``), then float32
samples, channels interleaved. A line of JSON on descriptor 2 says at the end what became of it: see
:func:`decode`.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedIOBase
from typing import Any

import av
from av.container import InputContainer

# Containers of sound, alone or beside a picture. What only points to other files (playlists, concat, SDP) is
# missing, and so are images, subtitles and what is known by its name alone.
CONTAINERS = (
    "aac,ac3,eac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,flac,loas,matroska,webm,mov,mp4,mp3,mpc,mpc8,mpegts,"
    "nistsphere,ogg,rm,tak,tta,voc,w64,wav,wv"
)
# Their header states the length; elsewhere FFmpeg guesses it by the bit rate or the size of the file.
LENGTH_IN_HEADER = {"mov", "matroska", "flac", "tta", "wv"}
# Their last packet can be decoded unless the file breaks off. Elsewhere what follows the sound (a tag, zeros)
# looks like one more packet.
LAST_PACKET_COUNTS = {"aac", "asf", "flac"}
# What people and schedulers send to all processes of a job. The starter ends this process by closing its
# pipe.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Part:
    """The bytes of the part as the file that FFmpeg reads; what lies around them cannot be reached."""

    def __init__(self, descriptor: int, offset: int, size: int) -> None:
        self.descriptor, self.offset, self.size, self.position = descriptor, offset, size, 0

    def read(self, count: int) -> bytes:
        """Returns up to so many bytes; none at the end."""
        wanted = min(count, max(0, self.size - self.position))
        data = os.pread(self.descriptor, wanted, self.offset + self.position)
        self.position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position and returns it."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.size}[whence]
        self.position = max(0, origin + offset)
        return self.position

    def tell(self) -> int:
        """Returns the position."""
        return self.position


class Writer:
    """Writes frames as float32, all at the rate and the channels of the first one.

    Args:
        output: Where to.
        promised: Seconds that the header states, if it does.
    """

    def __init__(self, output: BufferedIOBase, promised: float | None) -> None:
        self.output, self.promised = output, promised
        self.converter: av.AudioResampler | None = None
        self.source: tuple[str, str, int] | None = None

    def write(self, frame: av.AudioFrame) -> None:
        """Writes one frame."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source != self.source:
            self._convert_from(frame)
            self.source = source
        self._write(frame)

    def finish(self) -> None:
        """Writes what the converter still holds."""
        if self.converter is not None:
            self._write(None)

    def _convert_from(self, frame: av.AudioFrame) -> None:
        """A stream may change in the middle (a radio's recording): its beginning decides what is written."""
        if self.converter is None:
            self.layout, self.rate = frame.layout, frame.sample_rate
            promised = None if self.promised is None else round(self.promised * self.rate)
            first = {"rate": self.rate, "channels": self.layout.nb_channels, "promised": promised}
            self.output.write(json.dumps(first).encode() + b"\n")
        else:
            self._write(None)
        self.converter = av.AudioResampler(format="flt", layout=self.layout, rate=self.rate)

    def _write(self, frame: av.AudioFrame | None) -> None:
        assert self.converter is not None
        for converted in self.converter.resample(frame):
            size = converted.samples * self.layout.nb_channels * 4
            self.output.write(memoryview(converted.planes[0])[:size])  # behind it lies padding


class Reader:
    """The frames of one stream; what cannot be decoded is counted and left out, as players do.

    Attributes:
        packets: So many were there.
        failed: So many of them could not be decoded.
        broken: Whether the stream ends with one of those.
    """

    def __init__(self, container: InputContainer, stream: av.AudioStream) -> None:
        self.container, self.stream = container, stream
        self.packets = self.failed = 0
        self.broken = False

    def frames(self) -> Iterator[av.AudioFrame]:
        """Yields the frames in order."""
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                self.packets += packet.size > 0  # the last packet has no bytes: it asks for what is left
                frames = packet.decode()
            except av.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                self.failed, self.broken = self.failed + 1, True
            else:
                self.broken = self.broken and packet.size == 0
                yield from frames


def decode(part: Part, output: BufferedIOBase) -> dict[str, Any]:
    """Writes the first line and the samples.

    Returns:
        How many ``packets`` there were, how many of them ``failed``, whether the sound is ``broken`` off
        within the last one, and the seconds ``promised``; or an ``error`` in FFmpeg's words.
    """
    # Decoders of pictures are never opened.
    decoders = ",".join(name for name in sorted(av.codecs_available) if _decodes_sound(name))
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none", "codec_whitelist": decoders}
    try:
        with av.open(part, "r", options=options, io_open=_refuse, metadata_errors="replace") as container:
            return _decode(container, output)
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return {"error": error.strerror}
    except ValueError as error:
        return {"error": str(error)}


def _decodes_sound(name: str) -> bool:
    with suppress(ValueError):  # it only encodes
        return av.Codec(name, "r").type == "audio"
    return False


def _refuse(url: str, flags: int, options: dict[str, str]) -> None:
    raise PermissionError("nothing but the recording is read")


def _decode(container: InputContainer, output: BufferedIOBase) -> dict[str, Any]:
    stream = container.streams.best("audio")
    if not isinstance(stream, av.AudioStream):
        return {"error": "it holds no sound"}
    decoder: Any = stream.codec_context
    if decoder is None:  # whatever PyAV's types say
        return {"error": "the encoding of its sound is not known"}
    decoder.thread_count = 1
    name = container.format.name.partition(",")[0]
    reader = Reader(container, stream)
    promised = _promised(container, stream) if name in LENGTH_IN_HEADER else None
    writer = Writer(output, promised)
    for frame in reader.frames():
        writer.write(frame)
    writer.finish()
    broken = reader.broken and name in LAST_PACKET_COUNTS
    return {"packets": reader.packets, "failed": reader.failed, "broken": broken, "promised": promised}


def _promised(container: InputContainer, stream: av.AudioStream) -> float | None:
    """Seconds of the stream, or of the file if it holds nothing else; ``None`` if the header does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and len(container.streams) == 1:
        return container.duration / 1_000_000
    return None


def _limit(kind: int, most: int) -> None:
    """Lowers a limit of this process; some systems lack some of them."""
    with suppress(ValueError, OSError):
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, hard))


def main(offset: int, size: int, seconds: int, memory: int) -> None:
    """Decodes descriptor 0 to descriptor 1 within limits that the kernel holds."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    report = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)  # whatever a library may print
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)  # pipes have no size
    try:
        with open(1, "wb", closefd=False) as output:
            result = decode(Part(0, offset, size), output)
    except MemoryError:
        result = {"memory": memory}
    except BrokenPipeError:
        os._exit(0)  # the starter has what it wanted
    except Exception as error:  # a library that is missing or behaves otherwise than expected
        result = {"error": f"{type(error).__name__}: {error}"}
    os.write(report, json.dumps(result).encode())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
