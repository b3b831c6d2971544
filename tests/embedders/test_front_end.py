"""The front end: length, silence and level of a recording change nothing about what the network hears."""

import numpy as np
import pytest
import torch

from stylewav_pl.embedders import Wav2ClipEmbedder, load_audio_embedder
from stylewav_pl.embedders.front_end import FrontEnd, at_level, read_front_end, windows_of, without_pauses
from stylewav_pl.embedders.wav2clip import AudioNetwork
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.store import save_weights


def tone(seconds: float, hertz: float = 200.0) -> torch.Tensor:
    return 0.3 * torch.sin(2 * torch.pi * hertz * torch.arange(round(16_000 * seconds)) / 16_000)


def silence(seconds: float) -> torch.Tensor:
    return torch.zeros(round(16_000 * seconds))


def test_pauses_inside_and_around_speech_are_cut() -> None:
    spoken = torch.cat([silence(1), tone(1), silence(2), tone(0.5), silence(1)])
    kept = without_pauses(spoken)
    assert 1.5 <= len(kept) / 16_000 <= 1.5 + 4 * 0.085
    assert kept.square().sum() == pytest.approx(float(spoken.square().sum()), rel=1e-5)


def test_what_is_no_pause_is_kept_sample_by_sample() -> None:
    quiet_beside = torch.cat([tone(0.5), 0.05 * tone(0.5), tone(0.517)])
    assert torch.equal(without_pauses(quiet_beside, 35.0), quiet_beside)
    assert len(without_pauses(quiet_beside, 20.0)) < len(quiet_beside)


@pytest.mark.parametrize("waveform", [torch.zeros(100), torch.zeros(40_000), torch.ones(900)])
def test_nothing_becomes_empty(waveform: torch.Tensor) -> None:
    assert len(without_pauses(waveform)) > 0
    assert FrontEnd(seconds=0.5, level=-30.0).windows(waveform).isfinite().all()


def test_a_click_is_no_loudest_moment() -> None:
    clicked = torch.cat([silence(0.5), tone(1) * 0.1])
    clicked[100] = 1.0
    assert len(without_pauses(clicked, 35.0)) >= 16_000


def test_windows_cover_every_sample_and_repeat_what_is_short() -> None:
    for length in (1, 3, 4, 5, 8, 9, 13):
        windows = windows_of(torch.arange(float(length)), 4)
        assert windows.shape[1] == 4
        assert set(windows.flatten().tolist()) == set(range(length))


def test_level_is_what_it_says() -> None:
    assert float(at_level(tone(1), -30.0).square().mean().log10() * 10) == pytest.approx(-30.0, abs=0.01)
    assert at_level(torch.zeros(10), -30.0).abs().max() == 0


def test_silence_and_repetition_change_nothing() -> None:
    torch.manual_seed(0)
    embedder = Wav2ClipEmbedder(AudioNetwork(width=2, hidden=8, embed_dim=6), FrontEnd(seconds=1.0))
    voice = torch.randn(16_000, generator=torch.Generator().manual_seed(1)) * 0.1
    surrounded = torch.cat([silence(1), voice, silence(0.4)])
    alone, padded = embedder.embed_audio([voice, surrounded])
    assert float(alone @ padded) > 0.95  # the borders of the noise differ
    twice = embedder.embed_audio([torch.cat([voice, voice])])[0]
    torch.testing.assert_close(twice, alone, atol=1e-5, rtol=0)


def test_a_weight_file_says_whether_it_has_a_front_end(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    network = AudioNetwork(width=2, hidden=8, embed_dim=6)
    facts = {"kind": "audio", "architecture": "wav2clip", "tensors": network.state_dict()}
    save_weights(folder / "old", config=network.config, **facts)  # type: ignore[arg-type]
    front_end = {"pause_decibels": 30.0, "seconds": 1.0}
    config = {**network.config, "front_end": front_end}
    save_weights(folder / "new", config=config, **facts)  # type: ignore[arg-type]
    old, new = load_audio_embedder(folder / "old"), load_audio_embedder(folder / "new")
    assert old.front_end is None and new.front_end == FrontEnd(30.0, 1.0)
    voice = torch.from_numpy(np.random.default_rng(0).standard_normal(40_000).astype(np.float32))
    assert not torch.allclose(old.embed_audio([voice]), new.embed_audio([voice]), atol=1e-3)


@pytest.mark.parametrize(
    "config", [{"seconds": 0.0}, {"pause_decibels": -1.0}, {"colour": 3}, {"seconds": "x"}]
)
def test_an_impossible_front_end_is_named(config: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match="front end"):
        read_front_end(config)
