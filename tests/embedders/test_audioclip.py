"""AudioCLIP's ear from files as its authors publish them, against a slow one."""

import pytest
import torch
from open_clip.model import CLIP
from published_audio import audioclip_tensors, slow_audioclip, slow_decibels

from stylewav_pl.cli import main
from stylewav_pl.embedders import load_audio_embedder, load_image_text_embedder, matching_guide
from stylewav_pl.embedders.audioclip_front_end import decibels
from stylewav_pl.embedders.base import Space, tower_mark
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.optimisation.building import check_spaces
from stylewav_pl.types import AudioError

TENSORS = audioclip_tensors()


@pytest.fixture
def path(tmp_path):
    torch.save(TENSORS, tmp_path / "ear.dat")
    return tmp_path / "ear.dat"


def noise(samples, seed=0):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("samples", [1654, 1655, 5000])
def test_the_spectrogram_equals_the_slow_one(samples):
    waveform = noise(samples)
    parts = [TENSORS[f"audio.{name}"] for name in ("window", "fbsp.m", "fbsp.fb", "fbsp.fc")]
    torch.testing.assert_close(
        decibels(waveform, *parts), slow_decibels(waveform, TENSORS), atol=1e-5, rtol=0
    )


def test_it_equals_the_slow_one(path):
    waveforms = [noise(9000), noise(30_000, 1)]
    found = load_audio_embedder(path).embed_audio(waveforms)
    for waveform, row in zip(waveforms, found, strict=True):
        expected = slow_audioclip(TENSORS, slow_decibels(waveform, TENSORS))
        torch.testing.assert_close(row.double(), expected, atol=1e-4, rtol=0)
    assert load_audio_embedder(path).sample_rate == 44_100


def test_silence_is_not_padded(path):
    """A clip's own samples are all that is heard."""
    embedder = load_audio_embedder(path)
    alone = embedder.embed_audio([noise(9000)])
    beside = embedder.embed_audio([noise(30_000, 1), noise(9000)])[1:]
    assert torch.equal(alone, beside)
    padded = torch.cat([noise(9000), torch.zeros(21_000)])
    assert (embedder.embed_audio([padded]) - alone).norm() > 0.05


def test_a_file_without_a_clip_model_fits_openais(path, tmp_path, capsys):
    embedder = load_audio_embedder(path)
    assert embedder.space == Space("RN50", "openai")
    assert matching_guide(path) == "open_clip:RN50-quickgelu/openai"
    target = tmp_path / "own.safetensors"
    assert main(["weights", "convert", str(path), str(target)]) == 0
    other = load_audio_embedder(target)
    assert torch.equal(other.embed_audio([noise(9000)]), embedder.embed_audio([noise(9000)]))
    assert other.space == embedder.space
    for file in (path, target):
        capsys.readouterr()
        assert main(["weights", "inspect", str(file)]) == 0
        assert "audioclip" in capsys.readouterr().out


def test_a_file_with_a_clip_model_brings_its_guide(tmp_path, monkeypatch):
    """Only a guide with the same image tower fits, wherever it comes from."""
    from open_clip import factory

    config = {
        "embed_dim": 10,
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1},
    }
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", {**factory._MODEL_CONFIGS, "RN50-quickgelu": config})
    torch.manual_seed(0)
    towers = CLIP(**config, quick_gelu=True).state_dict()
    torch.save({**towers, **TENSORS}, tmp_path / "full")
    ear, guide = load_audio_embedder(tmp_path / "full"), load_image_text_embedder(tmp_path / "full")
    assert matching_guide(tmp_path / "full") == str(tmp_path / "full")
    assert ear.space == Space("RN50", "", tower_mark(towers)) and guide.embed_dim == ear.embed_dim
    check_spaces(guide, ear)
    towers["visual.conv1.weight"] = towers["visual.conv1.weight"] + 1
    torch.save(towers, tmp_path / "other")
    other = load_image_text_embedder(f"open_clip:RN50-quickgelu/openai@{tmp_path / 'other'}")
    with pytest.raises(ConfigError, match="do not share a space"):
        check_spaces(other, ear)
    ear.to_file(tmp_path / "own")
    assert load_audio_embedder(tmp_path / "own").space == ear.space


def test_less_than_a_window_is_too_short(path):
    with pytest.raises(AudioError, match="at least 1654 samples, found 1653"):
        load_audio_embedder(path).embed_audio([noise(1653)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audio.window", torch.ones(7)),
        ("audio.fbsp.m", torch.ones(2)),
        ("audio.layer1.0.conv2.weight", torch.zeros(3)),
        ("audio.layer2.0.conv2.weight", None),
        ("audio.fc.bias", torch.full((10,), float("inf"))),
        ("audio.fc.bias", torch.zeros(1 << 20)),
        ("audio.att7.bn.weight", torch.zeros(1)),
        ("audio.conv1.weight", torch.zeros(64, 1, 7, 7)),
    ],
)
def test_wrong_files_end_in_one_sentence(name, value, tmp_path):
    tensors = {key: tensor for key, tensor in TENSORS.items() if key != name}
    torch.save(tensors if value is None else tensors | {name: value}, tmp_path / "wrong")
    with pytest.raises(WeightsError) as caught:
        load_audio_embedder(tmp_path / "wrong")
    told = str(caught.value)
    assert str(tmp_path / "wrong") in told and "\n" not in told and len(told) < 1000
