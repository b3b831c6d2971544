"""What every embedder promises, over all members."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from published_audio import audioclip_tensors, languagebind_tensors
from wav2clip.model.encoder import MLPLayers, ResNetExtractor

from stylewav_pl.embedders.audioclip_published import load_audioclip
from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.embedders.front_end import FrontEnd
from stylewav_pl.embedders.languagebind_published import load_languagebind
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.embedders.openclip import OpenClipEmbedder, build_pocket_clip, pocket_vocabulary
from stylewav_pl.embedders.speaker import FRONT_END, SpeakerEmbedder, SpeakerEncoder, SpeakerHead
from stylewav_pl.embedders.wav2clip import AudioNetwork, Wav2ClipEmbedder
from stylewav_pl.embedders.wav2clip_published import PublishedWav2Clip

CLIP_CONFIG = {
    "model": {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 16, "layers": 1, "head_width": 8},
        "text_cfg": {"context_length": 8, "width": 16, "heads": 2, "layers": 1},
    },
    "words": ["a", "boy", "girl", "of", "photo"],
}


def _wav2clip() -> AudioEmbedder:
    torch.manual_seed(0)
    return Wav2ClipEmbedder(AudioNetwork(width=4, hidden=16, embed_dim=12))


def _openclip(preprocess: str = "clip") -> ImageTextEmbedder:
    torch.manual_seed(0)
    return OpenClipEmbedder(build_pocket_clip(CLIP_CONFIG), pocket_vocabulary(CLIP_CONFIG), preprocess)


def _wav2clip_behind_a_front_end() -> AudioEmbedder:
    torch.manual_seed(0)
    return Wav2ClipEmbedder(AudioNetwork(width=4, hidden=16, embed_dim=12), FrontEnd(seconds=0.7))


def _speaker() -> AudioEmbedder:
    torch.manual_seed(0)
    encoder = SpeakerEncoder(hidden=64, width=64, layers=2)  # narrow ones may have no live ReLU
    return SpeakerEmbedder(encoder, SpeakerHead(inputs=64, hidden=8, embed_dim=12, members=2), FRONT_END)


@cache
def _published() -> AudioEmbedder:
    torch.manual_seed(0)
    parts = {
        "audio_encoder": ResNetExtractor(scenario="supervise").encoder,
        "audio_transform": MLPLayers([512, 16, 12]),
    }
    return PublishedWav2Clip(
        {f"{part}.{name}": tensor for part in parts for name, tensor in parts[part].state_dict().items()},
        Path("Wav2CLIP.pt"),
    )


@cache
def _languagebind() -> AudioEmbedder:
    return load_languagebind(languagebind_tensors(rank=0, width=64, layers=1), Path("pytorch_model.bin"))


@cache
def _audioclip() -> AudioEmbedder:
    return load_audioclip(audioclip_tensors(), Path("AudioCLIP.pt"))


AUDIO = [
    LinearAudioEmbedder,
    _wav2clip,
    _wav2clip_behind_a_front_end,
    _speaker,
    _published,
    _languagebind,
    _audioclip,
]
IMAGE_TEXT = [LinearImageTextEmbedder, _openclip, lambda: _openclip("reference")]
audio = pytest.mark.parametrize(
    "make",
    AUDIO,
    ids=["linear", "wav2clip", "front-end", "speaker", "published", "languagebind", "audioclip"],
)
image_text = pytest.mark.parametrize("make", IMAGE_TEXT, ids=["linear", "openclip", "openclip-reference"])


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.1


@audio
def test_audio_gives_unit_vectors(make: Callable[[], AudioEmbedder]) -> None:
    embedder = make()
    embeddings = embedder.embed_audio(_noise(3, 8000))
    assert embeddings.shape == (3, embedder.embed_dim)
    assert embeddings.dtype == torch.float32
    assert not embeddings.requires_grad
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(3))


@audio
def test_a_clip_alone_equals_the_clip_in_company(make: Callable[[], AudioEmbedder]) -> None:
    embedder = make()
    waveforms = _noise(64, 8000) * torch.logspace(-2, 0.9, 64)[:, None]
    together = embedder.embed_audio(waveforms)
    alone = torch.cat([embedder.embed_audio(waveforms[i : i + 1]) for i in (0, 31, 32, 63)])
    torch.testing.assert_close(together[[0, 31, 32, 63]], alone, atol=1e-6, rtol=0)


@audio
def test_clips_of_different_lengths_are_not_padded(make: Callable[[], AudioEmbedder]) -> None:
    embedder = make()
    waveforms = [_noise(length, seed=length) for length in (9000, 8000, 9000, 20_000)]
    together = embedder.embed_audio(waveforms)
    alone = torch.cat([embedder.embed_audio([waveform]) for waveform in waveforms])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@audio
def test_windows_are_averaged_within_their_clip(make: Callable[[], AudioEmbedder]) -> None:
    embedder = make()
    windows = [_noise(length, seed=length) for length in (8000, 8001, 9000)]
    long, short = embedder.embed_windows([windows[:2], windows[2:]])
    one, two, three = embedder.embed_audio(windows)
    torch.testing.assert_close(long, (one + two) / (one + two).norm(), atol=1e-6, rtol=0)
    torch.testing.assert_close(short, three, atol=1e-6, rtol=0)


@audio
def test_audio_matters(make: Callable[[], AudioEmbedder]) -> None:
    low, high = torch.sin(torch.arange(8000) * 0.05), torch.sin(torch.arange(8000) * 1.5)
    one, other = make().embed_audio([low, high])
    assert (one - other).abs().max() > 1e-3


@audio
def test_no_clips_give_no_rows(make: Callable[[], AudioEmbedder]) -> None:
    assert make().embed_audio([]).shape == (0, make().embed_dim)


@image_text
def test_image_and_text_give_unit_vectors(make: Callable[[], ImageTextEmbedder]) -> None:
    embedder = make()
    for embeddings in (
        embedder.embed_image(_noise(2, 3, 128, 128)),
        embedder.embed_text(["a photo of a boy", "a girl"]),
    ):
        assert embeddings.shape == (2, embedder.embed_dim)
        assert embeddings.dtype == torch.float32
        torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(2))


@image_text
def test_an_image_alone_equals_the_image_in_company(make: Callable[[], ImageTextEmbedder]) -> None:
    embedder, images = make(), _noise(16, 3, 64, 64)
    torch.testing.assert_close(
        embedder.embed_image(images)[5:6], embedder.embed_image(images[5:6]), atol=1e-6, rtol=0
    )


@image_text
def test_a_text_alone_equals_the_text_in_company(make: Callable[[], ImageTextEmbedder]) -> None:
    together = make().embed_text(["a photo of a boy", "a girl", "a photo of a boy"])
    torch.testing.assert_close(together[:1], make().embed_text(["a photo of a boy"]), atol=0, rtol=0)
    assert torch.equal(together[0], together[2])
    assert not torch.equal(together[0], together[1])


@image_text
def test_no_texts_give_no_rows(make: Callable[[], ImageTextEmbedder]) -> None:
    assert make().embed_text([]).shape == (0, make().embed_dim)


@image_text
def test_gradients_reach_the_image_and_no_weight(make: Callable[[], ImageTextEmbedder]) -> None:
    embedder = make()
    images = _noise(2, 3, 64, 64).requires_grad_()
    embedder.embed_image(images)[:, 0].sum().backward()
    assert images.grad is not None
    assert (images.grad.flatten(1).abs().sum(dim=1) > 0).all()
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in embedder.parameters())


@pytest.mark.parametrize("make", [*AUDIO, *IMAGE_TEXT])
def test_frozen_stays_in_evaluation_mode(make: Callable[[], torch.nn.Module]) -> None:
    owner = torch.nn.Sequential(make()).train()
    assert not any(module.training for module in owner[0].modules())
    assert not any(parameter.requires_grad for parameter in owner.parameters())


@pytest.mark.parametrize("make", IMAGE_TEXT)
def test_one_text_in_place_of_several_is_refused(make: Callable[[], ImageTextEmbedder]) -> None:
    with pytest.raises(TypeError, match=r"write \['a boy'\]"):
        make().embed_text("a boy")
