"""The speaker encoder against slow references, and its head: nothing of a real wheel is needed."""

import librosa
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stylewav_pl.embedders.front_end import FrontEnd
from stylewav_pl.embedders.speaker import (
    BANDS,
    FRAMES,
    SpeakerEmbedder,
    SpeakerEncoder,
    SpeakerHead,
    build_speaker_encoder,
    embed_speakers,
    mel_power,
    partials,
    window_starts,
)
from stylewav_pl.errors import WeightsError
from stylewav_pl.types import AudioError


def small_encoder() -> SpeakerEncoder:
    torch.manual_seed(0)
    return SpeakerEncoder(bands=BANDS, hidden=7, width=6, layers=3).requires_grad_(False)


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed)) * 0.1


def test_mel_power_is_that_of_librosa() -> None:
    wave = noise(20_000)
    expected = librosa.feature.melspectrogram(y=wave.numpy(), sr=16_000, n_fft=400, hop_length=160, n_mels=40)
    np.testing.assert_allclose(mel_power(wave).numpy(), expected.T, atol=1e-5)


def slow_lstm(weights: dict[str, torch.Tensor], inputs: torch.Tensor, layers: int) -> torch.Tensor:
    """The equations of a stacked LSTM, one step at a time, in float64."""
    sequence = list(inputs.double())
    for layer in range(layers):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w, u, b, c = (weights[f"lstm.{name}_l{layer}"].double() for name in names)
        hidden = cell = torch.zeros(u.shape[1], dtype=torch.float64)
        outputs = []
        for step in sequence:
            enter, forget, new, leave = (w @ step + b + u @ hidden + c).chunk(4)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
            hidden = torch.sigmoid(leave) * torch.tanh(cell)
            outputs.append(hidden)
        sequence = outputs
    return sequence[-1]


def test_the_encoder_is_a_stacked_lstm_a_linear_layer_and_a_relu() -> None:
    encoder, mels = small_encoder(), noise(2 * 9 * BANDS).view(2, 9, BANDS).abs()
    state = encoder.state_dict()
    for row, said in zip(mels, encoder(mels), strict=True):
        last = slow_lstm(state, row, layers=3)
        expected = (state["linear.weight"].double() @ last + state["linear.bias"].double()).clamp(min=0)
        torch.testing.assert_close(said, (expected / expected.norm()).float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("samples", [400, 16_000, 25_600, 25_601, 37_000, 40_000, 80_000])
def test_windows_are_those_of_the_published_encoder(samples: int) -> None:
    """As its paper's code: a step of 77 frames, the last window only if three quarters of it are sound."""
    starts = [0]
    while starts[-1] + 77 < max(1, -(-(samples + 1) // 160) - 160 + 77 + 1):
        starts.append(starts[-1] + 77)
    if len(starts) > 1 and samples - starts[-1] * 160 < 0.75 * 160 * 160:
        starts.pop()
    assert window_starts(samples) == starts
    assert partials(noise(samples)).shape == (len(starts), FRAMES, BANDS)


def test_level_length_and_silence_change_nothing() -> None:
    encoder, front_end = small_encoder(), FrontEnd(seconds=1.6, level=-30.0)
    voice = noise(25_600)
    silent = torch.zeros(16_000)
    alone, louder, surrounded, half = embed_speakers(
        encoder, front_end, [voice, 5 * voice, torch.cat([silent, voice, silent]), voice[:12_800].repeat(2)]
    )
    torch.testing.assert_close(louder, alone, atol=1e-5, rtol=0)
    assert float(surrounded @ alone) > 0.99
    torch.testing.assert_close(
        embed_speakers(encoder, front_end, [voice[:12_800]])[0], half, atol=1e-5, rtol=0
    )


def test_too_short_is_a_skip() -> None:
    with pytest.raises(AudioError, match="at least 400 samples"):
        embed_speakers(small_encoder(), FrontEnd(), [torch.zeros(399)])


def test_the_head_is_the_mean_of_its_members() -> None:
    torch.manual_seed(0)
    head, speakers = (
        SpeakerHead(inputs=6, hidden=5, embed_dim=4, members=2).eval(),
        F.normalize(noise(18).view(3, 6)),
    )
    rows = []
    for member in head.members:
        w, b, v, c = (parameter.detach() for parameter in member.parameters())
        hidden = 8 * speakers @ w.T + b
        rows.append(F.normalize(hidden * torch.sigmoid(hidden) @ v.T + c))
    torch.testing.assert_close(
        head(speakers).detach(), F.normalize((rows[0] + rows[1]) / 2), atol=1e-6, rtol=0
    )


def test_the_embedder_is_encoder_and_head() -> None:
    torch.manual_seed(0)
    encoder, head = small_encoder(), SpeakerHead(inputs=6, hidden=5, embed_dim=4, members=2)
    embedder = SpeakerEmbedder(encoder, head, FrontEnd(seconds=1.6, level=-30.0))
    waves = [noise(30_000), noise(9_000, seed=1)]
    torch.testing.assert_close(embedder.embed_audio(waves), head(embedder.embed_speakers(waves)))


def test_another_layout_is_named() -> None:
    with pytest.raises(WeightsError, match="no speaker encoder"):
        build_speaker_encoder({"lstm.weight_ih_l0": torch.zeros(4, 40)})
    state = small_encoder().state_dict()
    with pytest.raises(WeightsError, match="no speaker encoder"):
        build_speaker_encoder({**state, "linear.weight": torch.zeros(6, 8)})
