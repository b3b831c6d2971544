"""Whatever the bytes: a waveform that keeps its promises, or an AudioError."""

import json
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from encoders import encoded
from hypothesis import given, settings
from hypothesis import strategies as st

from stylewav_pl.data import audio, pyav_process
from stylewav_pl.data.file_part import FilePart
from stylewav_pl.data.pyav import UnknownFormat
from stylewav_pl.data.window import Window
from stylewav_pl.types import AudioError

NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, (12_000, 2))
FORMATS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3", "aiff": "AIFF"}


def _encoded(kind: str) -> bytes:
    file = BytesIO()
    soundfile.write(file, NOISE, 16_000, format=FORMATS[kind])
    return file.getvalue()


ENCODED = {kind: _encoded(kind) for kind in FORMATS}


@pytest.fixture(scope="module", autouse=True)
def _only_libsndfile() -> Iterator[None]:
    """Starting a process for every example would take minutes; what it does is tested below, in this one."""

    def refuse(part: FilePart) -> None:
        raise UnknownFormat("left out")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audio, "open_pyav", refuse)
        yield


def _holds(data: bytes, kind: str, place: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a.{kind}")
        path.write_bytes(data)
        try:
            waveform = audio.decode(path, 16_000, Window(0.5, place, 0.2))
        except AudioError as error:
            assert error.detail.endswith(".")
            return
    assert 0 < len(waveform) <= 8000
    assert np.isfinite(waveform.numpy()).all()
    assert waveform.abs().max() <= 1


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(data=st.binary(max_size=400), kind=st.sampled_from(sorted(FORMATS)))
def test_any_bytes(data: bytes, kind: str) -> None:
    _holds(data, kind, "center")


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(
    kind=st.sampled_from(sorted(FORMATS)),
    place=st.sampled_from(["center", "first", "loudest"]),
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    kept=st.floats(0.2, 1.0),
)
def test_damaged_files(kind: str, place: str, changes: list[tuple[int, int]], kept: float) -> None:
    data = bytearray(ENCODED[kind])
    for position, value in changes:
        data[position % len(data)] = value
    _holds(bytes(data[: round(len(data) * kept)]), kind, place)


# --- the second decoder

OTHERS = {
    "m4a": ("mp4", "aac"),
    "alac": ("ipod", "alac"),
    "webm": ("webm", "libopus"),
    "flac": ("flac", "flac"),
    "oga": ("ogg", "flac"),
    "wma": ("asf", "wmav2"),
    "aac": ("adts", "aac"),
    "wav": ("wav", "g722"),
}
FOREIGN = {
    kind: encoded(0.3 * NOISE[:, 0], 48_000 if kind == "webm" else 16_000, *names)
    for kind, names in OTHERS.items()
}


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(
    kind=st.sampled_from(sorted(FOREIGN)),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=10),
    kept=st.floats(0.2, 1.0),
)
def test_damaged_files_of_other_formats(kind: str, changes: list[tuple[int, int]], kept: float) -> None:
    data = bytearray(FOREIGN[kind])
    for position, value in changes:
        data[position % len(data)] = value
    data = data[: round(len(data) * kept)]
    output = BytesIO()
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        report = pyav_process.decode(pyav_process.Part(file.fileno(), 0, len(data)), output)
    first, _, samples = output.getvalue().partition(b"\n")
    assert report.keys() == {"error"} or report.keys() == {"packets", "failed", "broken", "promised"}
    if first:
        assert len(samples) % (4 * json.loads(first)["channels"]) == 0
        assert len(samples) < 1000 * len(data)
