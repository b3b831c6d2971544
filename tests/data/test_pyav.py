"""The second decoder: recordings of phones and browsers, and nothing that a hostile file could
do to a run."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from encoders import encoded, speex
from PIL import Image
from scipy.signal import correlate

from stylewav_pl.data import BuiltinVoices, ClipDataModule, Folder, Window, decoder, pyav, pyav_process
from stylewav_pl.data.audio import decode, seconds_of
from stylewav_pl.data.file_part import FilePart
from stylewav_pl.errors import StyleWavError
from stylewav_pl.runs.plan import Plan
from stylewav_pl.types import AudioError, SkipReason

RATE = 16_000
SECONDS = 3.0

Make = Callable[[], bytes]


def _voice() -> np.ndarray:
    voices = BuiltinVoices(1, seconds=SECONDS)
    return voices.read(voices.list_clips()[0], RATE, Window(SECONDS)).numpy().astype(np.float64)


VOICE = _voice()


def at(rate: int) -> np.ndarray:
    resampled: np.ndarray = soxr.resample(VOICE, RATE, rate)
    return resampled


def gsm() -> bytes:
    file = BytesIO()
    soundfile.write(file, at(8000), 8000, format="WAV", subtype="GSM610")
    return file.getvalue()


# name -> how it is made, seconds that the codec may add or take, likeness to the voice
FORMATS: dict[str, tuple[Make, float, float]] = {
    "phone.m4a": (lambda: encoded(VOICE, RATE, "mp4", "aac"), 0.001, 0.99),
    "lossless.m4a": (lambda: encoded(VOICE, RATE, "ipod", "alac"), 0.001, 0.9999),
    "fragments.mp4": (
        lambda: encoded(VOICE, RATE, "mp4", "aac", movflags="frag_keyframe+empty_moov"),
        0.13,
        0.99,
    ),
    "phone.3gp": (lambda: encoded(at(8000), 8000, "3gp", "libopencore_amrnb"), 0.03, 0.8),
    "phone.amr": (lambda: encoded(at(8000), 8000, "amr", "libopencore_amrnb"), 0.03, 0.8),
    "browser.webm": (lambda: encoded(at(48_000), 48_000, "webm", "libopus"), 0.03, 0.98),
    "live.webm": (lambda: encoded(at(48_000), 48_000, "webm", "libopus", piped=True), 0.03, 0.98),
    "ogg flac.oga": (lambda: encoded(VOICE, RATE, "ogg", "flac"), 0.001, 0.9999),
    "piped.flac": (lambda: encoded(VOICE, RATE, "flac", "flac", piped=True), 0.001, 0.9999),
    "windows.wma": (lambda: encoded(VOICE, RATE, "asf", "wmav2"), 0.1, 0.99),
    "stream.aac": (lambda: encoded(VOICE, RATE, "adts", "aac", piped=True), 0.13, 0.99),
    "camera.avi": (lambda: encoded(VOICE, RATE, "avi", "pcm_s16le"), 0.001, 0.9999),
    "g722.wav": (lambda: encoded(VOICE, RATE, "wav", "g722"), 0.001, 0.99),
    "telephone.wav": (gsm, 0.045, 0.85),
}


def likeness(decoded: np.ndarray, original: np.ndarray = VOICE) -> float:
    """Correlation at the best lag: lossy formats delay."""
    lag = int(correlate(decoded, original).argmax()) - len(original) + 1
    one, other = decoded[max(0, lag) :], original[max(0, -lag) :]
    length = min(len(one), len(other))
    assert length > 0.9 * len(original)
    return float(np.corrcoef(one[:length], other[:length])[0, 1])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of every format."""
    folder = tmp_path_factory.mktemp("formats")
    for name, (make, _, _) in FORMATS.items():
        (folder / name).write_bytes(make())
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_what_libsndfile_refuses_is_decoded_whole(
    files: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    _, more, alike = FORMATS[name]
    assert seconds_of(files / name) == pytest.approx(SECONDS, abs=more)
    waveform = decode(files / name, RATE, Window(SECONDS + 1)).numpy()
    assert len(waveform) / RATE == pytest.approx(SECONDS, abs=more)
    assert likeness(waveform) > alike
    assert capfd.readouterr() == ("", ""), "a library made noise"


@pytest.mark.parametrize("place", ["first", "center", "loudest"])
@pytest.mark.parametrize("kept", [1 << 24, 1000])
def test_excerpts_of_long_recordings_are_those_of_short_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, kept: int
) -> None:
    """Whether it is kept in memory until its length is known, or decoded twice."""
    monkeypatch.setattr(decoder, "KEPT", kept)
    monkeypatch.setattr(decoder, "AT_ONCE", 5000)
    wave = np.concatenate([0.1 * VOICE, VOICE, 0.05 * VOICE, 0.2 * VOICE])
    (tmp_path / "a.flac").write_bytes(encoded(wave, RATE, "flac", "flac", piped=True))
    soundfile.write(tmp_path / "a.wav", wave, RATE)
    window = Window(1.5, place)
    assert np.allclose(
        decode(tmp_path / "a.flac", RATE, window), decode(tmp_path / "a.wav", RATE, window), atol=1e-4
    )


