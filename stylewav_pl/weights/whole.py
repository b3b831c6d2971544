"""Whether a weight file ends where its format says.

Told from a few bytes: a file that was cut off must not become the expected one.
"""

import json
import zipfile
from pathlib import Path

from stylewav_pl.weights.marks import LEGACY_START, ZIP_START

HEADER_BYTES = 8
LARGEST_HEADER = 100 << 20  # of safetensors, as its library has it


def why_not_whole(path: Path) -> str:
    """Tells why a file of a known format is not whole, for people; empty where nothing speaks against it.

    Raises:
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(max(HEADER_BYTES + 1, len(LEGACY_START)))
        file.seek(max(0, size - 1))
        last = file.read(1)
    if start.startswith(ZIP_START):
        return "" if zipfile.is_zipfile(path) else f"{path} is cut off: its list of contents is missing"
    if start.startswith(b"\x80") and not start.startswith(LEGACY_START):
        return "" if last == b"." else f"{path} is cut off: its pickle has no end"
    if start[HEADER_BYTES : HEADER_BYTES + 1] == b"{":
        expected = _safetensors_size(path, int.from_bytes(start[:HEADER_BYTES], "little"))
        return "" if size == expected else f"{path} has {size:,} bytes, and its header tells of {expected:,}"
    return ""


def _safetensors_size(path: Path, header_bytes: int) -> int:
    """Tells what the header says that the file has; 0 where it cannot be read."""
    with path.open("rb") as file:
        file.seek(HEADER_BYTES)
        try:
            header = json.loads(file.read(min(header_bytes, LARGEST_HEADER)))
            ends = [facts["data_offsets"][1] for name, facts in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return 0
    return HEADER_BYTES + header_bytes + max(ends, default=0)
