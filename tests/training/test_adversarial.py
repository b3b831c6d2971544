"""The adversarial game: its players, its losses, and going on after an interruption."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import StyleGAN2, load_generator
from stylewav_pl.pocket.faces import Z_DIM
from stylewav_pl.training import adversarial
from stylewav_pl.training.discriminator import Discriminator, with_deviation

CHANNELS = {4: 8, 8: 8, 16: 8}


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small untrained generator, and small batches."""
    monkeypatch.setattr(adversarial, "BATCH", 4)
    torch.manual_seed(0)
    StyleGAN2(CHANNELS, z_dim=Z_DIM, w_dim=16, mapping_depth=1).to_file(tmp_path / "start")
    return tmp_path / "start"


def train(output: Path, generator: Path, **options: int) -> None:
    adversarial.train(
        output, generator=generator, iterations=4, threads=torch.get_num_threads(), progress=False, **options
    )


def test_an_interrupted_game_ends_like_an_uninterrupted_one(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole", start)
    step = adversarial.Game.step

    def interrupted(self: adversarial.Game, seed: int, iteration: int, rate: float) -> dict[str, float]:
        if iteration == 3:
            raise KeyboardInterrupt
        return step(self, seed, iteration, rate)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(adversarial.Game, "step", interrupted)
        train(tmp_path / "parts", start, save_every=2)
    load_generator(tmp_path / "parts")  # unfinished, but usable
    train(tmp_path / "parts", start, save_every=2)
    whole, parts = load_file(tmp_path / "whole"), load_file(tmp_path / "parts")
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, msg=name)
    assert not (tmp_path / "parts.state").exists()


def test_the_mapping_network_keeps_its_meaning(start: Path, tmp_path: Path) -> None:
    train(tmp_path / "end", start)
    before, after = load_file(start), load_file(tmp_path / "end")
    assert torch.equal(before["mapping.layers.0.weight"].half(), after["mapping.layers.0.weight"].half())
    assert torch.equal(before["w_mean"].half(), after["w_mean"].half())
    assert not torch.equal(before["constant"].half(), after["constant"].half())


def test_the_discriminator_learns_to_tell_drawn_from_generated(start: Path) -> None:
    network = load_generator(start)
    assert isinstance(network, StyleGAN2)
    torch.manual_seed(0)
    game = adversarial.Game.begin(network)
    losses = [game.step(0, iteration, 1.0)["discriminator"] for iteration in range(30)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_r1_is_the_squared_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.randn(3, 3, 4, 4)
    discriminator = Discriminator({4: 2})
    monkeypatch.setattr(discriminator, "forward", lambda images: 2 * images.sum(dim=(1, 2, 3)))
    assert adversarial.r1_penalty(discriminator, pixels).item() == pytest.approx(4 * 48)


def test_the_deviation_tells_varied_faces_from_equal_ones() -> None:
    torch.manual_seed(0)
    faces = torch.randn(8, 2, 4, 4)
    assert with_deviation(faces)[:, 2].mean() > 0.5
    assert with_deviation(faces[:1].expand(8, -1, -1, -1))[:, 2].max() < 1e-3
    assert with_deviation(faces[:3])[:, 2].shape == (3, 4, 4)  # a group that four does not divide


def test_only_a_generator_of_these_faces_plays(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="pocket train faces"):
        adversarial.train(tmp_path / "end", generator="linear", iterations=1, threads=1, progress=False)
