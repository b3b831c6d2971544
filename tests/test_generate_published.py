"""``generate`` with networks of others: from an audio file to a picture, with small files of the published
layouts."""

import csv
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from open_clip import factory
from PIL import Image
from published_audio import audioclip_tensors, languagebind_tensors, write_languagebind
from published_stylegan2 import write_ada, write_rosinality, write_stylegan3, write_tensorflow
from slow_stylegan import stylegan_values, write_stylegan_conversion, write_stylegan_tensorflow
from slow_stylegan2 import Values, random_values
from slow_stylegan3 import random_values as alias_free_values
from slow_stylegan3 import write_alias_free
from slow_vqgan import vqgan_state, write_checkpoint
from wav2clip.model.encoder import MLPLayers, ResNetExtractor

from stylewav_pl.cli import main
from stylewav_pl.commands.generate import parser
from stylewav_pl.commands.generate_arguments import experiment_arguments
from stylewav_pl.weights.store import sha256_of

SMALL = {
    "embed_dim": 512,
    "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 64, "layers": 1},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voice, an audio encoder in the published layout, and the weights of a small CLIP model as wide as the
    real one."""
    folder = tmp_path_factory.mktemp("files")
    torch.manual_seed(0)
    parts = {"audio_encoder": ResNetExtractor(scenario="supervise").encoder, "audio_transform": MLPLayers()}
    tensors = {
        f"{part}.{name}": tensor
        for part, network in parts.items()
        for name, tensor in network.state_dict().items()
    }
    torch.save(tensors, folder / "Wav2CLIP.pt")
    torch.save(factory.CLIP(**SMALL, quick_gelu=True).state_dict(), folder / "CLIP.pt")
    soundfile.write(folder / "voice.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 90_000), 16_000)
    return folder


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks under the names of the real ones, which take seconds to build."""
    names = ("ViT-B-32-quickgelu", "RN101-quickgelu", "RN50-quickgelu", "ViT-L-14")
    small = {name: SMALL for name in names}
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", {**factory._MODEL_CONFIGS, **small})


def _generate(files: Path, output: Path, *options: str, generator: str = "linear") -> int:
    encoder = [
        "--audio-encoder",
        str(files / "Wav2CLIP.pt"),
        "--generator",
        generator,
        "--device",
        "cpu",
        "--steps",
        "4",
    ]
    return main(["generate", str(files / "voice.wav"), "-o", str(output), *encoder, *options])


@pytest.mark.parametrize("write", [write_ada, write_stylegan3, write_tensorflow, write_rosinality])
def test_a_voice_becomes_a_picture_of_a_published_generator(
    write: Callable[[Path, Values], None], files: Path, tmp_path: Path
) -> None:
    """All three networks from files of others."""
    write(tmp_path / "generator", random_values([6, 6, 5, 4], z=8, w=8, depth=2))
    guide = f"open_clip:ViT-B-32-quickgelu/openai@{files / 'CLIP.pt'}"
    assert _generate(files, tmp_path / "out", "--guide", guide, generator=str(tmp_path / "generator")) == 0
    with Image.open(tmp_path / "out" / "images" / "voice.png") as image:
        assert image.size == (32, 32)
        assert np.asarray(image).std() > 1
    weights = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["weights"]
    assert weights["generator"]["sha256"] == sha256_of(tmp_path / "generator")


def write_vqgan(path: Path) -> None:
    """A checkpoint, and beside it the size of its pictures."""
    write_checkpoint(path, vqgan_state())
    path.with_name("model.yaml").write_text("model: {params: {ddconfig: {resolution: 16}}}", "utf-8")


OTHER_FAMILIES: dict[str, tuple[Callable[[Path], None], int]] = {
    "vqgan": (write_vqgan, 16),
    "stylegan3": (lambda path: write_alias_free(path, alias_free_values()), 8),
    "stylegan-pickle": (lambda path: write_stylegan_tensorflow(path, stylegan_values()), 16),
    "stylegan-conversion": (lambda path: write_stylegan_conversion(path, stylegan_values()), 16),
}


@pytest.mark.parametrize("name", OTHER_FAMILIES)
def test_a_voice_becomes_a_picture_of_another_family(name: str, files: Path, tmp_path: Path) -> None:
    write, size = OTHER_FAMILIES[name]
    write(tmp_path / "generator")
    guide = f"open_clip:ViT-B-32-quickgelu/openai@{files / 'CLIP.pt'}"
    assert _generate(files, tmp_path / "out", "--guide", guide, generator=str(tmp_path / "generator")) == 0
    with Image.open(tmp_path / "out" / "images" / "voice.png") as image:
        assert image.size == (size, size)
        assert np.asarray(image).std() > 1


def write_audioclip(folder: Path) -> Path:
    """The file of the partial training."""
    torch.save(audioclip_tensors(embed=512), folder / "AudioCLIP-Partial-Training.pt")
    return folder / "AudioCLIP-Partial-Training.pt"


OTHER_EARS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "audioclip": (write_audioclip, "RN50-quickgelu/openai"),
    "languagebind": (
        lambda folder: write_languagebind(folder / "ear", languagebind_tensors(embed=512)),
        "ViT-L-14/datacomp_xl_s13b_b90k",
    ),
}


