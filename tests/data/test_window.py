"""Excerpts of longer recordings."""

import numpy as np
import pytest
import torch

from stylewav_pl.data.decoder import InMemory
from stylewav_pl.data.window import PLACES, Window, windows_of
from stylewav_pl.errors import ConfigError


def cut(window: Window, samples: np.ndarray, rate: int) -> np.ndarray:
    return InMemory(samples, rate).excerpt(window).inner[:, 0]


def test_short_recordings_are_used_whole() -> None:
    samples = np.arange(30.0)
    for place in PLACES:
        np.testing.assert_array_equal(cut(Window(5.0, place), samples, rate=10), samples)


def test_center_and_first() -> None:
    samples = np.arange(100.0)
    np.testing.assert_array_equal(cut(Window(2.0, "center"), samples, rate=10), np.arange(40.0, 60))
    np.testing.assert_array_equal(cut(Window(2.0, "first"), samples, rate=10), np.arange(20.0))


@pytest.mark.parametrize("start", [0, 100, 550, 700])
def test_loudest_finds_the_burst(start: int) -> None:
    samples = np.zeros(1000)
    samples[start : start + 300] = 1.0
    excerpt = cut(Window(3.0, "loudest"), samples, rate=100)
    assert len(excerpt) == 300
    assert excerpt.sum() >= 290  # the excerpt starts on a block of 10 samples


def test_loudest_reaches_the_very_end() -> None:
    samples = np.zeros(1003)
    samples[-300:] = 1.0
    assert cut(Window(3.0, "loudest"), samples, rate=100).sum() == 300


def test_loudest_takes_the_first_of_equals() -> None:
    samples = np.random.default_rng(0).choice([-0.1, 0.1], 1000)
    np.testing.assert_array_equal(cut(Window(3.0, "loudest"), samples, rate=100), samples[:300])


def test_an_empty_recording_stays_empty() -> None:
    assert len(cut(Window(3.0, "loudest"), np.zeros(0), rate=100)) == 0


@pytest.mark.parametrize(
    ("seconds", "place", "shortest"),
    [(5.0, "middle", 0.5), (0.3, "first", 0.5), (5.0, "first", 0.0), (1e9, "first", 0.5)],
)
def test_contradictions_are_refused(seconds: float, place: str, shortest: float) -> None:
    with pytest.raises(ConfigError, match=r"[Ee]xpected"):
        Window(seconds, place, shortest)


@pytest.mark.parametrize("length", [1, 39, 40, 41, 79, 80, 81, 250, 1234])
def test_windows_cover_everything_at_one_length(length: int) -> None:
    windows = windows_of(torch.arange(1.0, length + 1), 40)
    assert {len(window) for window in windows} == {min(length, 40)}
    assert len(windows) == -(-length // 40), "no more windows than needed"
    assert torch.cat(windows).unique().tolist() == list(range(1, length + 1))


def test_silent_windows_do_not_count() -> None:
    waveform = torch.cat([torch.full((400,), 0.2), torch.linspace(-0.5, 0.5, 400)])
    assert [window[0].item() for window in windows_of(waveform, 400)] == [-0.5]
    assert len(windows_of(torch.zeros(800), 400)) == 2, "if there is nothing else, silence is what there is"


def test_the_mean_of_windows_needs_the_whole_recording_up_to_five_minutes() -> None:
    window = Window(2.0, "mean-of-windows")
    np.testing.assert_array_equal(cut(window, np.arange(2999.0), rate=10), np.arange(2999.0))
    np.testing.assert_array_equal(cut(window, np.arange(3100.0), rate=10), np.arange(50.0, 3050))
    assert Window(600.0, "mean-of-windows").length(10) == 6000, "a window may itself be longer"
