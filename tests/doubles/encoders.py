"""Recordings as phones and browsers make them, written through PyAV; nothing on disk and no program is
needed."""

from io import BytesIO

import av
import numpy as np

BIT_RATES = {"libopencore_amrnb": 12_200}


class Pipe:
    """A file that cannot be sought: what is written to it never learns how long it became."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Appends the bytes."""
        self.parts.append(bytes(data))
        return len(data)


def encoded(
    wave: np.ndarray, rate: int, container: str, codec: str, piped: bool = False, **options: str
) -> bytes:
    """One channel of sound in some format.

    Args:
        wave: ``[time]``, in [-1, 1].
        rate: In Hz; the codec must know it.
        container: FFmpeg's name of the format.
        codec: FFmpeg's name of the encoder.
        piped: Written without going back to its header.
        options: Of the format, in FFmpeg's words.
    """
    target: BytesIO | Pipe = Pipe() if piped else BytesIO()
    with av.open(target, "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        context = stream.codec_context
        context.bit_rate = BIT_RATES.get(codec, 64_000)
        context.open()
        samples = np.ascontiguousarray(wave[None], dtype=np.float32)
        sound = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
        sound.sample_rate, sound.pts = rate, 0
        converter = av.AudioResampler(context.format, "mono", rate, context.frame_size or 1024)
        for frame in [*converter.resample(sound), *converter.resample(None)]:
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return b"".join(target.parts) if isinstance(target, Pipe) else target.getvalue()


def speex(frames: int) -> bytes:
    """Ogg Speex of random bits (narrow band, 8 kbit/s, 20 ms each): a noise that no encoder is needed for."""
    random = np.random.default_rng(0)
    packets = [_speex_header(), b"\4\0\0\0test\0\0\0\0"]
    packets += [bytes([0b00011 << 3 | 0b101]) + random.bytes(19) for _ in range(frames)]
    return b"".join(
        _page(packet, number, max(0, number - 1) * 160, number == len(packets) - 1)
        for number, packet in enumerate(packets)
    )


def _speex_header() -> bytes:
    """Version, size of the header, rate, mode, bitstream, channels, bit rate, samples per
    frame, and so on."""
    numbers = [1, 80, 8000, 0, 4, 1, -1, 160, 0, 1, 0, 0, 0]
    return b"Speex   " + b"1.2".ljust(20, b"\0") + np.array(numbers, "<i4").tobytes()


def _page(packet: bytes, number: int, position: int, last: bool) -> bytes:
    """One packet as one page of Ogg (RFC 3533)."""
    kind = 2 * (number == 0) + 4 * last
    table = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = b"OggS\0" + bytes([kind]) + np.array([position], "<i8").tobytes()
    head += np.array([1, number, 0], "<u4").tobytes() + bytes([len(table)]) + table
    checksum = np.array([_crc(head + packet)], "<u4").tobytes()
    return head[:22] + checksum + head[26:] + packet


def _crc(data: bytes) -> int:
    """Ogg's checksum: the polynomial 0x04c11db7, most significant bit first."""
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 * (value >> 31)) & 0xFFFFFFFF
    return value