@pytest.mark.parametrize("name", OTHER_EARS)
def test_a_voice_is_heard_by_another_ear(name: str, files: Path, tmp_path: Path) -> None:
    write, guide = OTHER_EARS[name]
    ear = str(write(tmp_path))
    words = ["--guide", f"open_clip:{guide}@{files / 'CLIP.pt'}", "--audio-encoder", ear]
    assert _generate(files, tmp_path / "out", *words) == 0
    with (tmp_path / "out" / "results.csv").open(newline="", encoding="utf-8") as table:
        (row,) = csv.DictReader(table)
    assert float(row["similarity_end"]) > float(row["similarity_start"])
    weights = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["weights"]
    assert weights["audio"] == {"source": ear, "sha256": sha256_of(Path(ear))}


def test_a_voice_becomes_a_picture(files: Path, tmp_path: Path) -> None:
    guide = f"open_clip:ViT-B-32-quickgelu/openai@{files / 'CLIP.pt'}"
    assert _generate(files, tmp_path / "out", "--guide", guide, "--window", "mean-of-windows") == 0
    with Image.open(tmp_path / "out" / "images" / "voice.png") as image:
        assert image.size == (8, 8)
    with (tmp_path / "out" / "results.csv").open(newline="", encoding="utf-8") as table:
        (row,) = csv.DictReader(table)
    assert row["status"] == "done"
    assert float(row["similarity_end"]) > float(row["similarity_start"])
    weights = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["weights"]
    assert weights["guide"] == {"source": guide, "sha256": sha256_of(files / "CLIP.pt")}
    assert weights["audio"]["sha256"] == sha256_of(files / "Wav2CLIP.pt")


def test_a_guide_of_another_space_is_refused_with_the_right_one(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        _generate(files, tmp_path / "out", "--guide", f"open_clip:RN101-quickgelu/openai@{files / 'CLIP.pt'}")
        == 2
    )
    told = capsys.readouterr().err
    assert "ViT-B-32/openai" in told and "RN101/openai" in told
    assert "for the published Wav2CLIP open_clip:ViT-B-32-quickgelu/openai" in told
    assert _generate(files, tmp_path / "out", "--guide", "pocket") == 2
    assert "they do not share a space" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_a_guide_the_one_that_fits_is_taken(files: Path) -> None:
    asked = parser().parse_args(["voice.wav", "-o", "out", "--audio-encoder", str(files / "Wav2CLIP.pt")])
    assert ("--model.guide", "open_clip:ViT-B-32-quickgelu/openai") in pairwise(
        experiment_arguments(asked, [])
    )
    asked.audio_encoder = "pocket"
    assert ("--model.guide", "pocket") in pairwise(experiment_arguments(asked, []))
    asked.guide = "my.safetensors"
    assert ("--model.guide", "my.safetensors") in pairwise(experiment_arguments(asked, []))
