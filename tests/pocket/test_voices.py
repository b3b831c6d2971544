"""The built-in voices: deterministic, speech-like, and what a speaker is can be measured in what is heard."""

import numpy as np
import pytest

from stylewav_pl.pocket.voices import Speaker, draw_speaker, held_out_speakers, speak, training_speakers
from stylewav_pl.pocket.voices.tract import filter_frames, frequencies, tract_response

RATE = 16000


def measured_pitch(wave: np.ndarray) -> float:
    """Median over frames of 40 ms of the autocorrelation's best lag between 60 and 500 Hz, in Hz; periodic
    frames only."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 640)[::320]
    frames = frames[frames.std(axis=1) > 0.7 * wave.std()]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(640), 2048, axis=1)) ** 2
    correlation = np.fft.irfft(spectra, axis=1)
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(640), 2048)) ** 2)
    lags = np.arange(RATE // 500, RATE // 60)
    correlation = correlation[:, lags] / correlation[:, :1] / (window[lags] / window[0])
    best = correlation.argmax(axis=1)
    periodic = correlation.max(axis=1) > 0.7
    return float(np.median(RATE / lags[best[periodic]]))


def test_same_speaker_and_utterance_give_the_same_sound() -> None:
    first, second = (speak(draw_speaker("anna", "female", 30), 4, seconds=1.0) for _ in range(2))
    assert np.array_equal(first, second)


def test_utterances_and_speakers_differ() -> None:
    speaker, other = draw_speaker("anna", "female", 30), draw_speaker("berta", "female", 30)
    waves = [speak(speaker, 0, seconds=1.0), speak(speaker, 1, seconds=1.0), speak(other, 0, seconds=1.0)]
    assert max(abs(np.corrcoef(waves)[np.triu_indices(3, 1)])) < 0.3


@pytest.mark.parametrize(("seconds", "rate"), [(5.25, 16000), (0.7, 22000), (2.0, 8000)])
def test_length_type_and_range(seconds: float, rate: int) -> None:
    wave = speak(held_out_speakers(1)[0], 0, seconds, rate)
    assert wave.shape == (round(seconds * rate),)
    assert wave.dtype == np.float32
    assert np.isfinite(wave).all()
    assert 0.02 < np.abs(wave).max() <= 1


@pytest.mark.parametrize(("sex", "age"), [("male", 30), ("female", 30), ("male", 70), ("female", 7)])
def test_the_pitch_heard_is_the_pitch_drawn(sex: str, age: float) -> None:
    speaker = draw_speaker("tone", sex, age)  # type: ignore[arg-type]
    heard = np.median([measured_pitch(speak(speaker, utterance)) for utterance in range(5)])
    assert abs(np.log2(heard / speaker.pitch)) < 0.3


def test_the_tract_resonates_at_its_formants() -> None:
    formants = np.array([[500.0, 1500.0, 2500.0], [700.0, 1100.0, 2450.0]])
    gain = np.abs(tract_response(formants, np.zeros(2), 1.0, 20000.0, RATE))
    peaks = [frequencies(RATE)[1:-1][(g[1:-1] > g[:-2]) & (g[1:-1] > g[2:])][:3] for g in gain]
    assert np.abs(np.array(peaks) - formants).max() < 40


def test_filtering_with_a_flat_response_changes_nothing() -> None:
    wave = np.random.default_rng(0).standard_normal(4000)
    response = np.ones((60, len(frequencies(RATE))), dtype=np.float32)
    assert np.abs(filter_frames(wave, response, RATE) - wave).max() < 1e-5


def test_speech_has_pauses_and_syllables() -> None:
    wave = speak(held_out_speakers(1)[1], 0)
    level = np.sqrt(np.mean(wave[: 84000 // 400 * 400].reshape(-1, 400) ** 2, axis=1))
    assert (level < 0.1 * level.max()).mean() > 0.03
    loud = level > 0.35 * level.max()
    assert 6 < np.count_nonzero(np.diff(loud.astype(int)) == 1) < 40


def test_sexes_and_ages_have_the_right_means_and_overlap() -> None:
    men = np.array([draw_speaker(i, "male", 35).pitch for i in range(150)])
    women = np.array([draw_speaker(i, "female", 35).pitch for i in range(150)])
    children = np.array([draw_speaker(i, "female", 6).pitch for i in range(150)])
    assert 105 < np.median(men) < 128 and 190 < np.median(women) < 225 and 230 < np.median(children) < 400
    assert men.min() > 80 and men.max() < 160 and women.min() > 150
    scales = [
        np.array([draw_speaker(i, sex, 35).formant_scale for i in range(150)]) for sex in ("male", "female")
    ]
    assert scales[0].max() > scales[1].min()
    assert np.mean([draw_speaker(i, "male", 80).jitter for i in range(50)]) > 1.5 * np.mean(
        [draw_speaker(i, "male", 35).jitter for i in range(50)]
    )


def test_held_out_speakers_alternate_and_are_nobody_from_training() -> None:
    held_out = held_out_speakers(40)
    assert [speaker.sex for speaker in held_out[:4]] == ["female", "male", "female", "male"]
    assert len({speaker.name for speaker in held_out}) == 80
    assert all(18 <= speaker.age <= 80 for speaker in held_out)
    assert {s.seed for s in held_out}.isdisjoint(s.seed for s in training_speakers(1000))
    assert {s.seed for s in held_out}.isdisjoint(s.seed for s in held_out_speakers(40, seed=1))


def test_a_speaker_is_a_record() -> None:
    speaker = held_out_speakers(1)[0]
    assert isinstance(speaker, Speaker)
    assert speaker.name == "f000"


def test_bad_requests_are_named() -> None:
    with pytest.raises(ValueError, match="age"):
        draw_speaker("x", "male", 1)
    with pytest.raises(ValueError, match="multiple"):
        speak(draw_speaker("x", "male", 30), 0, sample_rate=11025)
