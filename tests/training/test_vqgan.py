"""The small VQGAN: its parts, going on after an interruption, and what ships."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stylewav_pl.cli import main
from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.generators import VQGAN, load_generator
from stylewav_pl.optimisation.inversion import psnr
from stylewav_pl.pocket.faces import Z_DIM
from stylewav_pl.training import vqgan
from stylewav_pl.training.codebook import CodeUsage
from stylewav_pl.training.faces import drawn_at
from stylewav_pl.training.patch_discriminator import PatchDiscriminator, balance, hinge
from stylewav_pl.weights.registry import resolve


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network of a hundredth of the work, whose discriminator plays for the last third of the steps."""
    sizes = {"RESOLUTION": 16, "CHANNELS": (32, 32), "CODES": 24, "CODE_WIDTH": 4, "BATCH": 2}
    for name, size in {**sizes, "RENEWED_EVERY": 2}.items():
        monkeypatch.setattr(vqgan, name, size)
    yield


def train(output: Path, **options: int) -> None:
    vqgan.train(output, steps=6, threads=torch.get_num_threads(), progress=False, **options)


def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole")
    step = vqgan.CodeTraining.step

    def interrupted(self: vqgan.CodeTraining, number: int, progress: float) -> dict[str, float]:
        if number == 5:
            raise KeyboardInterrupt
        return step(self, number, progress)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(vqgan.CodeTraining, "step", interrupted)
        train(tmp_path / "parts", save_every=3)
    load_generator(tmp_path / "parts")  # unfinished, but usable
    train(tmp_path / "parts", save_every=3)
    whole, parts = load_file(tmp_path / "whole"), load_file(tmp_path / "parts")
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, msg=name)
    assert not (tmp_path / "parts.state").exists()


def test_pictures_come_nearer_and_the_discriminator_plays_late() -> None:
    training = vqgan.CodeTraining.begin(vqgan.build(), "pocket", seed=0)
    told = [training.step(number, progress=number / 36) for number in range(36)]
    nearness = [one["likeness"] for one in told]
    assert sum(nearness[-5:]) < 0.7 * sum(nearness[:5])
    plays = ["discriminator" in one for one in told]
    assert plays == [number / 36 >= vqgan.GAME_FROM for number in range(36)]


def test_the_game_moves_the_generator_only_by_what_fools(monkeypatch: pytest.MonkeyPatch) -> None:
    """A discriminator whose scores are all alike has no say."""
    moved = []
    for weight in (0.0, 1.0):
        monkeypatch.setattr(vqgan, "ADVERSARIAL_WEIGHT", weight)
        training = vqgan.CodeTraining.begin(vqgan.build(), "pocket", seed=0)
        with torch.no_grad():
            training.discriminator.score.weight.zero_()
        training.step(1, progress=0.9)
        moved.append(training.network.decoder.conv_out.weight.detach().clone())
    torch.testing.assert_close(*moved)


def test_unused_codes_start_anew_at_latents() -> None:
    usage, codebook = CodeUsage(5), torch.nn.Embedding(5, 3)
    before = codebook.weight.detach().clone()
    latents = torch.arange(24.0).view(2, 3, 2, 2)
    usage.count(torch.tensor([[[0, 2], [2, 0]]]))
    assert usage.share == pytest.approx(2 / 5)
    usage.renew(codebook, latents, seed=0)
    places = {tuple(place) for place in latents.permute(0, 2, 3, 1).flatten(0, 2).tolist()}
    assert torch.equal(codebook.weight[[0, 2]], before[[0, 2]])
    renewed = [tuple(row) for row in codebook.weight[[1, 3, 4]].tolist()]
    assert set(renewed) <= places and len(set(renewed)) == 3
    assert not usage.counts.any()


def test_a_patch_is_scored_by_its_surroundings_alone() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator((4, 4))
    images = torch.randn(1, 3, 64, 64)
    changed = images.clone()
    changed[..., :8, :8] = 0
    differs = (discriminator(images) != discriminator(changed))[0, 0]
    assert differs.shape == (32, 32) and differs[:4, :4].all() and not differs[12:, 12:].any()


def test_the_hinge_and_the_balance() -> None:
    drawn, made = torch.tensor([0.5, 3.0]).view(2, 1, 1, 1), torch.tensor([-3.0, 0.0]).view(2, 1, 1, 1)
    assert hinge(drawn, made).item() == pytest.approx((0.25 + 0.5) / 2)
    last = torch.tensor([1.0, 1.0], requires_grad=True)
    factor = balance(3 * last[0], 4 * last[1], last)
    assert factor.item() == pytest.approx(0.75, abs=1e-4)
    assert not factor.requires_grad


def test_the_command_trains_it(tmp_path: Path) -> None:
    words = ["pocket", "train", "vqgan", "-o", str(tmp_path), "--steps", "2"]
    assert main([*words, "--threads", str(torch.get_num_threads())]) == 0
    assert isinstance(load_generator(tmp_path / "vqgan.safetensors"), VQGAN)


def test_what_ships_draws_unseen_faces_again() -> None:
    network = load_generator("pocket-vqgan")
    assert isinstance(network, VQGAN)
    assert resolve("pocket-vqgan", "generator").stat().st_size < 400_000
    z = torch.randn(32, Z_DIM, generator=torch.Generator().manual_seed(1_000_003))
    drawn = drawn_at(z, network.resolution)
    with torch.no_grad():
        codes = network.encode(drawn)
        again = network.synthesize(codes.flatten(1))
        judge = load_image_text_embedder("pocket-judge")
        alike = (judge.embed_image(drawn) * judge.embed_image(again)).sum(dim=1)
    assert psnr(again, drawn).mean() > 22
    assert alike.mean() > 0.8
    assert len(network.nearest(codes).unique()) > 0.8 * network.codebook.num_embeddings
