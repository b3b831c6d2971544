"""What lies outside the voice: channels that cancel, an offset, rumble."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from encoders import encoded

from stylewav_pl.data import BuiltinVoices, ClipDataModule, ClipSource, Folder, Manifest, Shards, Window
from stylewav_pl.data.audio import decode
from stylewav_pl.data.cleaning import Loudness, remove_below, to_mono
from stylewav_pl.data.shard_writer import write_shards
from stylewav_pl.data.window import HIGH_PASS
from stylewav_pl.embedders import load_audio_embedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.types import AudioError, Skip, SkipReason

RATE = 16_000
MOMENTS = np.arange(3 * RATE) / RATE


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """Three seconds of a built-in voice."""
    voices = BuiltinVoices(1, seconds=3.0)
    waveform = voices.read(voices.list_clips()[0], RATE, Window()).numpy().astype(np.float64)
    return 0.5 * waveform / np.abs(waveform).max()


def tone(frequency: float, rate: int = RATE, seconds: float = 3.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


# --- channels


@pytest.mark.parametrize("other", [-1.0, -0.9, -0.7])
def test_where_channels_cancel_one_is_used(tmp_path: Path, voice: np.ndarray, other: float) -> None:
    noise = np.random.default_rng(0).normal(0, 1e-3, (len(voice), 2))
    soundfile.write(tmp_path / "a.wav", np.stack([voice, other * voice], axis=1) + noise, RATE)
    waveform = decode(tmp_path / "a.wav", RATE).numpy()
    assert np.corrcoef(waveform, voice)[0, 1] > 0.999
    assert np.abs(waveform).max() == pytest.approx(0.5, rel=0.02)


def test_the_channel_with_most_energy_is_used(voice: np.ndarray) -> None:
    block = np.stack([0 * voice, 0.5 * voice, -0.5 * voice, voice, -voice], axis=1)
    assert np.array_equal(to_mono(block, RATE, None), voice)


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_other_channels_are_averaged(voice: np.ndarray, channels: int) -> None:
    block = np.random.default_rng(0).normal(0, 0.1, (len(voice), channels)) + voice[:, None]
    assert np.array_equal(to_mono(block, RATE, None), block.mean(axis=1))
    alone = np.zeros((len(voice), channels))
    alone[:, -1] = voice
    assert np.allclose(to_mono(alone, RATE, None), voice / channels)


def test_an_offset_does_not_hide_that_channels_cancel(voice: np.ndarray) -> None:
    block = np.stack([voice, -voice], axis=1) + 0.3
    for high_pass in (None, 40.0):
        mono = to_mono(block, RATE, high_pass)
        assert abs(np.corrcoef(mono, voice)[0, 1]) > 0.99


def test_the_loudest_part_is_found_in_channels_that_cancel(tmp_path: Path, voice: np.ndarray) -> None:
    wave = np.concatenate([0.1 * voice, voice, 0.1 * voice])
    soundfile.write(tmp_path / "a.wav", np.stack([wave, -wave], axis=1), RATE)
    waveform = decode(tmp_path / "a.wav", RATE, Window(3.0, "loudest")).numpy()
    assert np.square(waveform).sum() > 0.95 * np.square(voice).sum()


# --- high-pass


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 192_000])
def test_a_voice_passes_and_what_lies_below_does_not(rate: int) -> None:
    """Gains at the middle of three seconds, where no edge is near; the phase is zero."""
    middle = slice(rate, 2 * rate)
    for frequency, gain in ((0.0, 0.0), (5, 0.0), (20, 0.0), (25, 1e-3), (80, 1.0), (200, 1.0), (3000, 1.0)):
        wave = tone(frequency, rate) if frequency else np.ones(3 * rate)
        filtered = remove_below(wave[:, None], rate, HIGH_PASS)[:, 0]
        assert np.abs(filtered[middle] - gain * wave[middle]).max() < 2e-3


@pytest.mark.parametrize("samples", [1, 2, 3, 50, 800])
def test_short_recordings_are_filtered_too(samples: int) -> None:
    filtered = remove_below(np.full((samples, 2), 0.5, np.float32), RATE, HIGH_PASS)
    assert filtered.shape == (samples, 2)
    assert np.abs(filtered).max() < 1e-6


def studio_voice() -> np.ndarray:
    """Syllables of a deep voice with quiet between them: what lies below shows most in those."""
    pitch = 120 + 15 * np.sin(2 * np.pi * 0.7 * MOMENTS)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(harmonic * phase) / harmonic**1.3 for harmonic in range(1, 30))
    voice = voice * np.sqrt(np.clip(np.sin(2 * np.pi * 3 * MOMENTS), 0, 1))
    noise = np.random.default_rng(0).normal(0, 1e-4, len(voice))
    return np.asarray(0.5 * voice / np.abs(voice).max() + noise)


@pytest.mark.parametrize("place", ["first", "center", "loudest"])
@pytest.mark.parametrize("format", ["wav", "m4a"])
def test_an_excerpt_is_that_of_the_whole_recording_filtered(tmp_path: Path, format: str, place: str) -> None:
    """It is not cut first: a voice that goes on is no edge."""
    wave = 0.1 * np.random.default_rng(0).normal(0, 1, 6 * RATE).clip(-3, 3)
    wave[:RATE] *= 0.5
    whole = remove_below(wave[:, None], RATE, HIGH_PASS)[:, 0]
    if format == "wav":
        soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    else:
        (tmp_path / "a.m4a").write_bytes(encoded(wave, RATE, "ipod", "alac"))
    heard = decode(tmp_path / f"a.{format}", RATE, Window(2.0, place, high_pass=HIGH_PASS)).numpy()
    raw = decode(tmp_path / f"a.{format}", RATE, Window(2.0, place)).numpy()
    start = {"first": 0, "center": 2 * RATE}.get(place)
    if start is not None:
        assert np.abs(heard - whole[start : start + 2 * RATE]).max() < 1e-3
    assert len(heard) == len(raw) == 2 * RATE


def test_what_is_no_number_outside_of_the_excerpt_does_no_harm(tmp_path: Path, voice: np.ndarray) -> None:
    wave = np.concatenate([voice, voice])
    wave[[100, -100]] = np.nan
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    waveform = decode(tmp_path / "a.wav", RATE, Window(5.9, high_pass=HIGH_PASS))
    assert waveform.isfinite().all()


DISTURBED = {
    "offset": lambda wave: wave + 0.45,
    "small offset": lambda wave: wave - 0.03,
    "rumble at 20 Hz": lambda wave: wave + 0.3 * np.sin(2 * np.pi * 20 * MOMENTS + 1),
    "soft rumble at 20 Hz": lambda wave: wave + 0.05 * np.cos(2 * np.pi * 20 * MOMENTS),
    "wind": lambda wave: wave + 0.2 * np.sin(2 * np.pi * 3 * MOMENTS) * np.sin(2 * np.pi * 11 * MOMENTS),
    "drift": lambda wave: wave + np.linspace(-0.3, 0.3, len(wave)),
}


@pytest.mark.parametrize("kind", DISTURBED)
def test_the_embedding_is_that_of_the_clean_clip(tmp_path: Path, kind: str) -> None:
    voice = studio_voice()
    soundfile.write(tmp_path / "clean.wav", voice, RATE)
    soundfile.write(tmp_path / "disturbed.wav", DISTURBED[kind](voice), RATE)
    encoder = load_audio_embedder("pocket")

    def cosine(high_pass: float | None) -> float:
        window = Window(3.0, high_pass=high_pass)
        sounds = [decode(tmp_path / f"{name}.wav", RATE, window) for name in ("clean", "disturbed")]
        clean, disturbed = encoder.embed_audio(torch.stack(sounds))
        return float(clean @ disturbed)

    without, cleaned = cosine(None), cosine(HIGH_PASS)
    assert cleaned >= 0.999
    assert 1 - cleaned < (1 - without) / 2, "the disturbance does nothing"


def test_a_clean_clip_stays_as_it_is(tmp_path: Path, voice: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", voice, RATE, subtype="FLOAT")
    encoder = load_audio_embedder("pocket")
    sounds = [decode(tmp_path / "a.wav", RATE, Window(high_pass=place)) for place in (None, HIGH_PASS)]
    assert torch.equal(sounds[0], torch.from_numpy(voice).float()), "without a high-pass, to the last bit"
    before, after = encoder.embed_audio(torch.stack(sounds))
    assert float(before @ after) > 0.999


def test_silence_is_judged_by_what_is_embedded(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 0.4 * tone(12) + 0.1, RATE)
    assert len(decode(tmp_path / "a.wav", RATE)) == 3 * RATE
    with pytest.raises(AudioError) as caught:
        decode(tmp_path / "a.wav", RATE, Window(high_pass=HIGH_PASS))
    assert caught.value.reason is SkipReason.SILENT


@pytest.mark.parametrize("format", ["wav", "m4a"])
def test_the_loudest_part_is_that_of_the_voice(tmp_path: Path, voice: np.ndarray, format: str) -> None:
    """Somebody moves the microphone at the end: more energy than the voice has, but below it."""
    wave = np.concatenate([voice, 0.2 * voice, 0.45 * tone(8)])
    if format == "wav":
        soundfile.write(tmp_path / "a.wav", wave, RATE)
    else:
        (tmp_path / "a.m4a").write_bytes(encoded(wave, RATE, "ipod", "alac"))
    heard = decode(tmp_path / f"a.{format}", RATE, Window(2.0, "loudest", high_pass=HIGH_PASS)).numpy()
    assert np.square(heard).sum() > 0.5 * np.square(voice).sum()


def test_loudness_does_not_depend_on_the_blocks() -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, (10_000, 2))
    whole, parts = Loudness(1000, 30.0), Loudness(1000, 30.0)
    whole.add(wave)
    for start in range(0, 10_000, 700):
        parts.add(wave[start : start + 700])
    np.testing.assert_allclose(parts.energies, whole.energies, rtol=1e-9)
    assert len(whole.energies) == 100


def test_values_that_are_no_numbers_are_still_named(tmp_path: Path) -> None:
    wave = tone(200)
    wave[[100, 20_000]] = np.nan, np.inf
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    for place in ("center", "loudest"):
        with pytest.raises(AudioError, match="not-finite: 2 of 48000 samples"):
            decode(tmp_path / "a.wav", RATE, Window(place=place, high_pass=HIGH_PASS))


@pytest.mark.parametrize("high_pass", [0.0, -5.0, 100.0, float("nan")])
def test_a_high_pass_that_would_take_the_voice_is_refused(high_pass: float) -> None:
    with pytest.raises(ConfigError, match="Expected high_pass of 1 to 60 Hz"):
        Window(high_pass=high_pass)


def _sources(folder: Path) -> dict[str, ClipSource]:
    (folder / "table.csv").write_text("path\nvoices/a.wav\n")
    write_shards(ClipDataModule([Folder(folder / "voices")]), folder / "shards")
    return {
        "folder": Folder(folder / "voices"),
        "table": Manifest(folder / "table.csv"),
        "shards": Shards(folder / "shards"),
    }


@pytest.mark.parametrize("kind", ["folder", "table", "shards"])
def test_every_source_cleans_by_default(tmp_path: Path, voice: np.ndarray, kind: str) -> None:
    (tmp_path / "voices").mkdir()
    soundfile.write(tmp_path / "voices" / "a.wav", voice + 0.3, RATE)
    source = _sources(tmp_path)[kind]
    (clip,) = source.list_clips()
    cleaned, raw = (
        ClipDataModule([source], **settings).load(clip.id) for settings in ({}, {"high_pass": None})
    )
    assert not isinstance(cleaned, Skip) and not isinstance(raw, Skip)
    assert abs(float(cleaned.mean())) < 1e-3 < 0.29 < float(raw.mean())


def test_built_in_voices_have_nothing_to_remove() -> None:
    source = BuiltinVoices(1)
    for clip in source.list_clips():
        raw, cleaned = (source.read(clip, RATE, Window(high_pass=place)) for place in (None, HIGH_PASS))
        assert float((raw - cleaned).square().sum()) < 1e-3 * float(raw.square().sum())
