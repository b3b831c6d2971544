"""What ships as judge: what it reads, and what it sees in the generator's faces that nobody asked for."""

from typing import Any

import pytest
import torch

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.generators import load_generator
from stylewav_pl.pocket.faces import PROMPT_SETS, Z_DIM
from stylewav_pl.training import clip, nuisance
from stylewav_pl.training.clip_evaluation import evaluate
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import read_weights

# What sex steers by construction (men alone have beards), and smiles, which the judge cannot tell.
MEANT = ("hair-length", "beard", "smile")


@pytest.fixture(scope="module")
def accuracies() -> dict[str, dict[str, float]]:
    return evaluate("pocket-judge", renders=250, outputs=300)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("boy-girl", 0.97),
        ("man-woman", 0.97),
        ("child-adult-old", 0.93),
        ("glasses", 0.95),
        ("beard", 0.95),
        ("hair-length", 0.95),
    ],
)
def test_the_judge_reads_unseen_faces(accuracies: dict[str, Any], name: str, least: float) -> None:
    assert min(accuracies[name].values()) >= least


def test_judge_and_guide_are_different_networks() -> None:
    judge = read_weights(resolve("pocket-judge", "image_text"), "image_text").config["model"]
    guide = read_weights(resolve("pocket", "image_text"), "image_text").config["model"]
    assert judge == clip.JUDGE.config["model"] != guide


@torch.no_grad()
def test_the_mean_face_is_between_the_sexes_and_wears_no_glasses() -> None:
    generator, judge = load_generator("pocket"), load_image_text_embedder("pocket-judge")
    z = torch.randn(200, Z_DIM, generator=torch.Generator().manual_seed(0))
    w = torch.cat([generator.w_mean[None], generator.map(z)])
    faces = torch.cat([judge.embed_image(generator.synthesize(part)) for part in w.split(67)])
    male, female = (faces @ judge.embed_text(PROMPT_SETS["boy-girl"].prompts()).T).T
    lean = male - female
    assert abs(float(lean[0])) < 0.3 * float(lean[1:].abs().mean())
    worn, bare = faces[0] @ judge.embed_text(PROMPT_SETS["glasses"].prompts()).T
    assert worn < bare


def test_random_women_and_men_differ_in_what_is_meant_only() -> None:
    found = nuisance.random_samples("pocket", "pocket-judge", count=1000)
    for name, (women, men) in found.items():
        if name.split(":")[0] not in MEANT:
            assert abs(women - men) < 0.12, name
    assert 0.20 < sum(found["glasses: with"]) / 2 < 0.36
    assert found["beard: with"][0] < 0.05
