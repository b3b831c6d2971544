"""CLIP score: the cosine, nothing else, of the images as they are written."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image

from stylewav_pl.callbacks.clip_score import ClipScore
from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.pictures.images import encode, from_picture, to_picture
from stylewav_pl.types import Clip, CohortResult

PROMPTS = {"sex": {"male": "a boy", "female": "a girl"}, "age": {"old": "an old person", "young": "a girl"}}
CLIPS = (
    Clip("a", "a.wav", labels={"sex": "male"}),
    Clip("b", "b.wav", labels={"sex": "female", "age": "old"}),
    Clip("c", "c.wav"),
)


def images(count: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2.2 - 1.1


def set_up(score: ClipScore, guide: Any = None) -> ClipScore:
    score.prepare(guide or load_image_text_embedder("linear"), torch.device("cpu"))
    return score


def result(count: int = 3, seed: int = 0) -> CohortResult:
    empty = torch.zeros(count, 0, 3, 16, 16)
    return CohortResult(
        0,
        CLIPS[:count],
        (),
        images(count, seed),
        torch.zeros(count, 4),
        torch.zeros(count, 2),
        torch.zeros(count, 4),
        empty,
        (),
        (0,) * count,
        embeddings=torch.zeros(count, 4),
        starts=torch.zeros(count, 3, 16, 16),
    )


def test_each_text_is_scored_once() -> None:
    assert ClipScore(PROMPTS).texts == ("a boy", "a girl", "an old person")


def test_scores_are_cosines_by_hand() -> None:
    rows = set_up(ClipScore(PROMPTS)).score(images(), CLIPS)
    embedder = load_image_text_embedder("linear")
    rounded = ((images().clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1).to(torch.float64)
    flat = torch.nn.functional.adaptive_avg_pool2d(rounded, 8).flatten(1) @ embedder.weight.double()
    for index, row in enumerate(rows):
        assert row.id == CLIPS[index].id
        for text, value in row.scores.items():
            prompt = embedder.embed_text([text])[0].double()
            by_hand = float(flat[index] @ prompt / flat[index].norm() / prompt.norm())
            assert value == pytest.approx(by_hand, abs=1e-6)


def test_written_images_give_the_same_numbers(tmp_path: Path) -> None:
    score = set_up(ClipScore(PROMPTS))
    read = []
    for index, image in enumerate(images()):
        (tmp_path / f"{index}.png").write_bytes(encode(to_picture(image), "png", str(index), 0))
        with Image.open(tmp_path / f"{index}.png") as picture:
            read.append(from_picture(picture))
    assert score.score(torch.stack(read), CLIPS) == score.score(images(), CLIPS)


def test_another_judge_than_the_guide_scores() -> None:
    guide = load_image_text_embedder("linear")
    same, other = set_up(ClipScore(PROMPTS, judge="linear"), guide), set_up(ClipScore(PROMPTS), guide)
    assert same.judge is not guide
    assert other.judge is guide


def test_without_prompts_nothing_is_loaded_and_rows_are_empty() -> None:
    score = set_up(ClipScore(), guide=object())
    assert [dict(row.scores) for row in score.score(images(), CLIPS)] == [{}, {}, {}]


def test_no_clip_no_row() -> None:
    assert set_up(ClipScore(PROMPTS)).score(images(0), ()) == ()


def test_a_judge_that_knows_no_text_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"Expected a CLIP model as judge, found object\. Correct clip_score\.judge"
    ):
        set_up(ClipScore(PROMPTS), guide=object())


def test_rows_reach_the_callbacks_that_follow_and_means_are_of_the_right_clips() -> None:
    score = set_up(ClipScore(PROMPTS))
    totals: dict[str, list[float]] = {"male": [], "old": []}
    for seed in (0, 1):
        outputs: dict[str, Any] = {"result": result(seed=seed)}
        score.on_train_batch_end(Mock(Trainer), Mock(LightningModule), outputs, None, seed)
        rows = outputs["scores"]
        assert [row.id for row in rows] == ["a", "b", "c"]
        totals["male"].append(rows[0].scores["a boy"])
        totals["old"].append(rows[1].scores["an old person"])
    means = score.running_means()
    assert means["sex", "male", "a boy"] == pytest.approx(sum(totals["male"]) / 2, abs=1e-6)
    assert means["age", "old", "an old person"] == pytest.approx(sum(totals["old"]) / 2, abs=1e-6)
    assert {(trait, label) for trait, label, _ in means} == {
        ("sex", "male"),
        ("sex", "female"),
        ("age", "old"),
    }  # nobody is young, c is nobody


def test_means_are_of_this_process_even_inside_a_group() -> None:
    assert ClipScore(PROMPTS).means.sync_on_compute is False, (
        "a rank that asks for its own means must not wait for the others"
    )


def test_before_the_first_clip_there_is_no_mean() -> None:
    assert set_up(ClipScore(PROMPTS)).running_means() == {}
