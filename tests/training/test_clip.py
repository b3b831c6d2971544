"""The recipe of the pocket CLIP model: its losses, its data, going on after an interruption, and the evaluation."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.embedders.openclip import build_pocket_clip
from stylewav_pl.generators import LinearGenerator
from stylewav_pl.pocket.faces import FACT_NAMES, PROMPT_SETS, UNCLEAR, Z_DIM, attributes_of, facts_of, render
from stylewav_pl.training import clip, image_augmentation
from stylewav_pl.training.clip_evaluation import balanced_accuracy, evaluate, table, zero_shot
from stylewav_pl.types import WeightsError
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import read_weights


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network small enough to train a few steps in a test."""
    config = deepcopy(clip.CONFIG)
    config["model"]["embed_dim"] = 32
    config["model"]["vision_cfg"].update(width=32, layers=1, patch_size=16)
    config["model"]["text_cfg"].update(width=32, heads=2, layers=1)
    monkeypatch.setattr(clip, "CONFIG", config)


def train(output: Path, **options: int) -> None:
    chosen: dict[str, Any] = {"steps": 4, "batch_size": 8, "threads": torch.get_num_threads(), **options}
    clip.train(output, generator=None, progress=False, **chosen)


def tensors(path: Path) -> Mapping[str, Tensor]:
    return read_weights(path, "image_text").tensors


def noise(faces: int, seed: int = 0) -> Tensor:
    return torch.randn(faces, Z_DIM, generator=torch.Generator().manual_seed(seed))


def test_training_writes_a_loadable_file(tiny: None, tmp_path: Path) -> None:
    train(tmp_path / "clip.safetensors", steps=1)
    embedder = load_image_text_embedder(tmp_path / "clip.safetensors")
    prompts = [prompt for one in PROMPT_SETS.values() for prompt in one.prompts()]
    torch.testing.assert_close(embedder.embed_text(prompts).norm(dim=1), torch.ones(len(prompts)))
    assert embedder.embed_image(render(noise(2))).shape == (2, 32)
    assert not (tmp_path / "clip.safetensors.state").exists()


def test_an_interrupted_training_goes_on_where_it_was(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole")
    whole_batch = clip.make_batch

    def break_down(size: int, seed: int, step: int, generator: object) -> clip.Batch:
        if step == 3:
            raise KeyboardInterrupt
        return whole_batch(size, seed, step, None)

    monkeypatch.setattr(clip, "make_batch", break_down)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", save_every=2)
    seen: list[int] = []

    def watch(size: int, seed: int, step: int, generator: object) -> clip.Batch:
        seen.append(step)
        return whole_batch(size, seed, step, None)

    monkeypatch.setattr(clip, "make_batch", watch)
    train(tmp_path / "parts", save_every=2)
    assert seen == [2, 3]
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_generator_is_needed_after_the_drawn_steps_only(tiny: None, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "generator": tmp_path / "missing",
        "batch_size": 8,
        "threads": torch.get_num_threads(),
        "progress": False,
    }
    clip.train(tmp_path / "clip", steps=2, drawn_steps=2, **options)
    with pytest.raises(WeightsError, match="missing"):
        clip.train(tmp_path / "other", steps=2, drawn_steps=1, save_every=1, **options)
    assert (tmp_path / "other.state").is_file()
    assert not (tmp_path / "other").exists()


def test_another_seed_gives_other_weights(tiny: None, tmp_path: Path) -> None:
    train(tmp_path / "a", steps=1)
    train(tmp_path / "b", steps=1, seed=1)
    assert not torch.equal(tensors(tmp_path / "a")["visual.proj"], tensors(tmp_path / "b")["visual.proj"])


def test_training_lowers_the_loss(tiny: None) -> None:
    torch.manual_seed(0)
    network = build_pocket_clip(clip.CONFIG)
    readout = clip.make_readout()
    optimisers = clip.make_optimisers(network, readout)
    batch = clip.make_batch(16, 0, 0, None)
    losses = []
    for _ in range(12):
        loss = sum(clip.step_losses(network, readout, batch, 0, 0), start=torch.zeros(()))
        clip._update(loss, optimisers, 1.0)
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3


def test_half_of_a_batch_is_generated() -> None:
    generator = LinearGenerator(z_dim=Z_DIM)
    batch = clip.make_batch(8, 0, 0, generator)
    assert batch.images.shape == (8, 3, clip.IMAGE_SIZE, clip.IMAGE_SIZE)
    assert not torch.equal(batch.images[4:], clip.make_batch(8, 0, 0, None).images[4:])
    assert torch.equal(batch.facts, clip.make_batch(8, 0, 0, None).facts)


def test_each_step_has_its_own_faces_and_always_the_same() -> None:
    first, again, second = (
        clip.make_batch(8, 0, 0, None),
        clip.make_batch(8, 0, 0, None),
        clip.make_batch(8, 0, 1, None),
    )
    assert torch.equal(first.images, again.images) and first.captions == again.captions
    assert not torch.equal(first.images, second.images) and first.captions != second.captions


def test_matching_loss_against_a_loop() -> None:
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    true = torch.eye(5, dtype=torch.bool)
    true[0, 3] = true[2, 1] = True
    total = 0.0
    for table_, pairs in ((logits, true), (logits.T, true.T)):
        for row, right in zip(table_, pairs, strict=True):
            total -= float(torch.log_softmax(row, dim=0)[right].mean()) / 10
    assert clip.matching_loss(logits, true).item() == pytest.approx(total, abs=1e-5)


def test_choice_loss_is_zero_for_sure_answers_and_ignores_unclear_faces() -> None:
    facts = facts_of(attributes_of(noise(64)))
    columns = []
    for one in PROMPT_SETS.values():
        index, _ = one.answers(facts)
        columns.append(50.0 * F.one_hot(index, len(one.phrases)))
    sure = torch.cat(columns, dim=1)
    assert float(clip.choice_loss(sure, facts)) < 1e-6
    assert float(clip.choice_loss(-sure, facts)) > 10
    unknown = torch.full_like(facts, UNCLEAR)
    assert float(clip.choice_loss(-sure, unknown)) == 0


def test_learning_rate_rises_then_falls() -> None:
    rates = [clip.rate_at(step, 100) for step in range(100)]
    peak = rates.index(max(rates))
    assert 10 < peak < 40
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)
    assert rates[-1] < 0.01


