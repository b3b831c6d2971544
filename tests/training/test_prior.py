"""The training of a prior: on a small scale, and whether interruptions change it."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.generators import load_generator
from stylewav_pl.priors import load_prior
from stylewav_pl.training import prior
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.registry import resolve

SMALL = {"width": 64, "blocks": 1, "hidden": 96}


def train(path: Path, steps: int = 12, **settings) -> Path:
    prior.train(
        path,
        **{
            "samples": 128,
            "steps": steps,
            "network": SMALL,
            "ears": ("pocket",),
            "progress": False,
            **settings,
        },
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("prior") / "prior.safetensors")


def test_it_says_what_it_belongs_to(trained: Path) -> None:
    made = load_prior(trained)
    assert made.belongings.generator == sha256_of(resolve("pocket", "generator"))
    assert made.belongings.guide == sha256_of(resolve("pocket", "image_text"))
    assert made.belongings.ears == (sha256_of(resolve("pocket", "audio")),)
    assert made.questions == (2, 3), "sex and age"
    assert list(trained.parent.iterdir()) == [trained]


def test_an_interrupted_training_ends_with_the_same_weights(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, path = prior.PriorTraining.step, tmp_path / "prior.safetensors"

    def breaks(self: prior.PriorTraining, number: int, steps: int) -> float:
        if number == 7:
            raise KeyboardInterrupt
        return step(self, number, steps)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(prior.PriorTraining, "step", breaks)
        train(path, save_every=3)
    assert path.with_name("prior.safetensors.state").is_file()
    ended, whole = load_prior(train(path, save_every=3)), load_prior(trained)
    assert ended.belongings == whole.belongings
    expected = whole.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in ended.state_dict().items())


def test_w_is_whitened() -> None:
    mixed = torch.eye(5) + 0.2 * torch.randn(5, 5)  # no direction hardly varies: those are not whitened whole
    latents = torch.randn(4000, 5) @ mixed + 3
    answers = torch.randint(2, (4000, 1))
    samples = prior.Samples(latents, F.normalize(torch.randn(4000, 6), dim=1), answers)
    made = prior.Prior(prior.FlowNetwork(6, 5, **SMALL), prior.Belongings("g", "c"), questions=(2,))
    words = F.normalize(torch.randn(2, 6), dim=1)
    prior.measure(made, samples, [], [words])
    torch.testing.assert_close(made.words, words)
    white = prior.PriorTraining.begin(made, samples, 0, "cpu").white
    torch.testing.assert_close(white.mean(dim=0), torch.zeros(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(white.T @ white / 4000, torch.eye(5), atol=0.02, rtol=0)


def test_held_directions_are_those_along_which_answers_change() -> None:
    white = torch.randn(2000, 5, generator=torch.Generator().manual_seed(0))
    yes = (white[:, 0] > 0).long()
    of_three = torch.bucketize(white[:, 1] - white[:, 2], torch.tensor([-0.5, 0.5]))
    held = prior.held_directions(white, torch.stack([yes, of_three], dim=1))
    torch.testing.assert_close(held @ held.T, torch.eye(len(held)), rtol=0, atol=1e-5)
    expected = torch.eye(5)[:1], torch.tensor([[0.0, 1.0, -1.0, 0.0, 0.0]]) / 2**0.5
    for direction in expected:  # lies within their span
        assert (direction @ held.T).norm() > 0.99
    assert len(held) == 2  # the answer in the middle adds none


def test_it_learns_where_images_lie(tmp_path: Path) -> None:
    """After a few hundred steps a sample for an image's vector is nearer to it than random samples are."""
    path = train(tmp_path / "prior.safetensors", steps=250, samples=512, ears=())
    made, generator, guide = load_prior(path), load_generator("pocket"), load_image_text_embedder("pocket")
    random = torch.Generator().manual_seed(99)
    w = generator.map(torch.randn(48, generator.z_dim, generator=random))
    wanted = guide.embed_image(generator.synthesize(w))
    made.hear(made.image_mean)  # these are images' vectors: nothing to move
    drawn = made.sample(wanted, torch.randn(48, generator.w_dim, generator=random))
    found = guide.embed_image(generator.synthesize(drawn))
    near = (found * wanted).sum(dim=1).mean()
    chance = (found * wanted.roll(1, dims=0)).sum(dim=1).mean()
    assert near - chance > 0.1
