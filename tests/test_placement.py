"""Every network computes where it lies: tried on a GPU that is only thought of (torch's fake tensors)."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from published_audio import audioclip_tensors, languagebind_tensors
from slow_stylegan import stylegan_values, write_stylegan_conversion
from slow_stylegan3 import random_values, write_alias_free
from slow_vqgan import vqgan_state, write_checkpoint
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.audioclip_published import load_audioclip
from stylewav_pl.embedders.base import AudioEmbedder
from stylewav_pl.embedders.identity import load_identity
from stylewav_pl.embedders.languagebind_published import load_languagebind
from stylewav_pl.embedders.wav2clip import AudioNetwork, Wav2ClipEmbedder
from stylewav_pl.generators import Generator, load_generator
from stylewav_pl.generators.stylegan2_layers import ModulatedConvolution
from stylewav_pl.optimisation.latents import Codes, LatentSpace, S, W, WPlus

DEVICE = torch.device("cuda")
WRITTEN: dict[str, Callable[[Path], None]] = {
    "stylegan": lambda path: write_stylegan_conversion(path, stylegan_values()),
    "stylegan3": lambda path: write_alias_free(path, random_values()),
    "vqgan": lambda path: write_checkpoint(path, vqgan_state()),
}


def moved(network: nn.Module, mode: FakeTensorMode) -> None:
    """Moves parameters and buffers to the GPU; whatever else a network keeps stays where it was."""
    for part in network.modules():
        for kept in (part._parameters, part._buffers):
            for name, tensor in kept.items():
                if tensor is not None:
                    there = mode.from_tensor(tensor).to(DEVICE)
                    kept[name] = nn.Parameter(there, False) if isinstance(tensor, nn.Parameter) else there
    for layer in getattr(network, "convolutions", ()):
        if isinstance(layer, ModulatedConvolution) and layer.frozen_weight is not None:
            layer.freeze(layer.frozen_weight.dtype, fold=True)  # as a move does


def a_generator(name: str, folder: Path) -> Generator:
    """A shipped one, or a small one from a file of its kind."""
    if name not in WRITTEN:
        return load_generator(name)
    path = folder / "network.dat"
    WRITTEN[name](path)
    return load_generator(path)


@pytest.mark.parametrize("space", [W(), WPlus(), S()], ids=["W", "WPlus", "S"])
@pytest.mark.parametrize("name", ["pocket", "stylegan", "stylegan3"])
def test_images_are_made_on_the_device(name: str, space: LatentSpace, tmp_path: Path) -> None:
    check_images(a_generator(name, tmp_path), space)


@pytest.mark.parametrize("name", ["pocket-vqgan", "vqgan"])
def test_codes_become_images_on_the_device(name: str, tmp_path: Path) -> None:
    check_images(a_generator(name, tmp_path), Codes())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_left_behind_on_the_device(dtype: torch.dtype) -> None:
    generator = load_generator("pocket").freeze(dtype, float32_up_to=8)
    check_images(generator, W())


def check_images(generator: Generator, space: LatentSpace) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        moved(generator, mode)
        start = space.start(generator)
        images = generator.synthesize(space.expand(start.expand(2, *start.shape), generator))
    assert images.device.type == "cuda" and images.dtype == torch.float32 and images.shape[:2] == (2, 3)


def test_a_frozen_generator_takes_the_form_of_its_new_device() -> None:
    generator = load_generator("pocket")
    layer = generator.convolutions[1]  # type: ignore[attr-defined]
    assert layer.frozen_filter is not None and layer.frozen_weight.shape[-1] == 3
    generator.to("meta")
    assert layer.frozen_filter is None and layer.frozen_weight.shape[-1] == 6
    assert {buffer.device.type for buffer in generator.buffers()} == {"meta"}


@pytest.mark.parametrize("name", ["pocket", "pocket-judge"])
def test_what_images_and_texts_show_is_found_on_the_device(name: str) -> None:
    network = load_image_text_embedder(name)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        moved(network, mode)
        found = network.embed_image(torch.zeros(2, 3, 128, 128, device=DEVICE))
        assert found.device.type == network.embed_text(["a photo of a woman"]).device.type == "cuda"


def test_identities_are_found_on_the_device() -> None:
    network = load_identity("pocket-identity")
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        moved(network, mode)
        assert network.embed_identity(torch.zeros(2, 3, 128, 128, device=DEVICE)).device.type == "cuda"


EARS: dict[str, Callable[[], AudioEmbedder]] = {
    "wav2clip": lambda: Wav2ClipEmbedder(AudioNetwork(width=4, hidden=16, embed_dim=12)),
    "audioclip": lambda: load_audioclip(audioclip_tensors(), Path("AudioCLIP.pt")),
    "languagebind": lambda: load_languagebind(
        languagebind_tensors(rank=0, width=64, layers=1), Path("pytorch_model.bin")
    ),
}


@pytest.mark.parametrize("name", EARS)
def test_voices_are_heard_on_the_device(name: str) -> None:
    network = EARS[name]()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        moved(network, mode)
        heard = network.embed_audio(torch.zeros(2, 16_000, device=DEVICE))
    assert heard.device.type == "cuda"
