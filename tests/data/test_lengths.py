"""Lengths that headers guess or never learned: the sound itself says how long it is."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stylewav_pl.data import headers
from stylewav_pl.data.audio import decode, seconds_of
from stylewav_pl.data.file_part import FilePart
from stylewav_pl.data.headers import counts_frames
from stylewav_pl.data.window import Window
from stylewav_pl.types import AudioError

RATE = 16_000
SECONDS = 2.0


def _tone() -> np.ndarray:
    """A tone that rises: no part of it is like another."""
    moments = np.arange(round(SECONDS * RATE)) / RATE
    return 0.4 * np.sin(2 * np.pi * (200 + 150 * moments) * moments)


TONE = _tone()
PCM = (TONE * 32767).astype("<i2").tobytes()


def written(wave: np.ndarray, **options: object) -> bytes:
    file = BytesIO()
    soundfile.write(file, wave, RATE, **options)
    return file.getvalue()


WAV = written(TONE, format="WAV")


def with_sizes(riff: int, data: int) -> bytes:
    return WAV[:4] + struct.pack("<I", riff) + WAV[8:40] + struct.pack("<I", data) + WAV[44:]


def tagged(data: bytes, size: int = 3000) -> bytes:
    """Behind an ID3v2 tag, as some programs put it before anything."""
    length = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    return b"ID3\3\0\0" + length + b"TIT2".ljust(size, b"\0") + data


def uncounted() -> bytes:
    """MP3 of variable bit rate whose first frame, which counts the others, is gone; its
    beginning is silent."""
    wave = np.concatenate([np.zeros(RATE // 2), TONE])
    data = written(wave, format="MP3", bitrate_mode="VARIABLE", compression_level=0.1)
    assert b"Xing" in data[:200]
    return data[data.index(data[:2], 4) :]


WHOLE: dict[str, bytes] = {
    "a size of 0": with_sizes(0, 0),
    "a size of 0 in RIFF alone": with_sizes(0, len(PCM)),
    "a size of 4 GiB": with_sizes(0xFFFFFFFF, 0xFFFFFFFF),
    "a size of 2 GiB": with_sizes(0x7FFFFFFF, 0x7FFFFFFF),
    "sox in a pipe": with_sizes(0x7F000024, 0x7F000000),
    "a tag before RIFF": tagged(WAV),
    "a large tag before RIFF": tagged(WAV, 150_000),
    "two tags before RIFF": tagged(tagged(WAV)),
    "a tag before a size of 0": tagged(with_sizes(0, 0)),
    "a tag before FLAC": tagged(written(TONE, format="FLAC")),
    "a tag before AIFF": tagged(written(TONE, format="AIFF")),
    "a tag before Ogg": tagged(written(TONE, format="OGG")),
    "a header that promises 3 % more": with_sizes(36 + len(PCM) * 103 // 100, len(PCM) * 103 // 100),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_wrong_header_does_not_matter(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(WHOLE[name])
    assert seconds_of(tmp_path / "a") == pytest.approx(SECONDS, abs=1e-3)
    for window, start in ((Window(1.0), 0.5), (Window(SECONDS), 0.0)):
        waveform = decode(tmp_path / "a", RATE, window).numpy()
        expected = TONE[round(start * RATE) :][: len(waveform)]
        assert np.corrcoef(waveform, expected)[0, 1] > 0.99


def test_a_header_that_promises_a_little_more_is_no_damage(tmp_path: Path) -> None:
    """1.93 s of 2 s: the recorder ended before it corrected the header."""
    (tmp_path / "a.wav").write_bytes(WAV[: 44 + 2 * round(1.93 * RATE)])
    assert seconds_of(tmp_path / "a.wav") == pytest.approx(1.93)
    assert len(decode(tmp_path / "a.wav", RATE)) == round(1.93 * RATE)


@pytest.mark.parametrize("format", ["WAV", "AIFF", "AU", "W64", "RF64", "CAF"])
def test_where_more_than_a_tenth_is_missing_a_copy_broke_off(tmp_path: Path, format: str) -> None:
    data = written(TONE, format=format)
    (tmp_path / "a").write_bytes(data[: round(0.95 * len(data))])
    assert seconds_of(tmp_path / "a") == pytest.approx(0.95 * SECONDS, abs=0.06)
    (tmp_path / "a").write_bytes(data[: round(0.85 * len(data))])
    with pytest.raises(AudioError, match="unreadable: The file is cut off"):
        decode(tmp_path / "a", RATE)


@pytest.mark.parametrize("place", ["first", "center", "loudest"])
def test_mp3_without_a_count_is_counted(
    tmp_path: Path, place: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(uncounted())
    assert soundfile.info(path).duration > 1.5 * (SECONDS + 0.5), "the guess that is not believed"
    assert seconds_of(path) == pytest.approx(SECONDS + 0.5, abs=0.15)
    whole, _ = soundfile.read(path)
    start = {"first": 0, "center": (len(whole) - RATE) // 2}.get(place)
    waveform = decode(path, RATE, Window(1.0, place)).numpy()
    assert len(waveform) == RATE
    if start is not None:
        assert np.array_equal(waveform, whole[start : start + RATE].astype(np.float32))
    assert capfd.readouterr().err == "", "libmpg123 complains about whole recordings"


def test_only_a_header_that_counts_is_believed(tmp_path: Path) -> None:
    for data, expected in ((written(TONE, format="MP3"), True), (uncounted(), False), (WAV, False)):
        (tmp_path / "a").write_bytes(data)
        assert counts_frames(FilePart(tmp_path / "a", 0, len(data))) is expected


def test_a_damaged_header_leads_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A FLAC that claims 2**36 samples has libsndfile look for them beyond all files."""
    data = bytearray(written(TONE, format="FLAC"))
    data[21:26] = bytes([data[21] | 0x0F, 255, 255, 255, 255])
    (tmp_path / "a.flac").write_bytes(data)
    with pytest.raises(AudioError, match="cut off"):
        decode(tmp_path / "a.flac", RATE)
    assert capfd.readouterr() == ("", "")


def boxes(*sizes: int) -> bytes:
    return b"".join(
        struct.pack(">I", size) + (b"ftyp" if place == 0 else b"free") for place, size in enumerate(sizes)
    )


@pytest.mark.parametrize(
    "data", [boxes(8) * 300_000, boxes(0), boxes(8, 1), boxes(8, 7), b"caff" + bytes(5_000_000)]
)
def test_headers_that_repeat_for_ever_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    (tmp_path / "a").write_bytes(data)
    looks = []
    unpacked = headers._unpacked
    monkeypatch.setattr(headers, "_unpacked", lambda *place: looks.append(1) or unpacked(*place))
    headers.where_it_breaks(FilePart(tmp_path / "a", 0, len(data)))
    assert 1 <= len(looks) <= headers.MAX_CHUNKS
