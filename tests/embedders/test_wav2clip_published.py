"""The published Wav2CLIP against its authors' package, read from a file in the published layout."""

from pathlib import Path

import pytest
import torch
import wav2clip
from safetensors.torch import save_file
from torch import Tensor
from wav2clip.model.encoder import MLPLayers, ResNetExtractor

from stylewav_pl.cli import main
from stylewav_pl.embedders import Space, load_audio_embedder, matching_guide
from stylewav_pl.embedders.wav2clip import AudioNetwork, Wav2ClipEmbedder
from stylewav_pl.embedders.wav2clip_published import PublishedWav2Clip
from stylewav_pl.errors import WeightsError
from stylewav_pl.types import AudioError, SkipReason


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    """Random weights with the names and shapes of ``Wav2CLIP.pt``; the statistics of its normalisations are
    not those of a fresh network."""
    torch.manual_seed(0)
    parts = {"audio_encoder": ResNetExtractor(scenario="supervise").encoder, "audio_transform": MLPLayers()}
    named = {
        f"{part}.{name}": tensor
        for part, network in parts.items()
        for name, tensor in network.state_dict().items()
    }
    for name, tensor in named.items():
        if name.endswith(("running_mean", "running_var")):
            tensor.add_(torch.randn_like(tensor).clamp(-2, 2) * 0.05)
    return named


@pytest.fixture(scope="module")
def file(tensors: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wav2clip") / "no.suffix"
    torch.save(tensors, path)
    return path


def _waveforms(count: int, length: int = 8000) -> Tensor:
    loudness = torch.logspace(-3, -0.3, count)[:, None]
    return torch.randn(count, length, generator=torch.Generator().manual_seed(1)) * loudness


def test_it_equals_the_authors_function_at_batch_one(tensors: dict[str, Tensor], file: Path) -> None:
    authors = ResNetExtractor(tensors, scenario="frozen", transform=True)
    ours = load_audio_embedder(file)
    waveforms = [*_waveforms(2), *_waveforms(1, 80_000), *_waveforms(1, 300)]
    expected = torch.cat(
        [torch.from_numpy(wav2clip.embed_audio(waveform.numpy(), authors)) for waveform in waveforms]
    )
    found = ours.embed_audio(waveforms)
    torch.testing.assert_close(found, expected / expected.norm(dim=1, keepdim=True), atol=1e-5, rtol=0)
    assert (found[0] - found[1]).norm() > 1e-3, "the audio matters"


def test_a_clip_alone_equals_the_clip_among_64(file: Path) -> None:
    embedder, waveforms = load_audio_embedder(file), _waveforms(64, 2000)
    together = embedder.embed_audio(waveforms)
    alone = torch.cat([embedder.embed_audio(waveforms[row : row + 1]) for row in (0, 31, 63)])
    torch.testing.assert_close(together[[0, 31, 63]], alone, atol=1e-6, rtol=0)


def test_inspect_tells_what_it_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "inspect", str(file)]) == 0
    facts = dict(
        line.split(maxsplit=1)
        for line in capsys.readouterr().out.splitlines()[1:]
        if not line.startswith(" ")
    )
    assert (facts["kind"], facts["architecture"], facts["embed_dim"], facts["space"]) == (
        "audio",
        "wav2clip",
        "512",
        "ViT-B-32/openai",
    )


def test_the_own_network_of_published_width_agrees(tensors: dict[str, Tensor], file: Path) -> None:
    own = AudioNetwork()
    own.load_state_dict({name: tensor for name, tensor in tensors.items() if "spectrogram" not in name})
    waveforms = _waveforms(3)
    torch.testing.assert_close(
        Wav2ClipEmbedder(own).embed_audio(waveforms),
        load_audio_embedder(file).embed_audio(waveforms),
        atol=1e-5,
        rtol=0,
    )


def test_it_is_frozen_and_says_what_it_is(file: Path) -> None:
    embedder = load_audio_embedder(file).train()
    assert isinstance(embedder, PublishedWav2Clip)
    assert (embedder.sample_rate, embedder.embed_dim, embedder.space) == (
        16_000,
        512,
        Space("ViT-B-32", "openai"),
    )
    assert not any(module.training for module in embedder.modules())
    assert not any(parameter.requires_grad for parameter in embedder.parameters())
    assert not embedder.embed_audio(_waveforms(1)).requires_grad
    assert embedder.embed_audio([]).shape == (0, 512)
    assert {buffer.device.type for buffer in embedder.to("meta").buffers()} == {"meta"}, (
        "the window of the spectrogram moves along"
    )


def test_the_guide_that_belongs_to_it(file: Path) -> None:
    assert matching_guide(file) == "open_clip:ViT-B-32-quickgelu/openai"
    assert matching_guide("pocket") == "pocket"


def test_other_containers_and_extra_entries_do_not_matter(
    tensors: dict[str, Tensor], file: Path, tmp_path: Path
) -> None:
    expected = load_audio_embedder(file).embed_audio(_waveforms(1, 2000))
    without_window = {name: tensor for name, tensor in tensors.items() if "spectrogram" not in name}
    torch.save(
        {"epoch": 3, "state_dict": {**without_window, "image_encoder.weight": torch.zeros(2)}},
        tmp_path / "nested",
    )
    save_file(tensors, tmp_path / "safe")
    for name in ("nested", "safe"):
        torch.testing.assert_close(
            load_audio_embedder(tmp_path / name).embed_audio(_waveforms(1, 2000)), expected
        )


def test_too_short_audio_is_named(file: Path) -> None:
    with pytest.raises(AudioError, match="256") as caught:
        load_audio_embedder(file).embed_audio([torch.zeros(256)])
    assert caught.value.reason is SkipReason.TOO_SHORT


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"audio_encoder.conv1.weight": torch.full((64, 1, 7, 7), torch.nan)},
            r"not finite in encoder\.conv1\.weight",
        ),
        (
            {"audio_encoder.conv1.weight": torch.zeros(32, 1, 7, 7)},
            r"does not fit the published Wav2CLIP.*conv1",
        ),
        ({"audio_transform.sequential.3.weight": torch.zeros(512)}, "is no audio encoder"),
        (
            {"audio_transform.sequential.3.weight": torch.zeros(10, 512)},
            "does not fit the published Wav2CLIP",
        ),
        ({"audio_encoder.surplus": torch.zeros(1)}, r"does not fit.*surplus"),
    ],
)
def test_damaged_weights_are_refused(
    tensors: dict[str, Tensor], change: dict[str, Tensor], told: str
) -> None:
    with pytest.raises(WeightsError, match=told):
        PublishedWav2Clip({**tensors, **change}, Path("Wav2CLIP.pt"))


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    torch.save({"generator.weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(
        WeightsError,
        match=r"no audio encoder: expected the published Wav2CLIP layout.*found 1 tensors such as "
        r"generator\.weight",
    ):
        load_audio_embedder(tmp_path / "other.pt")