def test_both_preprocessings_are_seen() -> None:
    images = torch.zeros(10, 3, 64, 64)
    untouched = (clip.prepare(images, Random(0)) == 0).flatten(1).all(dim=1)
    assert int(untouched.sum()) == 3


@pytest.mark.parametrize(
    "change",
    [
        image_augmentation.move,
        image_augmentation.blur,
        image_augmentation.recolour,
        image_augmentation.disturb,
    ],
)
def test_augmentations_change_images_reproducibly(change: type) -> None:
    images = render(noise(6))
    changed = change(images, torch.Generator().manual_seed(1))
    assert changed.shape == images.shape and changed.isfinite().all()
    assert (changed - images).abs().mean() > 0.005
    assert torch.equal(changed, change(images, torch.Generator().manual_seed(1)))


class Oracle(ImageTextEmbedder):
    """Knows the facts of a list of faces: answers with the right phrase, or always with the first."""

    def __init__(self, facts: Tensor, honest: bool) -> None:
        super().__init__()
        self.embed_dim, self.image_size = sum(len(one.phrases) for one in PROMPT_SETS.values()), 64
        self.prompts = [prompt for one in PROMPT_SETS.values() for prompt in one.prompts()]
        hot = [F.one_hot(one.answers(facts)[0] * honest, len(one.phrases)) for one in PROMPT_SETS.values()]
        self.rows = F.normalize(torch.cat(hot, dim=1).float(), dim=1)

    def embed_image(self, images: Tensor) -> Tensor:
        return self.rows[images[:, 0, 0, 0].long()]

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        return torch.eye(self.embed_dim)[[self.prompts.index(text) for text in texts]]


@pytest.mark.parametrize("honest", [True, False])
def test_zero_shot_of_an_oracle_is_perfect_and_of_a_parrot_is_chance(honest: bool) -> None:
    facts = facts_of(attributes_of(noise(300)))
    images = torch.arange(300.0).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    for name, accuracy in zero_shot(Oracle(facts, honest), images, facts).items():
        assert accuracy == pytest.approx(1 if honest else 1 / len(PROMPT_SETS[name].phrases))


def test_beards_are_judged_on_men_only() -> None:
    facts = facts_of(attributes_of(noise(300)))
    oracle = Oracle(facts, honest=True)
    women = facts[:, FACT_NAMES.index("sex")] != 0
    oracle.rows[women] = 0
    images = torch.arange(300.0).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    assert zero_shot(oracle, images, facts)["beard"] == 1
    assert zero_shot(oracle, images, facts)["glasses"] < 1


def test_balanced_accuracy_counts_rare_answers_fully() -> None:
    truth = torch.tensor([0] * 9 + [1])
    assert balanced_accuracy(truth == 0, truth) == 0.5


def test_evaluation_of_an_untrained_file_names_every_prompt_set(tiny: None, tmp_path: Path) -> None:
    train(tmp_path / "clip", steps=1)
    accuracies = evaluate(tmp_path / "clip", generator=None, renders=60)
    assert set(accuracies) == set(PROMPT_SETS)
    assert table(accuracies).count("\n") == len(PROMPT_SETS) + 1


@pytest.fixture(scope="module")
def shipped() -> dict[str, dict[str, float]]:
    return evaluate("pocket", renders=250, outputs=100)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("boy-girl", 0.97),
        ("man-woman", 0.97),
        ("child-adult-old", 0.92),
        ("glasses", 0.95),
        ("beard", 0.92),
        ("moustache", 0.70),
        ("hair-colour", 0.80),
        ("hair-length", 0.95),
        ("baldness", 0.92),
    ],
)
def test_the_shipped_model_reads_unseen_faces(
    shipped: dict[str, dict[str, float]], name: str, least: float
) -> None:
    assert min(shipped[name].values()) >= least


def test_the_shipped_model_knows_all_words() -> None:
    assert read_weights(resolve("pocket", "image_text"), "image_text").config == clip.CONFIG
