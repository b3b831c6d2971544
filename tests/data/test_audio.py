"""The decoder: formats, rates and channels read back, and every kind of bad file named."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stylewav_pl.data.audio import decode
from stylewav_pl.data.window import Window
from stylewav_pl.types import AudioError, SkipReason

Wave = np.ndarray


def _speechlike(seconds: float, rate: int, channels: int = 1) -> Wave:
    """Noise below 3 kHz, so that every rate and codec can carry it."""
    random = np.random.default_rng(0)
    spectrum = np.fft.rfft(random.standard_normal(round(seconds * rate)))
    spectrum[round(3000 * seconds) :] = 0
    wave = np.fft.irfft(spectrum, round(seconds * rate))
    return np.repeat((0.3 * wave / np.abs(wave).max()).astype(np.float32)[:, None], channels, axis=1)


def _correlation(one: Wave, other: Wave) -> float:
    """Highest correlation within a lag of 50 ms at 16 kHz: lossy formats delay."""
    length = min(len(one), len(other))
    lagged = [
        np.corrcoef(one[800 : length - 800], other[800 + lag : length - 800 + lag])[0, 1]
        for lag in range(-800, 801, 1)
    ]
    return float(max(lagged))


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_wav_over_rates_and_channels(tmp_path: Path, subtype: str, rate: int, channels: int) -> None:
    soundfile.write(tmp_path / "a.wav", _speechlike(1.0, rate, channels), rate, subtype=subtype)
    waveform = decode(tmp_path / "a.wav", 16_000).numpy()
    assert waveform.shape == (16_000,)
    assert waveform.dtype == np.float32
    expected = _resampled_by_fft(_speechlike(1.0, rate)[:, 0], 16_000)
    assert np.corrcoef(waveform[200:-200], expected[200:-200])[0, 1] > 0.999
    assert np.abs(waveform).max() == pytest.approx(np.abs(expected).max(), rel=0.05)


def _resampled_by_fft(wave: Wave, length: int) -> Wave:
    """Exact for periodic band-limited signals: cuts or pads the spectrum."""
    spectrum = np.fft.rfft(wave)
    padded = np.zeros(length // 2 + 1, dtype=complex)
    kept = min(len(spectrum), len(padded))
    padded[:kept] = spectrum[:kept]
    return np.fft.irfft(padded, length) * length / len(wave)


FORMATS: dict[str, tuple[int, dict[str, str]]] = {
    "flac": (44_100, {}),
    "ogg": (44_100, {}),
    "mp3": (44_100, {}),
    "opus": (48_000, {"format": "OGG", "subtype": "OPUS"}),
    "aiff": (44_100, {}),
}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", FORMATS)
def test_other_formats(tmp_path: Path, suffix: str, channels: int) -> None:
    rate, options = FORMATS[suffix]
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, _speechlike(1.0, rate, channels), rate, **options)
    waveform = decode(path, 16_000).numpy()
    assert abs(len(waveform) - 16_000) < 1600
    assert _correlation(_resampled_by_fft(_speechlike(1.0, rate)[:, 0], 16_000), waveform) > 0.95


def test_format_comes_from_the_content(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", _speechlike(1.0, 16_000), 16_000)
    (tmp_path / "a.flac").rename(tmp_path / "a.wav")
    assert len(decode(tmp_path / "a.wav", 16_000)) == 16_000


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_only_the_window_of_a_long_file_counts(tmp_path: Path, suffix: str) -> None:
    wave = np.concatenate(
        [_speechlike(3.0, 16_000), np.zeros((16_000 * 3, 1), np.float32), -_speechlike(3.0, 16_000)]
    )[:, 0]
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, wave, 16_000)
    for window, expected in (
        (Window(2.0, "first"), wave[:32_000]),
        (Window(6.0, "center"), wave[24_000:120_000]),
    ):
        decoded = decode(path, 16_000, window).numpy()
        assert len(decoded) == len(expected)
        assert np.corrcoef(decoded, expected)[0, 1] > (0.95 if suffix == "ogg" else 0.9999)
    loudest = decode(path, 16_000, Window(3.0, "loudest")).numpy()
    assert np.square(loudest).sum() == pytest.approx(
        np.square(wave[:48_000]).sum(), rel=0.1 if suffix == "ogg" else 0.001
    )
    with pytest.raises(AudioError, match="silent"):
        decode(path, 16_000, Window(2.0, "center"))


def test_too_loud_floats_are_scaled_to_full_scale(tmp_path: Path) -> None:
    wave = _speechlike(1.0, 16_000)[:, 0]
    soundfile.write(tmp_path / "a.wav", wave * 1e5, 16_000, subtype="FLOAT")
    waveform = decode(tmp_path / "a.wav", 16_000).numpy()
    np.testing.assert_allclose(waveform, wave / np.abs(wave).max(), atol=1e-5)


def test_decoding_is_deterministic(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", _speechlike(8.0, 44_100), 44_100)
    assert np.array_equal(
        decode(tmp_path / "a.mp3", 16_000).numpy(), decode(tmp_path / "a.mp3", 16_000).numpy()
    )


# --- bad files
# -----------------------------------------------------------------------------------------------------


def _write(wave: Wave, path: Path, **options: str) -> None:
    soundfile.write(path, wave, 16_000, **options)


def _half_of(path: Path, wave: Wave, **options: str) -> None:
    soundfile.write(path, wave, 48_000, **options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _nan(path: Path) -> None:
    wave = _speechlike(1.0, 16_000)
    wave[7000] = np.nan
    _write(wave, path, subtype="FLOAT")


def _infinite(path: Path) -> None:
    wave = _speechlike(1.0, 16_000)
    wave[7000] = -np.inf
    _write(wave, path, subtype="FLOAT")


def _impossible_rate(path: Path) -> None:
    _write(_speechlike(1.0, 16_000), path)
    data = bytearray(path.read_bytes())
    data[24:28] = struct.pack("<I", 7)
    path.write_bytes(data)


def _promises_days(path: Path) -> None:
    """A flac header that claims 2**32 samples: a loop over what it promises would not end."""
    _write(_speechlike(1.0, 16_000), path)
    data = bytearray(path.read_bytes())
    data[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(data)


def _link_to_nothing(path: Path) -> None:
    path.symlink_to(path.parent / "gone")


BAD: dict[str, tuple[str, SkipReason, Callable[[Path], object]]] = {
    "missing": ("a.wav", SkipReason.MISSING, lambda path: None),
    "broken link": ("a.wav", SkipReason.MISSING, _link_to_nothing),
    "folder": ("a.wav", SkipReason.MISSING, lambda path: path.mkdir()),
    "no bytes": ("a.wav", SkipReason.EMPTY, lambda path: path.touch()),
    "no samples": ("a.wav", SkipReason.EMPTY, lambda path: _write(np.zeros((0, 1)), path)),
    "no samples, flac": ("a.flac", SkipReason.EMPTY, lambda path: _write(np.zeros((0, 1)), path)),
    "text": ("a.wav", SkipReason.UNREADABLE, lambda path: path.write_text("This is a letter.\n" * 50)),
    "text called mp3": (
        "a.mp3",
        SkipReason.UNREADABLE,
        lambda path: path.write_text("This is a letter.\n" * 50),
    ),
    "zeros": ("a.wav", SkipReason.UNREADABLE, lambda path: path.write_bytes(bytes(5000))),
    "header only": ("a.wav", SkipReason.UNREADABLE, lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVE")),
    "raw": ("a.raw", SkipReason.UNREADABLE, lambda path: path.write_bytes(b"\1\2" * 5000)),
    "cut off wav": ("a.wav", SkipReason.UNREADABLE, lambda path: _half_of(path, _speechlike(2.0, 48_000))),
    "cut off flac": ("a.flac", SkipReason.UNREADABLE, lambda path: _half_of(path, _speechlike(2.0, 48_000))),
    "cut off mp3": ("a.mp3", SkipReason.UNREADABLE, lambda path: _half_of(path, _speechlike(2.0, 48_000))),
    "cut off opus": (
        "a.opus",
        SkipReason.UNREADABLE,
        lambda path: _half_of(path, _speechlike(2.0, 48_000), format="OGG", subtype="OPUS"),
    ),
    "impossible rate": ("a.wav", SkipReason.UNREADABLE, _impossible_rate),
    "promises days": ("a.flac", SkipReason.UNREADABLE, _promises_days),
    "silence": ("a.wav", SkipReason.SILENT, lambda path: _write(np.zeros(16_000), path)),
    "nearly silence": (
        "a.wav",
        SkipReason.SILENT,
        lambda path: _write(_speechlike(1.0, 16_000) * 0.003, path, subtype="FLOAT"),
    ),
    "constant": ("a.wav", SkipReason.SILENT, lambda path: _write(np.full(16_000, 0.5), path)),
    "not a number": ("a.wav", SkipReason.NOT_FINITE, _nan),
    "infinite": ("a.wav", SkipReason.NOT_FINITE, _infinite),
    "too short": ("a.wav", SkipReason.TOO_SHORT, lambda path: _write(_speechlike(0.4, 16_000), path)),
    "one sample": ("a.wav", SkipReason.TOO_SHORT, lambda path: _write(np.ones(1), path)),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_audio_is_named(tmp_path: Path, kind: str) -> None:
    name, reason, make = BAD[kind]
    make(tmp_path / name)
    for place in ("center", "loudest"):
        with pytest.raises(AudioError) as caught:
            decode(tmp_path / name, 16_000, Window(place=place))
        assert caught.value.reason is reason, caught.value.detail
        assert caught.value.detail.endswith(".")
        assert str(tmp_path) not in caught.value.detail
