"""Writing generators and loading them again."""

import json

import pytest
import torch
from safetensors.torch import save_file

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import LinearGenerator, StyleGAN2, load_generator
from stylewav_pl.generators.stylegan2_names import to_stored_names
from stylewav_pl.weights.store import save_weights


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = StyleGAN2(
        {4: 6, 8: 4},
        z_dim=5,
        w_dim=7,
        mapping_depth=2,
        mapping_learning_rate_multiplier=0.5,
        conv_clamp=256.0,
    )
    network.w_mean.normal_()
    return network


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 0.0), (torch.float16, 5e-3)])
def test_a_written_network_comes_back_frozen(network, tmp_path, dtype, tolerance):
    path = tmp_path / "network.bin"  # the suffix does not matter
    network.to_file(path, dtype)
    loaded = load_generator(path)
    assert isinstance(loaded, StyleGAN2)
    assert loaded.config == network.config
    assert not loaded.training and not any(parameter.requires_grad for parameter in loaded.parameters())
    w = network.map(torch.randn(3, 5))
    torch.testing.assert_close(loaded.w_mean, network.w_mean, atol=tolerance, rtol=0)
    torch.testing.assert_close(loaded.synthesize(w), network.freeze().synthesize(w), atol=tolerance, rtol=0)


def test_linear_needs_no_file():
    loaded = load_generator("linear")
    assert isinstance(loaded, LinearGenerator)
    w = loaded.map(torch.ones(1, loaded.z_dim))
    torch.testing.assert_close(loaded.synthesize(w), LinearGenerator().synthesize(w))
    assert not torch.equal(LinearGenerator(seed=1).synthesize(w), loaded.synthesize(w))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(WeightsError, match=r"pocket, .*\).*'nothing-here'"):
        load_generator("nothing-here")


def test_a_torn_file_is_named(network, tmp_path):
    path = tmp_path / "torn.safetensors"
    network.to_file(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(WeightsError, match="not a readable weight file"):
        load_generator(path)


def test_another_kind_is_named(tmp_path):
    path = tmp_path / "audio.safetensors"
    save_weights(path, kind="audio", architecture="wav2clip", config={}, tensors={"x": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"'audio'.*'generator'"):
        load_generator(path)


def test_another_architecture_is_named(tmp_path):
    path = tmp_path / "gan.safetensors"
    save_weights(path, kind="generator", architecture="biggan", config={}, tensors={"x": torch.zeros(1)})
    with pytest.raises(WeightsError, match="'biggan'"):
        load_generator(path)


@pytest.mark.parametrize(
    "change", [{"channels": {"4": 6, "16": 4}}, {"w_dim": 8}, {"depth": 3}, {"channels": None}]
)
def test_a_configuration_that_does_not_fit_is_named(network, tmp_path, change):
    path = tmp_path / "wrong.safetensors"
    save_weights(
        path,
        kind="generator",
        architecture="stylegan2",
        config={**network.config, **change},
        tensors=to_stored_names(network.state_dict(), len(network.channels), network.architecture),
    )
    with pytest.raises(WeightsError, match="damaged"):
        load_generator(path)


def test_a_file_of_another_program_is_named(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, path, metadata={"config": json.dumps({})})
    with pytest.raises(WeightsError, match="another program"):
        load_generator(path)
