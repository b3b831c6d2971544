"""Identity networks: IR-SE50 from its published layout against a slow reading of it, and CLIP models."""

from pathlib import Path

import pytest
import torch
from slow_ir_se50 import slow_identity
from torch import Tensor

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.identity import ArcFace, ImageIdentity, IrSe50, load_identity
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.optimisation.building import check_guidance
from stylewav_pl.optimisation.latents import S, W
from stylewav_pl.optimisation.objective import Objective


def weights() -> dict[str, Tensor]:
    """Random ones under the published names; nothing is left at what an untrained network has."""
    torch.manual_seed(3)
    state = IrSe50().state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point() and tensor.ndim < 2:
            state[name] = tensor + 0.2 * torch.rand_like(tensor)
    return state


def images(size: int) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model_ir_se50.pth"
    torch.save(weights(), path)
    return path


@pytest.mark.parametrize("size", [256, 128])
def test_the_published_layout_is_computed_as_it_says(file: Path, size: int) -> None:
    network = load_identity(file)
    assert isinstance(network, ArcFace)
    assert sum(parameter.numel() for parameter in network.parameters()) == 43_797_696
    assert not any(parameter.requires_grad for parameter in network.parameters())
    faces = images(size).requires_grad_()
    found, expected = network.embed_identity(faces), slow_identity(faces, weights())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    (mine,), (slow,) = (torch.autograd.grad(one[0, :5].sum(), faces) for one in (found, expected))
    torch.testing.assert_close(mine, slow, atol=float(1e-3 * slow.abs().max()), rtol=0)


def test_any_clip_model_may_stand_in() -> None:
    network, judge = load_identity("pocket-judge"), load_image_text_embedder("pocket-judge")
    assert isinstance(network, ImageIdentity)
    assert torch.equal(network.embed_identity(images(64)), judge.embed_image(images(64)))


def test_another_network_in_its_place_is_refused(tmp_path: Path) -> None:
    state = weights()
    del state["body.23.res_layer.5.fc2.weight"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(WeightsError, match="does not fit IR-SE50"):
        load_identity(tmp_path / "less.pth")
    with pytest.raises(WeightsError, match="nowhere"):
        load_identity("nowhere")


def test_weight_and_network_belong_together() -> None:
    network = load_identity("linear")
    for objective, identity in ((Objective(identity=0.1), None), (Objective(), network)):
        with pytest.raises(ConfigError, match="Expected an identity network"):
            check_guidance(objective, None, "terms", None, identity, W())
    check_guidance(Objective(identity=0.1), None, "terms", None, network, W())
    with pytest.raises(ConfigError, match=r"latent_space is S"):
        check_guidance(Objective(distance_to_start=1.0, measure="whitened"), None, "terms", None, None, S())
