"""The recipe of the pocket CLIP model: its losses, its data, going on after an interruption, and the
evaluation."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.errors import WeightsError
from stylewav_pl.generators import LinearGenerator
from stylewav_pl.pocket.faces import (
    FACT_NAMES,
    PROMPT_SETS,
    UNCLEAR,
    WORDS,
    Z_DIM,
    attributes_of,
    facts_of,
    render,
)
from stylewav_pl.training import clip, clip_faces, image_augmentation
from stylewav_pl.training.clip_evaluation import balanced_accuracy, evaluate, table, zero_shot
from stylewav_pl.training.clip_losses import choice_loss, matching_loss, neutral_loss
from stylewav_pl.training.learning_rates import damped_cosine
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import read_weights


def small(recipe: clip.Recipe) -> clip.Recipe:
    """The same kind of network, small enough to train a few steps in a test."""
    config = deepcopy(dict(recipe.config))
    config["model"]["embed_dim"] = 32
    tower = config["model"]["vision_cfg"]
    if "patch_size" in tower:
        tower.update(width=32, layers=1, patch_size=32)
    else:
        tower.update(width=2, layers=[1, 1, 1, 1], head_width=32)
    config["model"]["text_cfg"].update(width=32, heads=2, layers=1)
    return replace(recipe, config=config, batch_size=8, drawn=24, generated=24)


TINY = small(clip.GUIDE)
RECIPES = {"guide": TINY, "judge": small(clip.JUDGE)}


def train(output: Path, recipe: clip.Recipe = TINY, **options: Any) -> None:
    chosen: dict[str, Any] = {"steps": 4, "threads": torch.get_num_threads(), "generator": None, **options}
    clip.train(output, recipe=recipe, progress=False, **chosen)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> clip_faces.Faces:
    """Sixty-four drawn faces."""
    return clip_faces.drawn_faces(tmp_path_factory.mktemp("faces") / "faces.npy", 64, 128, 0)


def tensors(path: Path) -> Mapping[str, Tensor]:
    return read_weights(path, "image_text").tensors


def noise(faces: int, seed: int = 0) -> Tensor:
    return torch.randn(faces, Z_DIM, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_training_writes_a_loadable_file(recipe: clip.Recipe, tmp_path: Path) -> None:
    train(tmp_path / "clip.safetensors", recipe, steps=1)
    embedder = load_image_text_embedder(tmp_path / "clip.safetensors")
    prompts = [prompt for one in PROMPT_SETS.values() for prompt in one.prompts()]
    torch.testing.assert_close(embedder.embed_text(prompts).norm(dim=1), torch.ones(len(prompts)))
    assert embedder.embed_image(render(noise(2))).shape == (2, 32)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.safetensors"]  # neither state nor faces


def test_an_interrupted_training_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole")
    step = clip.ClipTraining.step
    seen: list[int] = []

    def break_down(
        self: clip.ClipTraining, batch: clip_faces.Batch, seed: int, number: int, rate: float
    ) -> Any:
        if number == 3:
            raise KeyboardInterrupt
        return step(self, batch, seed, number, rate)

    def watch(self: clip.ClipTraining, batch: clip_faces.Batch, seed: int, number: int, rate: float) -> Any:
        seen.append(number)
        return step(self, batch, seed, number, rate)

    monkeypatch.setattr(clip.ClipTraining, "step", break_down)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", save_every=2)
    monkeypatch.setattr(clip.ClipTraining, "step", watch)
    train(tmp_path / "parts", save_every=2)
    assert seen == [2, 3]
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_generator_is_needed_after_the_drawn_steps_only(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    train(tmp_path / "clip", replace(TINY, drawn_steps=2), steps=2, generator=missing)
    with pytest.raises(WeightsError, match="missing"):
        train(tmp_path / "other", replace(TINY, drawn_steps=1), steps=2, generator=missing, save_every=1)
    assert (tmp_path / "other.state").is_file()
    assert not (tmp_path / "other").exists()


def test_a_training_begun_anew_keeps_nothing(tmp_path: Path) -> None:
    train(tmp_path / "clip", steps=2)
    (tmp_path / "again.state").write_bytes(b"no state")
    (tmp_path / "again.drawn.npy").write_bytes(b"no faces")
    train(tmp_path / "again", steps=2, resume=False)
    assert torch.equal(tensors(tmp_path / "clip")["visual.proj"], tensors(tmp_path / "again")["visual.proj"])


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    train(tmp_path / "a", steps=1)
    train(tmp_path / "b", steps=1, seed=1)
    assert not torch.equal(tensors(tmp_path / "a")["visual.proj"], tensors(tmp_path / "b")["visual.proj"])


def test_guide_and_judge_share_neither_faces_nor_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[clip_faces.Faces] = []
    draw = clip.drawn_faces

    def remember(*arguments: Any) -> clip_faces.Faces:
        drawn.append(draw(*arguments))
        return drawn[-1]

    monkeypatch.setattr(clip, "drawn_faces", remember)
    for name, recipe in RECIPES.items():
        train(tmp_path / name, recipe, steps=1)
    first, second = (faces.pixels.reshape(24, -1) for faces in drawn)
    assert not (first[:, None] == second[None]).all(axis=2).any()
    assert "patch_size" in clip.GUIDE.config["model"]["vision_cfg"]
    assert isinstance(clip.JUDGE.config["model"]["vision_cfg"]["layers"], list)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_training_lowers_the_loss(recipe: clip.Recipe, faces: clip_faces.Faces) -> None:
    torch.manual_seed(0)
    training = clip.ClipTraining.begin(recipe)
    batch = clip_faces.make_batch(32, 0, 0, faces, None)
    losses = [sum(training.step(batch, 0, 0, 1.0).values()) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]


def test_bfloat16_learns_the_same(faces: clip_faces.Faces) -> None:
    batch = clip_faces.make_batch(16, 0, 0, faces, None)
    losses = []
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        # both are precisions
        training = clip.ClipTraining.begin(TINY, precision=precision)  # type: ignore[arg-type]
        losses.append(training.step(batch, 0, 0, 1.0)["match"])
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=0.02)


def test_half_of_a_batch_is_generated(tmp_path: Path, faces: clip_faces.Faces) -> None:
    made = clip_faces.generated_faces(tmp_path / "made.npy", 16, 128, 0, LinearGenerator(z_dim=Z_DIM))
    batch = clip_faces.make_batch(8, 0, 0, faces, made)
    assert batch.images.shape == (8, 3, 128, 128)
    alone = clip_faces.make_batch(8, 0, 0, faces, None)
    assert torch.equal(batch.facts[:4], alone.facts[:4]) and not torch.equal(
        batch.images[4:], alone.images[4:]
    )


def test_stored_faces_are_those_of_their_noise(tmp_path: Path) -> None:
    stored = clip_faces.drawn_faces(tmp_path / "faces.npy", 3, 64, 7)
    z = noise(3, seed=7 * 1_000_003)
    assert torch.equal(stored.facts, facts_of(attributes_of(z)))
    torch.testing.assert_close(stored.images(torch.arange(3)), render(z, 64), rtol=0, atol=1 / 127)
    again = clip_faces.drawn_faces(tmp_path / "faces.npy", 3, 64, 7)
    assert torch.equal(again.images(torch.tensor([1])), stored.images(torch.tensor([1])))


def test_each_step_has_its_own_faces_and_always_the_same(faces: clip_faces.Faces) -> None:
    first, again, second = (clip_faces.make_batch(8, 0, step, faces, None) for step in (0, 0, 1))
    assert torch.equal(first.images, again.images) and first.captions == again.captions
    assert not torch.equal(first.images, second.images) and first.captions != second.captions


def test_neutral_loss_is_zero_for_even_answers_and_for_faces_whose_sex_is_clear() -> None:
    facts = facts_of(attributes_of(noise(64)))
    between = facts[:, FACT_NAMES.index("sex")] == UNCLEAR
    assert 0 < int(between.sum()) < 64
    phrases = sum(len(one.phrases) for one in PROMPT_SETS.values())
    logits = torch.randn(64, phrases, generator=torch.Generator().manual_seed(0))
    assert float(neutral_loss(torch.zeros(64, phrases), facts)) == pytest.approx(0, abs=1e-6)
    assert float(neutral_loss(logits[between], facts[between])) > 0.01
    assert float(neutral_loss(logits[~between], facts[~between])) == 0


def test_matching_loss_against_a_loop() -> None:
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    true = torch.eye(5, dtype=torch.bool)
    true[0, 3] = true[2, 1] = True
    total = 0.0
    for table_, pairs in ((logits, true), (logits.T, true.T)):
        for row, right in zip(table_, pairs, strict=True):
            total -= float(torch.log_softmax(row, dim=0)[right].mean()) / 10
    assert matching_loss(logits, true).item() == pytest.approx(total, abs=1e-5)


def test_choice_loss_is_zero_for_sure_answers_and_ignores_unclear_faces() -> None:
    facts = facts_of(attributes_of(noise(64)))
    columns = []
    for one in PROMPT_SETS.values():
        index, _ = one.answers(facts)
        columns.append(50.0 * F.one_hot(index, len(one.phrases)))
    sure = torch.cat(columns, dim=1)
    assert float(choice_loss(sure, facts)) < 1e-6
    assert float(choice_loss(-sure, facts)) > 10
    unknown = torch.full_like(facts, UNCLEAR)
    assert float(choice_loss(-sure, unknown)) == 0


def test_learning_rate_rises_then_falls() -> None:
    rates = [damped_cosine(step, 100) for step in range(100)]
    peak = rates.index(max(rates))
    assert 10 < peak < 40
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)
    assert rates[-1] < 0.01


def test_both_preprocessings_are_seen() -> None:
    images = torch.zeros(10, 3, 64, 64)
    untouched = (clip_faces.prepare(images, 64, Random(0)) == 0).flatten(1).all(dim=1)
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


def test_evaluation_of_an_untrained_file_names_every_prompt_set(tmp_path: Path) -> None:
    train(tmp_path / "clip", steps=1)
    accuracies = evaluate(tmp_path / "clip", generator=None, renders=60)
    assert set(accuracies) == set(PROMPT_SETS)
    assert table(accuracies).count("\n") == len(PROMPT_SETS) + 1


@pytest.fixture(scope="module")
def shipped() -> dict[str, dict[str, float]]:
    return evaluate("pocket", renders=600, outputs=200)


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
    assert read_weights(resolve("pocket", "image_text"), "image_text").config["words"] == list(WORDS)
