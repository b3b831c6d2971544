"""LanguageBind's audio encoder from files as its authors publish them, against a slow one."""

import pytest
import torch
from published_audio import languagebind_tensors, slow_languagebind, write_languagebind

from stylewav_pl.cli import main
from stylewav_pl.embedders import load_audio_embedder, matching_guide
from stylewav_pl.embedders.languagebind_front_end import mel_spectrogram, network_input, window_starts
from stylewav_pl.errors import WeightsError
from stylewav_pl.types import AudioError


def noise(seconds, seed=0):
    return 0.1 * torch.randn(int(16_000 * seconds), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rank", [3, 0])
@pytest.mark.parametrize("seconds", [1.0, 12.0])
def test_it_equals_the_slow_one(rank, seconds, tmp_path):
    tensors = languagebind_tensors(rank)
    embedder = load_audio_embedder(write_languagebind(tmp_path / "hub", tensors, rank=rank))
    waveform = noise(seconds)
    image = network_input(mel_spectrogram(waveform, 28))
    assert image.shape == (3, 28, 1036)
    expected = slow_languagebind(tensors, image)
    torch.testing.assert_close(embedder.embed_audio([waveform])[0].double(), expected, atol=1e-5, rtol=0)


def test_without_its_configuration_heads_have_64_numbers_and_adapters_count_once(tmp_path):
    tensors = languagebind_tensors(width=128, layers=1)
    torch.save(tensors, tmp_path / "alone")
    image = network_input(mel_spectrogram(noise(1.0), 28))
    expected = slow_languagebind(tensors, image, heads=2, scale=1.0)
    found = load_audio_embedder(tmp_path / "alone").embed_audio([noise(1.0)])[0]
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


def test_windows_are_the_middle_ones_of_each_third():
    """As NumPy's array_split cuts the possible starts, which the published preprocessing draws from."""
    for frames in range(1037, 1060):
        import numpy as np

        thirds = np.array_split(np.arange(frames - 1036 + 1), 3)
        expected = tuple(int(third[len(third) // 2]) if len(third) else 0 for third in thirds)
        assert window_starts(frames) == expected


def test_short_recordings_are_repeated():
    mel = torch.arange(6.0).view(3, 2)
    image = network_input(mel, 7) * (2 * 4.5689974) - 4.2677393
    torch.testing.assert_close(image[0, 0], torch.tensor([0.0, 2, 4, 0, 2, 4, 0]))
    assert torch.equal(image[0], image[2])


def test_it_names_its_guide_and_is_converted(tmp_path, capsys):
    path = write_languagebind(tmp_path / "hub", languagebind_tensors())
    assert matching_guide(path) == "open_clip:ViT-L-14/datacomp_xl_s13b_b90k"
    target = tmp_path / "own.safetensors"
    assert main(["weights", "convert", str(path), str(target)]) == 0
    one, other = load_audio_embedder(path), load_audio_embedder(target)
    assert torch.equal(one.embed_audio([noise(0.5)]), other.embed_audio([noise(0.5)]))
    assert other.space == one.space
    for file in (path, target):
        capsys.readouterr()
        assert main(["weights", "inspect", str(file)]) == 0
        told = capsys.readouterr().out
        assert "languagebind-audio" in told and "kind          audio" in told


def test_less_than_a_frame_is_too_short(tmp_path):
    embedder = load_audio_embedder(write_languagebind(tmp_path / "hub", languagebind_tensors()))
    with pytest.raises(AudioError, match="at least 400 samples, found 399"):
        embedder.embed_audio([noise(1.0), torch.zeros(399)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vision_model.embeddings.patch_embedding.weight", torch.zeros(3)),
        ("vision_model.embeddings.position_embedding.weight", torch.zeros(7, 32)),
        ("vision_model.embeddings.class_embedding", torch.full((32,), float("nan"))),
        ("vision_model.embeddings.class_embedding", torch.zeros(1)),
        ("visual_projection.weight", None),
        ("vision_model.encoder.base_model.model.layers.0.mlp.fc3.bias", torch.zeros(1)),
        ("vision_model.encoder.base_model.model.layers.5.mlp.fc1.bias", torch.zeros(1)),
        ("vision_model.encoder.base_model.model.layers.0.self_attn.q_proj.lora_A.default.weight", None),
    ],
)
def test_wrong_files_end_in_one_sentence(name, value, tmp_path):
    tensors = languagebind_tensors()
    if value is None:
        del tensors[name]
    else:
        tensors[name] = value
    path = write_languagebind(tmp_path / "hub", tensors)
    with pytest.raises(WeightsError) as caught:
        load_audio_embedder(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "content", ["[1]", "{", "[" * 5000, '{"vision_config": 3}', '{"vision_config": {"add_time_attn": true}}']
)
def test_a_configuration_that_cannot_be_used_is_named(content, tmp_path):
    path = write_languagebind(tmp_path / "hub", languagebind_tensors())
    path.with_name("config.json").write_text(content, "utf-8")
    with pytest.raises(WeightsError, match=r"config\.json"):
        load_audio_embedder(path)


@pytest.mark.parametrize("heads", [3, -4, 0.5, "x", [1]])
def test_a_number_of_heads_that_cannot_be_is_named(heads, tmp_path):
    path = write_languagebind(tmp_path / "hub", languagebind_tensors(), heads=heads)
    with pytest.raises(WeightsError, match="Fetch it again"):
        load_audio_embedder(path)