def test_speex(tmp_path: Path) -> None:
    """No encoder of it is at hand: a noise of which only the length is known."""
    (tmp_path / "a.spx").write_bytes(speex(frames=150))
    assert seconds_of(tmp_path / "a.spx") == pytest.approx(3.0, abs=0.03)
    assert decode(tmp_path / "a.spx", 8000).std() > 0.01


def test_a_part_of_a_file_is_all_that_is_read(tmp_path: Path, files: Path) -> None:
    data = (files / "phone.m4a").read_bytes()
    (tmp_path / "shard").write_bytes(b"before" * 100 + data + b"after" * 100)
    part = FilePart(tmp_path / "shard", 600, len(data))
    assert decode(part, RATE).equal(decode(files / "phone.m4a", RATE))


def test_workers_decode_the_same(tmp_path: Path, files: Path) -> None:
    for number in range(3):
        for suffix in ("m4a", "amr"):
            (tmp_path / f"{suffix}{number}.{suffix}").write_bytes((files / f"phone.{suffix}").read_bytes())
    (tmp_path / "m4a1.m4a").write_bytes((files / "phone.m4a").read_bytes()[:10_000])
    waveforms, skips = [], []
    for workers in (0, 2):
        data = ClipDataModule([Folder(tmp_path)], cohort_size=6, num_workers=workers)
        data.assign(Plan(6).extended([clip.id for clip in data.list_clips()]).cohorts)
        (batch,) = data.train_dataloader()
        waveforms.append(batch.waveforms)
        skips.append([skip.detail for skip in batch.skips])
    assert skips[0] == skips[1] and len(skips[0]) == 1
    assert all(one.equal(other) for one, other in zip(*waveforms, strict=True))


# --- files that are cut off

CUT = {
    "phone.m4a": "before its index",
    "phone.3gp": "before its index",
    "fragments.mp4": "its header promises",
    "browser.webm": "its header promises",
    "ogg flac.oga": "in the middle of an Ogg page",
    "piped.flac": "in the middle of a packet",
    "windows.wma": "in the middle of a packet",
    "stream.aac": "in the middle of a packet",
}


@pytest.mark.parametrize("name", CUT)
def test_streams_that_break_off_are_cut_off(tmp_path: Path, files: Path, name: str) -> None:
    data = (files / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2 + 1])
    for use in (seconds_of, lambda path: decode(path, RATE)):
        with pytest.raises(AudioError, match=f"unreadable: The file is cut off.*{CUT[name]}"):
            use(tmp_path / name)


@pytest.mark.parametrize("name", ["stream.aac", "piped.flac", "windows.wma", "ogg flac.oga"])
def test_a_tag_behind_the_sound_does_no_harm(tmp_path: Path, files: Path, name: str) -> None:
    (tmp_path / name).write_bytes((files / name).read_bytes() + b"TAG" + b"title".ljust(125, b"\0"))
    assert seconds_of(tmp_path / name) == pytest.approx(SECONDS, abs=0.13)


# --- what is no recording


def picture(kind: str) -> bytes:
    file = BytesIO()
    Image.effect_noise((64, 64), 50).save(file, kind)
    return file.getvalue()


NO_RECORDING: dict[str, Callable[[Path], bytes]] = {
    "playlist": lambda real: f"#EXTM3U\n#EXTINF:3,\n{real.as_uri()}\n".encode(),
    "live playlist": lambda real: f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{real}\n".encode(),
    "concat": lambda real: f"ffconcat version 1.0\nfile {real}\n".encode(),
    "session description": lambda real: (
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=audio 5004 RTP/AVP 97\na=rtpmap:97 opus/48000/2\n"
    ),
    "dash": lambda real: (
        f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        f"<AdaptationSet><Representation><BaseURL>{real}</BaseURL></Representation></AdaptationSet>"
        "</Period></MPD>".encode()
    ),
    "png": lambda real: picture("PNG"),
    "jpeg": lambda real: picture("JPEG"),
    "gif": lambda real: picture("GIF"),
    "subtitles": lambda real: b"1\n00:00:00,000 --> 00:00:03,000\nHello.\n",
    "page": lambda real: b"<!DOCTYPE html><html><body>Hello.</body></html>",
}


