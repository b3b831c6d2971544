"""AudioCLIP's spectrogram: frequency B-spline wavelets that were learned, in decibels.

Source: Guzhov et al., "ESResNe(X)t-fbsp: Learning Robust Time-Frequency Transformation of Audio" (2021,
arXiv:2104.11587), section 3. Digital silence leaves nothing but rounding, which the decibels make loud; in
float64, on the CPU, it is at least the same on every device.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from stylewav_pl.types import AudioError, SkipReason

SAMPLE_RATE = 44_100
WINDOW, HOP, POINTS = 1654, 561, 2048
BANDS = 3  # thirds of the spectrum become channels
FULL_SCALE = 32_768.0  # the network was trained on 16-bit numbers
QUIETEST = 1e-18  # power of -180 dB, where there is none
EPSILON = 1e-8


def wavelets(
    m: Float[Tensor, " bin"], fb: Float[Tensor, " bin"], fc: Float[Tensor, " bin"]
) -> tuple[Float[Tensor, "bin point"], Float[Tensor, "bin point"]]:
    """Real and imaginary part of each frequency's wavelet: ``sqrt(fb) sinc(fb t / m)^m exp(-i fc t)``.

    Args:
        m: Order; 0 leaves a plain wave.
        fb: Bandwidth.
        fc: Centre, in cycles per window.
    """
    m, fb, fc = (values.double()[:, None] for values in (m, fb, fc))
    time = math.pi * torch.linspace(-1.0, 1.0, POINTS, dtype=torch.float64, device=m.device) + EPSILON
    argument = fb * time / (m + EPSILON)
    sinc = torch.where(argument == 0, torch.ones_like(argument), argument.sin() / argument)
    # a negative number to a power that is not whole: |x|^m with the phase pi m
    phase = torch.where(sinc < 0, math.pi * m, torch.zeros_like(sinc)) - fc * time
    envelope = fb.sqrt() * sinc.abs().pow(m)
    return envelope * phase.cos(), envelope * phase.sin()


def decibels(
    waveform: Float[Tensor, " time"],
    window: Float[Tensor, " length"],
    m: Float[Tensor, " bin"],
    fb: Float[Tensor, " bin"],
    fc: Float[Tensor, " bin"],
) -> Float[Tensor, "bin frame"]:
    """Returns the spectrogram of a waveform in [-1, 1] (44.1 kHz), 10 log10 of the power.

    Raises:
        AudioError: It is shorter than one window.
    """
    if len(waveform) < WINDOW:
        raise AudioError(
            SkipReason.TOO_SHORT, f"AudioCLIP needs at least {WINDOW} samples, found {len(waveform)}."
        )
    # the published code maps -32768 ... 32767 to -1 ... 1, which moves zero a little
    signal = (waveform.double().cpu() * FULL_SCALE + FULL_SCALE) * 2 / (2 * FULL_SCALE - 1) - 1
    frames = -(-(len(signal) - WINDOW) // HOP) + 1
    missing = (frames - 1) * HOP + WINDOW - len(signal)
    signal = functional.pad(signal, (missing // 2, missing - missing // 2))
    pieces = signal.unfold(0, WINDOW, HOP) * window.double().cpu()  # [frame, time]
    left = (POINTS - WINDOW) // 2
    pieces = functional.pad(pieces, (left, POINTS - WINDOW - left))
    real, imaginary = (pieces @ part.T for part in wavelets(m.cpu(), fb.cpu(), fc.cpu()))
    power = (real.square() + imaginary.square()).T / POINTS  # [bin, frame]
    return 10 * torch.where(power > 0, power, torch.full_like(power, QUIETEST)).log10()
