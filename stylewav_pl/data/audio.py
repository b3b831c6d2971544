"""Any audio file to a mono waveform, or a sentence that says why not."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
import soxr
import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.data.cleaning import Excerpt, Samples
from stylewav_pl.data.decoder import Decoder
from stylewav_pl.data.file_part import FilePart
from stylewav_pl.data.headers import where_it_breaks, without_tag
from stylewav_pl.data.libsndfile import Unsuitable, open_sndfile
from stylewav_pl.data.pyav import UnknownFormat, open_pyav
from stylewav_pl.data.window import SILENCE_PEAK, Window
from stylewav_pl.types import AudioError, SkipReason

Result = TypeVar("Result")


def decode(file: Path | FilePart, sample_rate: int, window: Window | None = None) -> Float[Tensor, " time"]:
    """Reads one excerpt of a file: cleaned, one channel, resampled, checked.

    libsndfile decodes it; what it refuses (m4a, webm, amr, piped flac ...) is left to FFmpeg
    (:mod:`stylewav_pl.data.pyav`), unless the file is proven to be cut off.

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

    def excerpt(decoder: Decoder) -> tuple[Excerpt, int]:
        return decoder.excerpt(window), decoder.rate

    part, rate = _with_either(file, excerpt)
    return finish(part, rate, sample_rate, window)


def seconds_of(file: Path | FilePart) -> float:
    """Returns how long a recording is; counted by decoding it where its header does not know.

    Raises:
        AudioError: The file cannot be read as audio, or is cut off.
    """
    return _with_either(file, Decoder.seconds)


def finish(part: Excerpt, rate: int, sample_rate: int, window: Window) -> Float[Tensor, " time"]:
    """Checks an excerpt, cleans it and resamples it.

    Args:
        part: At ``rate`` Hz, no longer than the window.
        rate: In Hz.
        sample_rate: Of the result, in Hz.
        window: For its shortest length and its high-pass.

    Raises:
        AudioError: No samples, too few, silence, or values that are not finite.
    """
    block = part.inner
    if len(block) == 0:
        raise AudioError(SkipReason.EMPTY, "The recording holds no samples.")
    if len(block) < window.min_seconds * rate:
        raise AudioError(
            SkipReason.TOO_SHORT,
            f"{len(block) / rate:.2f} s long; at least {window.min_seconds:g} s are needed.",
        )
    bad = int(np.count_nonzero(~np.isfinite(block).all(axis=1)))
    if bad:
        raise AudioError(
            SkipReason.NOT_FINITE, f"{bad} of {len(block)} samples are not finite numbers (NaN or infinity)."
        )
    samples = part.to_mono(rate, window.high_pass)
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


def _with_either(file: Path | FilePart, use: Callable[[Decoder], Result]) -> Result:
    """Returns what ``use`` makes of the recording, opened by the first decoder that can.

    Raises:
        AudioError: Neither can, or the file is damaged or cut off.
    """
    try:
        part = file if isinstance(file, FilePart) else _whole(file)
        if part.size == 0:
            raise AudioError(SkipReason.EMPTY, "The file has 0 bytes.")
        part = without_tag(part)
        if place := where_it_breaks(part):
            raise AudioError(
                SkipReason.UNREADABLE, f"The file is cut off: it ends {place}. Copy or convert it again."
            )
        try:
            with open_sndfile(part) as decoder:
                return use(decoder)
        except (soundfile.LibsndfileError, Unsuitable) as error:
            return _with_ffmpeg(part, use, error)
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        raise AudioError(SkipReason.UNREADABLE, f"Cannot be read as audio: {_words(error)}.") from error


def _with_ffmpeg(part: FilePart, use: Callable[[Decoder], Result], refusal: Exception) -> Result:
    try:
        with open_pyav(part) as decoder:
            return use(decoder)
    except UnknownFormat as error:
        raise AudioError(
            SkipReason.UNREADABLE,
            f"Cannot be read as audio, neither by libsndfile ({_words(refusal)}) nor by FFmpeg "
            f"({_words(error)}).",
        ) from error


def _whole(path: Path) -> FilePart:
    if not path.is_file():
        raise AudioError(
            SkipReason.MISSING, "There is no such file." if not path.exists() else "This is not a file."
        )
    return FilePart(path, 0, path.stat().st_size)


def _words(error: Exception) -> str:
    """The error's own words without the path, which stands beside it in the list of skips."""
    text = str(getattr(error, "error_string", "") or getattr(error, "strerror", "") or error)
    return text.removeprefix("Error : ").strip().rstrip(".") or type(error).__name__
