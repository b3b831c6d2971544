"""What the faces of a run show beside what was asked for."""

import pytest
import torch

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.generators import load_generator
from stylewav_pl.pocket.faces import Z_DIM, attributes_of
from stylewav_pl.training.base_rates import RandomFaces, measure, spread, table
from stylewav_pl.training.nuisance import ANSWERS, embed


@pytest.fixture(scope="module")
def judged() -> tuple[torch.Tensor, torch.Tensor]:
    """Random samples, and whether each is a man."""
    generator = load_generator("pocket")
    z = torch.randn(150, Z_DIM, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return generator.synthesize(generator.map(z)), attributes_of(z).sex > 0


def test_random_samples_hardly_differ_from_others(judged: tuple[torch.Tensor, torch.Tensor]) -> None:
    judge = load_image_text_embedder("pocket")
    random = RandomFaces.of(load_generator("pocket"), judge, 1.0, samples=150)
    found = measure(*judged, judge, random)
    assert set(found.shares) == {f"{name}: {word}" for name, words in ANSWERS.items() for word in words}
    assert max(one.shift for one in found.shares.values()) < 0.25
    assert 0.9 < found.diversity < 1.1
    assert table(found).endswith("random samples'")


def test_one_face_for_all_is_told(judged: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, male = judged
    same = images[:1].expand(60, -1, -1, -1)
    judge = load_image_text_embedder("pocket")
    found = measure(same, male[:60], judge, RandomFaces.of(load_generator("pocket"), judge, 1.0, samples=100))
    assert found.diversity == pytest.approx(0, abs=1e-4)
    assert max(one.shift for one in found.shares.values()) > 0.5
    assert spread(embed(judge, images)) > 0.1
