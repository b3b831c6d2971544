"""What LanguageBind's audio encoder is given: a mel spectrogram of fixed length, as three channels.

Source: Zhu et al., "LanguageBind" (2023, arXiv:2310.01852). The published preprocessing draws one window of
each third of a long recording at random; here it is the middle one of each third, so that a clip always
gives the same vector.
"""

from jaxtyping import Float
from torch import Tensor, stack
from torchaudio.compliance import kaldi

from stylewav_pl.types import AudioError, SkipReason

SAMPLE_RATE = 16_000
SHORTEST = 400  # samples: one frame of 25 ms
FRAMES = 1036  # 10.4 s; what is shorter is repeated
MEAN, DEVIATION = -4.2677393, 4.5689974  # of the training data
CHANNELS = 3


def mel_spectrogram(waveform: Float[Tensor, " time"], bands: int) -> Float[Tensor, "frame band"]:
    """Kaldi's logarithmic filter bank, 25 ms every 10 ms, without its noise.

    Raises:
        AudioError: There is not one frame.
    """
    if len(waveform) < SHORTEST:
        raise AudioError(
            SkipReason.TOO_SHORT, f"LanguageBind needs at least {SHORTEST} samples, found {len(waveform)}."
        )
    bank: Tensor = kaldi.fbank(
        (waveform - waveform.mean())[None],
        htk_compat=True,
        sample_frequency=SAMPLE_RATE,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=bands,
        dither=0.0,
        frame_length=25,
        frame_shift=10,
    )
    return bank


def window_starts(frames: int, length: int = FRAMES) -> tuple[int, int, int]:
    """Returns the first frames of three windows: the middle one of the starts in each third.

    >>> window_starts(1039)  # possible starts: 0, 1 | 2 | 3
    (1, 2, 3)
    >>> window_starts(1037)  # 0 | 1 | none, for which the published code takes the beginning
    (0, 1, 0)
    """
    count = frames - length + 1
    sizes = [(count + CHANNELS - 1 - third) // CHANNELS for third in range(CHANNELS)]
    starts, first = [], 0
    for size in sizes:
        starts.append(first + size // 2 if size else 0)
        first += size
    return starts[0], starts[1], starts[2]


def network_input(mel: Float[Tensor, "frame band"], length: int = FRAMES) -> Float[Tensor, "3 band length"]:
    """Cuts three windows out of a spectrogram, or repeats a short one, and standardises it."""
    frames = len(mel)
    if frames <= length:
        repeated = mel.repeat(-(-length // frames), 1)[:length]
        windows = [repeated] * CHANNELS
    else:
        windows = [mel[start : start + length] for start in window_starts(frames, length)]
    return (stack(windows).transpose(1, 2) - MEAN) / (2 * DEVIATION)
