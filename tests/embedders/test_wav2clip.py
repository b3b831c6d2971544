"""The Wav2CLIP network against the package of its authors, and its weight files."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from stylewav_pl.embedders import Wav2ClipEmbedder, load_audio_embedder
from stylewav_pl.embedders.wav2clip import (
    AudioNetwork,
    build_audio_network,
    log_power,
    log_spectrogram,
    power_spectrogram,
)
from stylewav_pl.errors import WeightsError
from stylewav_pl.types import AudioError, SkipReason
from stylewav_pl.weights.store import save_weights


class _Spectrogram(nn.Module):
    """The documented defaults of torchaudio's transform, written with frames instead of ``torch.stft``."""

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.size, self.hop = n_fft, hop_length

    def forward(self, waveforms: Tensor) -> Tensor:
        half = self.size // 2
        padded = torch.cat(
            [waveforms[..., 1 : half + 1].flip(-1), waveforms, waveforms[..., -half - 1 : -1].flip(-1)],
            dim=-1,
        )
        frames = padded.unfold(-1, self.size, self.hop) * torch.hann_window(self.size)
        return torch.fft.rfft(frames).abs().square().transpose(-1, -2)


@pytest.fixture
def authors(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The authors' ``wav2clip.model.resnet``, loaded by its path: the package itself imports much more than
    is needed."""
    stub = ModuleType("torchaudio")
    transforms = ModuleType("torchaudio.transforms")
    transforms.Spectrogram = _Spectrogram  # type: ignore[attr-defined]
    stub.transforms = transforms  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchaudio", stub)
    package = importlib.util.find_spec("wav2clip")
    assert package is not None
    assert package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0]) / "model" / "resnet.py"
    spec = importlib.util.spec_from_file_location("authors_resnet", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_spectrogram_equals_an_independent_one() -> None:
    waveforms = torch.randn(2, 5000) * 0.1
    torch.testing.assert_close(
        power_spectrogram(waveforms), _Spectrogram(512, 353)(waveforms), atol=1e-4, rtol=1e-4
    )


def test_features_equal_the_authors_network_at_batch_one(authors: ModuleType) -> None:
    torch.manual_seed(0)
    reference = authors.ResNet(authors.BasicBlock, [2, 2, 2, 2]).eval()
    ours = AudioNetwork(width=64).eval()
    ours.audio_encoder.load_state_dict(reference.state_dict())
    waveform = torch.randn(1, 8000) * 0.1
    with torch.no_grad():
        expected = reference(waveform)
        seen: list[Tensor] = []
        ours.audio_transform.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        ours(log_spectrogram(waveform))
    torch.testing.assert_close(seen[0] / expected.norm(), expected / expected.norm(), atol=1e-5, rtol=0)


def test_published_width_has_the_published_layout() -> None:
    names = set(AudioNetwork().state_dict())
    assert {
        "audio_encoder.conv1.weight",
        "audio_encoder.layer4.1.bn2.running_var",
        "audio_encoder.layer2.0.downsample.1.bias",
    } <= names
    assert {name for name in names if name.startswith("audio_transform")} == {
        f"audio_transform.sequential.{layer}.{kind}" for layer in (0, 3) for kind in ("weight", "bias")
    }
    assert AudioNetwork().audio_encoder.layer4[1].conv2.weight.shape == (512, 512, 3, 3)


def test_network_ignores_loudness_of_other_clips_in_training_input() -> None:
    network = AudioNetwork(width=2, hidden=4, embed_dim=4).eval()
    power = power_spectrogram(torch.randn(2, 4000))
    louder = power * torch.tensor([1.0, 50.0])[:, None, None]
    torch.testing.assert_close(network(log_power(power))[0], network(log_power(louder))[0])


def test_network_can_be_trained() -> None:
    network = AudioNetwork(width=2, hidden=4, embed_dim=4)
    network(log_spectrogram(torch.randn(2, 4000))).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_too_short_audio_is_named() -> None:
    with pytest.raises(AudioError, match="256") as caught:
        Wav2ClipEmbedder(AudioNetwork(2, 4, 4)).embed_audio([torch.zeros(256)])
    assert caught.value.reason is SkipReason.TOO_SHORT


def test_weight_file_round_trip(tmp_path: Path) -> None:
    network = AudioNetwork(width=2, hidden=4, embed_dim=6)
    path = tmp_path / "audio.bin"
    save_weights(
        path, kind="audio", architecture="wav2clip", config=network.config, tensors=network.state_dict()
    )
    waveforms = torch.randn(2, 4000)
    torch.testing.assert_close(
        load_audio_embedder(path).embed_audio(waveforms), Wav2ClipEmbedder(network).embed_audio(waveforms)
    )


def test_unfitting_weights_are_refused(tmp_path: Path) -> None:
    network = AudioNetwork(width=2, hidden=4, embed_dim=6)
    with pytest.raises(WeightsError, match="do not fit"):
        build_audio_network({**network.config, "hidden": 5}, network.state_dict())
    with pytest.raises(WeightsError, match="do not fit"):
        build_audio_network({"depth": 3}, network.state_dict())
    path = tmp_path / "audio.safetensors"
    save_weights(path, kind="audio", architecture="other", config={}, tensors=network.state_dict())
    with pytest.raises(WeightsError, match="'other'"):
        load_audio_embedder(path)
