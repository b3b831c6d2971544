"""Pictures and sounds in a page: small, and what they were."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from stylewav_pl.report.media import picture_uri, sound_uri, start_uris
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.embeddings import CohortEmbeddings, write_embeddings
from stylewav_pl.runs.finished import FinishedRun


def content(uri: str, kind: str) -> io.BytesIO:
    head, _, data = uri.partition(",")
    assert head == f"data:{kind};base64"
    return io.BytesIO(base64.b64decode(data))


@pytest.mark.parametrize(("seconds", "kept"), [(0.5, 0.5), (5.0, 5.0), (20.0, 8.0)])
def test_a_sound_is_a_small_mp3_of_the_same_tone(seconds: float, kept: float) -> None:
    rate = 16_000
    tone = 0.4 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate).astype(np.float32)
    file = content(sound_uri(tone, rate), "audio/mpeg")
    assert len(file.getvalue()) < 4_000 * kept + 2_000
    heard, heard_rate = soundfile.read(file)
    assert heard.ndim == 1 and heard_rate == rate and len(heard) / rate == pytest.approx(kept, abs=0.15)
    loudest = np.abs(np.fft.rfft(heard)).argmax() * rate / len(heard)
    assert loudest == pytest.approx(440, abs=5)


@pytest.mark.parametrize(("size", "expected"), [((64, 64), (64, 64)), ((1024, 1024), (128, 128))])
def test_a_picture_is_a_small_jpeg(size: tuple[int, int], expected: tuple[int, int]) -> None:
    with Image.open(content(picture_uri(Image.new("RGBA", size, "#c04020")), "image/jpeg")) as small:
        assert small.size == expected
        assert np.abs(np.asarray(small, dtype=int)[5, 5] - (0xC0, 0x40, 0x20)).max() < 6


def test_a_damaged_or_missing_sheet_costs_the_start_images_alone(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for cohort in (0, 1):
        write_embeddings(
            run.embeddings_path(cohort),
            CohortEmbeddings((f"clip-{cohort}",), np.ones((1, 2)), np.ones((1, 2))),
        )
    run.starts_path(0).write_bytes(b"no picture")
    assert start_uris(FinishedRun(tmp_path), ["clip-0", "clip-1", "unknown"]) == {}
