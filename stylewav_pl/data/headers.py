"""What the bytes of some formats tell that no decoder says.

Where the sound begins, whether its length is known.
"""

import re
import struct
from io import BufferedReader
from typing import Any

from stylewav_pl.data.file_part import FilePart

ID3_HEADER = 10
LONGEST_PAGE = 65_307  # of Ogg: RFC 3533, section 6
OGG_HEADER = 27
MAX_CHUNKS = 1000  # more than any recorder writes
# Plain samples are whole as far as they go, and recorders that stop early leave a header that promises a
# little more than was written; where more than a tenth is missing, a copy was cut off.
COMPLETE_SAMPLES = 0.9
FIRST_FRAME = 4096  # more bytes than the first frame of any MP3 has, and room for what stands before it
# Xing's flags follow its name; an odd number says that the number of frames comes next.
_COUNTED = re.compile(rb"(?:Xing|Info)\0\0\0[\x01\x03\x05\x07\x09\x0b\x0d\x0f]|VBRI")


def without_tag(part: FilePart) -> FilePart:
    """Returns the part behind its ID3v2 tags, which some programs put before files of any format.

    Decoders count a wav that begins behind a tag wrongly, or refuse it (https://id3.org/id3v2.4.0-structure).

    Raises:
        OSError: It cannot be read.
    """
    with part.open() as file:
        start = 0
        while (size := _tag_size(file)) and start + size < part.size:
            start += size
            file.seek(start)
    return FilePart(part.path, part.offset + start, part.size - start)


def _tag_size(file: BufferedReader) -> int:
    """Bytes of the tag that begins here, 0 if none does."""
    header = file.read(ID3_HEADER)
    if len(header) < ID3_HEADER or header[:3] != b"ID3" or max(header[6:]) > 127:
        return 0
    size = sum(byte << shift for byte, shift in zip(header[6:], (21, 14, 7, 0), strict=True))
    footer = ID3_HEADER if header[5] & 0x10 else 0
    return ID3_HEADER + size + footer


def counts_frames(part: FilePart) -> bool:
    """Returns whether an MP3 says how many frames it has, in a Xing, Info or VBRI header.

    Without one its length is a guess by the bit rate of the first frame, wrong by any factor where the rate
    varies.

    Raises:
        OSError: It cannot be read.
    """
    with part.open() as file:
        return _COUNTED.search(file.read(FIRST_FRAME)) is not None


def where_it_breaks(part: FilePart) -> str | None:
    """Returns where a file of some formats breaks off, in words; ``None`` where nothing proves that it does.

    Raises:
        OSError: It cannot be read.
    """
    with part.open() as file:
        start = file.read(8)
        if start[:4] == b"OggS" and _ends_within_page(file, part.size):
            return "in the middle of an Ogg page"
        if start[4:] == b"ftyp" and _lacks_index(file, part.size):
            return "before its index (moov)"
        if start[:4] == b"caff" and _lacks_samples(file, part.size):
            return "in the middle of its sound"
    return None


def _ends_within_page(file: BufferedReader, size: int) -> bool:
    """The page that begins last must end where the file does, or before."""
    file.seek(max(0, size - LONGEST_PAGE))
    end = file.read()
    page = end.rfind(b"OggS")
    if page < 0:
        return False
    header = end[page : page + OGG_HEADER]
    table = page + OGG_HEADER + (header[-1] if len(header) == OGG_HEADER else 1)
    return table + sum(end[page + OGG_HEADER : table]) > len(end)


def _lacks_index(file: BufferedReader, size: int) -> bool:
    """Without ``moov`` nothing of an MP4 can be decoded; recorders write it last (ISO/IEC 14496-12)."""
    position = 0
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        length, kind = _unpacked(">I4s", file)
        if kind == b"moov":
            return False
        if length == 1:  # the true length follows
            (length,) = _unpacked(">Q", file)
        if length < 8 or position + length > size:
            return True
        position += length
    return False


def _lacks_samples(file: BufferedReader, size: int) -> bool:
    """The header of CAF's sound states its size, or -1 where the recorder could not know it."""
    position = 8
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        kind, length = _unpacked(">4sq", file)
        position += 12
        if kind == b"data":
            return bool(size - position < COMPLETE_SAMPLES * length)
        if length < 0:
            return False
        position += length
    return False


def _unpacked(form: str, file: BufferedReader) -> tuple[Any, ...]:
    """What stands here, zeros where the file ends before."""
    size = struct.calcsize(form)
    return struct.unpack(form, file.read(size).ljust(size, b"\0"))
