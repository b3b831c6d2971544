"""The only decoder: any audio file to a mono waveform, or a sentence that says why not."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.file_part import FilePart
from stylewav_pl.data.window import SILENCE_PEAK, Window, block_length
from stylewav_pl.types import AudioError, SkipReason

# Its axis has no name because its length belongs to the file's own rate.
Samples = Float[np.ndarray, " _"]

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000
MOST_CHANNELS = 64
AT_ONCE = 1 << 20  # samples in memory while a long recording is searched
FFMPEG_SECONDS = 1200
# Lossy formats may miscount a little; what was cut off misses a lot.
COMPLETE = 0.98
# libsndfile's codes for a format or encoding it does not have: another decoder may. A damaged file stays
# damaged.
FOREIGN_FORMATS = (1, 4)
# Recorders that write to a pipe cannot know the length and claim about 2 or 4 GiB.
STREAMED_SIZE = 0x7FFF0000
_SHORT_DATA = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)


def decode(file: Path | FilePart, sample_rate: int, window: Window | None = None) -> Float[Tensor, " time"]:
    """Reads one excerpt of a file: channels averaged, resampled, checked.

    Formats that libsndfile lacks (m4a, aac, webm ...) are read by ``ffmpeg`` where it is installed, up to 20
    minutes.

    Args:
        file: A file, or a part of one; its format is found from the content.
        sample_rate: Of the result, in Hz.
        window: Which part; by default the central 5 s.

    Returns:
        ``[time]``, float32, mono, in [-1, 1]; at most ``window.length(sample_rate)`` samples.

    Raises:
        AudioError: The file cannot be used.
    """
    window = window or Window()
    try:
        samples, rate = _read(file, sample_rate, window)
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        raise AudioError(SkipReason.UNREADABLE, f"Cannot be read as audio: {_sentence(error)}") from error
    return finish(samples, rate, sample_rate, window)


def finish(samples: Samples, rate: int, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
    """Checks an excerpt and resamples it.

    Args:
        samples: Mono excerpt at ``rate`` Hz, no longer than the window.
        rate: In Hz.
        sample_rate: Of the result, in Hz.
        window: For its shortest length.

    Raises:
        AudioError: No samples, too few, silence, or values that are not finite.
    """
    if len(samples) == 0:
        raise AudioError(SkipReason.EMPTY, "The recording holds no samples.")
    if len(samples) < window.min_seconds * rate:
        raise AudioError(
            SkipReason.TOO_SHORT,
            f"{len(samples) / rate:.2f} s long; at least {window.min_seconds:g} s are needed.",
        )
    if not np.isfinite(samples).all():
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioError(
            SkipReason.NOT_FINITE,
            f"{bad} of {len(samples)} samples are not finite numbers (NaN or infinity).",
        )
    peak = float(np.abs(samples - samples.mean()).max())
    if peak < SILENCE_PEAK:
        level = f"{20 * np.log10(peak):.0f} dBFS" if peak > 0 else "nothing at all"
        raise AudioError(
            SkipReason.SILENT,
            f"The {len(samples) / rate:.1f} s used are silent: peak {level}, at least -60 dBFS are needed.",
        )
    resampled = soxr.resample(_limit(samples).astype(np.float32), rate, sample_rate, quality="HQ")
    return torch.from_numpy(_limit(resampled)[: window.length(sample_rate)].copy())


def _limit(samples: Samples) -> Samples:
    """Scales what is above full scale back to it; float files and lossy formats go beyond."""
    peak = np.abs(samples).max(initial=0.0)
    return samples / peak if peak > 1 else samples


def _read(file: Path | FilePart, sample_rate: int, window: Window) -> tuple[Samples, int]:
    part = file if isinstance(file, FilePart) else _whole(file)
    if part.size == 0:
        raise AudioError(SkipReason.EMPTY, "The file has 0 bytes.")
    try:
        return _read_with_libsndfile(part, window)
    except soundfile.LibsndfileError as error:
        if error.code not in FOREIGN_FORMATS:
            raise
    return window.cut(_read_with_ffmpeg(part, sample_rate), sample_rate), sample_rate


def _whole(path: Path) -> FilePart:
    if not path.is_file():
        raise AudioError(
            SkipReason.MISSING, "There is no such file." if not path.exists() else "This is not a file."
        )
    return FilePart(path, 0, path.stat().st_size)


def _read_with_libsndfile(part: FilePart, window: Window) -> tuple[Samples, int]:
    # As bytes without a name: soundfile would trust the suffix .raw.
    with part.open() as opened, soundfile.SoundFile(opened) as file:
        _check_header(file)
        start, count = (
            _loudest(file, window) if window.place == "loudest" else window.span(file.frames, file.samplerate)
        )
        file.seek(start)
        block = file.read(count, dtype="float32", always_2d=True)
        if len(block) < COMPLETE * count:
            raise AudioError(
                SkipReason.UNREADABLE,
                _truncated((start + len(block)) / file.samplerate, file.frames / file.samplerate),
            )
        return block.mean(axis=1, dtype=np.float64), file.samplerate


def _check_header(file: Any) -> None:
    if file.frames == 0:
        raise AudioError(SkipReason.EMPTY, "The recording holds no samples.")
    if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE or file.channels > MOST_CHANNELS:
        found = f"{file.samplerate} Hz and {file.channels} channels"
        raise AudioError(
            SkipReason.UNREADABLE,
            f"Expected {LOWEST_RATE} to {HIGHEST_RATE} Hz and at most {MOST_CHANNELS} channels, found "
            f"{found}.",
        )
    short = _SHORT_DATA.search(file.extra_info)
    if short and int(short[2]) < int(short[1]) < STREAMED_SIZE:
        seconds = file.frames / file.samplerate
        raise AudioError(
            SkipReason.UNREADABLE, _truncated(seconds, seconds * int(short[1]) / max(1, int(short[2])))
        )


def _truncated(found: float, promised: float) -> str:
    return (
        f"The file is cut off: it ends after {found:.2f} s, its header promises {promised:.2f} s. Copy "
        "or convert it again."
    )


def _loudest(file: Any, window: Window) -> tuple[int, int]:
    """The loudest span, found block by block so that hours of audio need no memory."""
    length = block_length(file.samplerate)
    sums = [
        np.add.reduceat(np.square(part.mean(axis=1, dtype=np.float64)), np.arange(0, len(part), length))
        for part in _parts(file, length)
    ]
    return window.loudest_span(
        np.nan_to_num(np.concatenate(sums or [np.zeros(0)])), file.frames, file.samplerate
    )


def _parts(file: Any, length: int) -> Iterator[Float[np.ndarray, "time channel"]]:
    """Whole blocks of ``length`` until the sound ends, whatever the header promises: a damaged one may promise years."""
    blocks, found = max(1, AT_ONCE // (length * file.channels)), 0
    while len(part := file.read(blocks * length, dtype="float32", always_2d=True)):
        found += len(part)
        yield part
    if found < COMPLETE * file.frames:
        raise AudioError(
            SkipReason.UNREADABLE, _truncated(found / file.samplerate, file.frames / file.samplerate)
        )


def _read_with_ffmpeg(part: FilePart, sample_rate: int) -> Samples:
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(
            SkipReason.UNREADABLE,
            "Not a format that libsndfile reads (wav, mp3, flac, ogg, opus ...); other formats need ffmpeg, "
            "which is not installed.",
        )
    # Only the file itself may be opened: playlists could otherwise point to the network.
    place = f"subfile,,start,{part.offset},end,{part.offset + part.size},,:file:{part.path}"
    command = [
        program,
        "-nostdin",
        "-v",
        "error",
        "-protocol_whitelist",
        "file,subfile",
        "-i",
        place,
        "-t",
        str(FFMPEG_SECONDS),
        "-map",
        "0:a:0",
    ]
    output = ["-ac", "1", "-ar", str(sample_rate), "-f", "f32le", "-threads", "1", "pipe:1"]
    try:
        result = subprocess.run(
            [*command, *output], capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise AudioError(SkipReason.UNREADABLE, "ffmpeg did not finish within 120 s.") from error
    if result.returncode != 0:
        lines = result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise AudioError(
            SkipReason.UNREADABLE,
            f"Neither libsndfile nor ffmpeg knows this format ({lines[-1].removeprefix(f'{place}: ')}).",
        )
    return np.frombuffer(result.stdout[: len(result.stdout) // 4 * 4], dtype="<f4")


def _sentence(error: Exception) -> str:
    """The error's own words without the path, which stands beside it in the list of skips."""
    text = (
        str(getattr(error, "error_string", "") or getattr(error, "strerror", "") or error)
        .removeprefix("Error : ")
        .strip()
        or type(error).__name__
    )
    return text if text.endswith(".") else f"{text}."
