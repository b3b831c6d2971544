"""The vocal tract: formants as a filter that changes every 10 ms."""

import numpy as np
from jaxtyping import Complex, Float
from scipy.fft import irfft, rfft, rfftfreq

HOP_SECONDS = 0.010
FFT_SECONDS = 0.064  # a window of 20 ms plus the ringing of the formants
Wave = Float[np.ndarray, " time"]
Response = Complex[np.ndarray, "frame bin"] | Float[np.ndarray, "frame bin"]


def frequencies(sample_rate: int) -> Float[np.ndarray, " bin"]:
    """The frequencies in Hz at which responses are given."""
    return np.asarray(rfftfreq(round(FFT_SECONDS * sample_rate), 1 / sample_rate), dtype=np.float32)


def tract_response(
    formants: Float[np.ndarray, "frame 3"],
    nasal: Float[np.ndarray, " frame"],
    scale: float,
    tilt: float,
    sample_rate: int,
) -> Complex[np.ndarray, "frame bin"]:
    """Response of the tract to the source.

    Moving formants, fixed higher ones, the nose, and the source's spectral tilt.

    Args:
        formants: First three formants in Hz.
        nasal: How open the nose is, in [0, 1].
        scale: The speaker's formant scale; higher formants stand 1000 Hz apart for scale 1.
        tilt: Corner in Hz of the source's one-pole low-pass.
        sample_rate: In Hz.
    """
    f = frequencies(sample_rate)
    fixed = np.ones(len(f), dtype=np.complex64) + 1j * f / tilt
    for i in range(4, 10):
        fixed *= _resonance(f, scale * (1000.0 * i - 480.0), 60.0 + 45.0 * i)
    widths = np.array([60.0, 80.0, 120.0]) + np.array([0.03, 0.015, 0.015]) * formants + 60.0 * nasal[:, None]
    moving = fixed[None, :]
    for i in range(3):
        moving = moving * _resonance(f, formants[:, i, None], widths[:, i, None])
    pole = _resonance(f, 290.0 * scale, 90.0)[None, :]
    zero = _resonance(f, (290.0 + 420.0 * nasal[:, None]) * scale, 90.0)
    return np.asarray(zero / (pole * moving), dtype=np.complex64)


def _resonance(
    f: Float[np.ndarray, " bin"],
    centre: float | Float[np.ndarray, "frame 1"],
    width: float | Float[np.ndarray, "frame 1"],
) -> Complex[np.ndarray, "*shape"]:
    """Denominator of a two-pole resonator with unit gain at 0 Hz; its inverse is the response."""
    x = f / np.float32(centre) if isinstance(centre, float) else f / centre.astype(np.float32)
    return np.asarray(1 - x * x + 1j * (x * np.asarray(width / centre, dtype=np.float32)), dtype=np.complex64)


def friction_response(band: Float[np.ndarray, " frame"], sample_rate: int) -> Float[np.ndarray, "frame bin"]:
    """Response of the noise made in the mouth: a broad band around ``band`` Hz with a faint floor."""
    f = frequencies(sample_rate)
    distance = np.log2(np.maximum(f, 50.0) / band[:, None].astype(np.float32))
    return np.asarray(np.exp(-(distance**2) / 0.30) + 0.03)


def filter_frames(wave: Wave, response: Response, sample_rate: int) -> Wave:
    """Filters overlapping windows of ``wave``, each with its own response, and adds them up.

    Args:
        wave: ``[time]``.
        response: ``[frame, bin]``, frame ``i`` is centred at ``i * HOP_SECONDS``.
        sample_rate: In Hz.
    """
    hop, size = round(HOP_SECONDS * sample_rate), round(FFT_SECONDS * sample_rate)
    count = len(response)
    padded = np.zeros((count + 1) * hop, dtype=np.float32)
    padded[hop : hop + len(wave)] = wave[: count * hop]
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[::hop] * window
    filtered = irfft(rfft(pieces, size, axis=1) * response[: len(pieces)], size, axis=1)
    output = np.zeros((count + 1) * hop + size, dtype=np.float32)
    for start in range(0, size, hop):
        block = filtered[:, start : start + hop]
        target = output[start : start + len(block) * hop].reshape(len(block), hop)
        target[:, : block.shape[1]] += block
    return output[hop : hop + len(wave)]
