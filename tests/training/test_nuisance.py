"""What faces show beside sex and age, counted."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.pocket.faces import PROMPT_SETS, Z_DIM, attributes_of, facts_of, render
from stylewav_pl.training import nuisance


class Knowing(ImageTextEmbedder):
    """A judge that is told the facts of the faces it sees, in the order in which it sees them."""

    def __init__(self, facts: Tensor) -> None:
        super().__init__()
        self.prompts = [prompt for one in PROMPT_SETS.values() for prompt in one.prompts()]
        self.embed_dim, self.image_size, self.seen = len(self.prompts), 128, 0
        hot = [F.one_hot(one.answers(facts)[0], len(one.phrases)) for one in PROMPT_SETS.values()]
        self.rows = F.normalize(torch.cat(hot, dim=1).float(), dim=1)

    def embed_image(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return self.rows[self.seen - len(images) : self.seen]

    def embed_text(self, texts: list[str]) -> Tensor:
        return torch.eye(self.embed_dim)[[self.prompts.index(text) for text in texts]]


@pytest.fixture(scope="module")
def z() -> Tensor:
    return torch.randn(400, Z_DIM, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def told(z: Tensor) -> dict[str, Tensor]:
    return nuisance.answers(Knowing(facts_of(attributes_of(z))), render(z))


def test_every_question_has_its_answers(told: dict[str, Tensor]) -> None:
    assert told.keys() == nuisance.ANSWERS.keys()
    for name, index in told.items():
        assert len(index) == 400 and int(index.min()) >= 0 and int(index.max()) < len(nuisance.ANSWERS[name])
        assert sum(nuisance.shares({name: index}).values()) == pytest.approx(1)


def test_pixels_tell_skin_and_background(z: Tensor, told: dict[str, Tensor]) -> None:
    a = attributes_of(z)
    assert (told["background"] == a.background.argmax(dim=1)).float().mean() > 0.95
    by_tone = [float(a.skin[told["skin"] == tone].mean()) for tone in range(3)]
    assert by_tone[0] + 0.2 < by_tone[1] < by_tone[2] - 0.2
    assert min(nuisance.shares(told)[f"skin: {tone}"] for tone in nuisance.TONES) > 0.25


def test_drawn_women_and_men_differ_in_what_is_meant_only(z: Tensor, told: dict[str, Tensor]) -> None:
    male = attributes_of(z).sex > 0
    women, men = nuisance.shares(told, ~male), nuisance.shares(told, male)
    meant = ("hair-length", "beard")
    for name, share in women.items():
        if name.split(":")[0] not in meant:
            assert abs(share - men[name]) < 0.12, name  # two deviations of 200 against 200 are 0.1
    assert women["hair-length: long"] > men["hair-length: long"] + 0.5
    assert women["beard: with"] < 0.02 < men["beard: with"]


def test_random_samples_are_asked_by_sex(monkeypatch: pytest.MonkeyPatch) -> None:
    found = nuisance.random_samples("pocket", "pocket", count=60)
    assert (
        found.keys()
        == nuisance.shares({name: torch.zeros(1, dtype=torch.long) for name in nuisance.ANSWERS}).keys()
    )
    assert found["hair-length: long"][0] > found["hair-length: long"][1] + 0.3
    assert nuisance.table(found).count("\n") == len(found) + 1
