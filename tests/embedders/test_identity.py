"""Identity networks: IR-SE50 from its published layout against a slow reading of it, and CLIP models."""

from pathlib import Path

import pytest
import torch
from slow_ir_se50 import slow_identity
from torch import Tensor

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.identity import ArcFace, ImageIdentity, IrSe50, PocketIdentity, load_identity
from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.optimisation.building import check_guidance
from stylewav_pl.optimisation.latents import S, W
from stylewav_pl.optimisation.objective import Objective
from stylewav_pl.pocket.faces import render
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import read_weights, save_weights


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


@pytest.mark.parametrize("size", [128, 64, 256])
def test_the_pocket_network_keeps_the_contract(size: int) -> None:
    network = load_identity("pocket-identity")
    assert isinstance(network, PocketIdentity)
    network.train()
    assert not any(part.training for part in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    faces = images(size).requires_grad_()
    found = network.embed_identity(faces)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(network.embed_identity(faces[1:]), found[1:], atol=1e-5, rtol=0)
    (slope,) = torch.autograd.grad(found[0, 0], faces)
    assert slope[0].abs().max() > 0 and not slope[1].any()
    edge = size // 8
    assert not slope[..., :edge, :].any() and not slope[..., :edge].any()  # it looks at the face alone


def test_a_resolution_hardly_changes_whose_face_it_is() -> None:
    network = load_identity("pocket-identity")
    faces = render(torch.randn(8, 64, generator=torch.Generator().manual_seed(2)), 256)
    small = torch.nn.functional.interpolate(faces, size=(64, 64), mode="bilinear", antialias=True)
    alike = network.embed_identity(faces) @ network.embed_identity(small).T
    assert (alike.argmax(dim=1) == torch.arange(8)).all()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"config": {"blocks": [[48, 2]] * 9}}, "is damaged: its tensors do not fit"),
        ({"config": {}}, "is damaged: its tensors do not fit"),
        ({"architecture": "other"}, "holds the architecture 'other', but 'separable'"),
        ({"tensors": {"embed.bias": torch.full((64,), torch.nan)}}, "not finite"),
    ],
)
def test_a_damaged_pocket_network_is_refused(change: dict, told: str, tmp_path: Path) -> None:
    file = read_weights(resolve("pocket-identity", "identity"), "identity")
    parts = {"architecture": file.architecture, "config": file.config, "tensors": file.tensors}
    parts["tensors"] = {**file.tensors, **change.pop("tensors", {})}
    save_weights(tmp_path / "file", kind="identity", **{**parts, **change})
    with pytest.raises(WeightsError, match=told):
        load_identity(tmp_path / "file")


def test_names_of_other_kinds_are_told_apart() -> None:
    with pytest.raises(WeightsError, match="kind 'image_text'"):
        resolve("pocket-identity", "image_text")
    with pytest.raises(WeightsError, match=r"kind 'identity' \(.*pocket-identity"):
        resolve("pocket-nobody", "identity")