@pytest.mark.parametrize("kind", NO_RECORDING)
def test_what_only_points_to_sound_or_has_none_is_refused(tmp_path: Path, files: Path, kind: str) -> None:
    (tmp_path / "a.m4a").write_bytes(NO_RECORDING[kind](files / "stream.aac"))
    with pytest.raises(AudioError, match=r"neither by libsndfile .* nor by FFmpeg") as caught:
        decode(tmp_path / "a.m4a", RATE)
    assert caught.value.reason is SkipReason.UNREADABLE
    assert str(tmp_path) not in caught.value.detail


def test_no_demuxer_is_allowed_that_opens_other_files() -> None:
    allowed = set(pyav_process.CONTAINERS.split(","))
    assert not allowed & {
        "hls",
        "concat",
        "dash",
        "sdp",
        "rtsp",
        "image2",
        "lavfi",
        "tty",
        "imf",
        "webm_dash_manifest",
    }


# --- what a hostile file could make FFmpeg do; the library that does it is made here

PRETENDED = """
import os, signal, sys
class AudioFrame: pass
class AudioStream: pass
class AudioResampler: pass
class FFmpegError(Exception): pass
codecs_available = ()
def open(*arguments, **options):
    {body}
"""


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Has the process import a library whose ``open`` does something; returns a file that goes to it."""

    def library(body: str) -> Path:
        (tmp_path / "library" / "av").mkdir(parents=True)
        (tmp_path / "library" / "av" / "__init__.py").write_text(PRETENDED.format(body=body))
        (tmp_path / "library" / "av" / "container.py").write_text("class InputContainer: pass")
        monkeypatch.syspath_prepend(tmp_path / "library")
        (tmp_path / "a.m4a").write_bytes(b"no format that libsndfile knows")
        return tmp_path / "a.m4a"

    return library


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("while True: pass", "FFmpeg was not done with it after 1 s of computing"),
        ("everything = [bytes([1]) * (1 << 24) for _ in range(1000)]", "FFmpeg needs more than 300 MiB"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "FFmpeg crashed when it read it (SIGSEGV)"),
        ("os.abort()", "FFmpeg crashed when it read it (SIGABRT)"),
        ("raise KeyError('surprise')", "nor by FFmpeg (KeyError: 'surprise')"),
        ("sys.exit('no reason')", "nor by FFmpeg (it said nothing)"),
    ],
)
def test_no_time_memory_or_crash_ends_more_than_a_clip(
    pretend: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, body: str, sentence: str
) -> None:
    monkeypatch.setattr(pyav, "SECONDS", 1)
    monkeypatch.setattr(pyav, "MEMORY", 300 << 20)
    with pytest.raises(AudioError) as caught:
        decode(pretend(body), RATE)
    assert caught.value.reason is SkipReason.UNREADABLE
    assert sentence in caught.value.detail
    assert caught.value.detail.endswith(".")


def test_what_a_library_prints_reaches_nobody(
    pretend: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AudioError, match=r"nor by FFmpeg \(KeyError"):
        decode(pretend("os.write(2, b'noise' * 100_000); raise KeyError(1)"), RATE)
    assert capfd.readouterr() == ("", "")


def test_a_decoder_that_somebody_ends_is_no_fault_of_the_clip(pretend: Callable[[str], Path]) -> None:
    with pytest.raises(
        StyleWavError, match=r"ended from outside \(SIGKILL\)\. Start the same command again"
    ) as caught:
        decode(pretend("os.kill(os.getpid(), signal.SIGKILL)"), RATE)
    assert not isinstance(caught.value, AudioError)


def test_signals_for_the_whole_job_do_not_end_it(pretend: Callable[[str], Path]) -> None:
    sent = "; ".join(
        f"os.kill(os.getpid(), signal.{name})" for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP")
    )
    with pytest.raises(AudioError, match="KeyError"):
        decode(pretend(f"{sent}; raise KeyError('survived')"), RATE)
