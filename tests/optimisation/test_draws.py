"""Draws of a prior: again where a face does not answer as its voice does, whatever the other clips do."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.optimisation.draws import Draws
from stylewav_pl.priors import Belongings, FlowNetwork, Prior

CLIPS, DRAWS, Z, W, EMBED = 16, 5, 3, 4, 5


@pytest.fixture(scope="module")
def prior() -> Prior:
    torch.manual_seed(3)
    network = FlowNetwork(EMBED, W, width=16, blocks=1, hidden=16, frequencies=2)
    made = Prior(network, Belongings("g", "c"), questions=(2, 3))
    made.words.copy_(F.normalize(torch.randn(5, EMBED), dim=1))
    made.image_map.normal_().mul_(0.2)
    made.hear(torch.zeros(EMBED), torch.eye(EMBED)[:2])
    return made


def seen_in(w: Tensor) -> Tensor:
    return F.normalize(w @ torch.linspace(-1, 1, W * EMBED).sin().mul(40).sin().view(W, EMBED), dim=1)


def moved_samples(z: Tensor) -> Tensor:
    return torch.cat([z, z[:, :1].square()], dim=1)


def lead(prior: Prior, vector: Tensor, target: Tensor) -> float:
    """Word by word: how much nearer the target's answer is than others, less a tenth of their difference."""
    words = [word.tolist() for word in prior.words]

    def cosine(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    smallest = 0.0
    for question in (words[:2], words[2:]):
        wanted = max(question, key=lambda word: cosine(word, target.tolist()))
        for word in question:
            if word != wanted:
                nearer = cosine(wanted, vector.tolist()) - cosine(word, vector.tolist())
                smallest = min(smallest, nearer - 0.1 * (1 - cosine(wanted, word)))
    return smallest


@pytest.mark.parametrize("own", [None, moved_samples])
@pytest.mark.parametrize("at_once", [0, CLIPS, 37])
def test_the_first_draw_that_answers_as_the_voice_does_is_taken_or_the_one_that_nearly_does(
    own, at_once: int, prior: Prior
) -> None:
    random = torch.Generator().manual_seed(1)
    targets = F.normalize(torch.randn(CLIPS, EMBED, generator=random), dim=1)
    width = Z if own else 0
    noise = torch.randn(CLIPS, DRAWS, width + W, generator=random)
    sizes = []

    def look(w: Tensor) -> Tensor:
        sizes.append(len(w))
        return seen_in(w)

    taken = Draws(prior, targets, own, width, look, at_once).taken(noise)
    waited = []
    for clip, target in enumerate(targets):
        each = targets[clip : clip + 1].expand(DRAWS, -1)
        if own is None:
            faces = prior.sample(each, noise[clip])
        else:
            samples = own(noise[clip, :, :Z])
            moved = prior.move(samples, seen_in(samples), each, noise[clip, :, Z:])
            faces = prior.complete(moved, seen_in, each)[0]
        leads = [lead(prior, vector, target) for vector in seen_in(faces)]
        best = leads.index(max(leads))
        waited.append(best if leads[best] == 0 else None)
        torch.testing.assert_close(taken[clip], faces[best], rtol=1e-4, atol=1e-4)
    assert {0, None} < set(waited), "some wait, some agree at once, some never do"
    assert max(sizes) <= max(CLIPS, at_once)


def test_agreeing_means_a_clear_answer_of_the_same_words_to_each_question(prior: Prior) -> None:
    vectors, targets = F.normalize(torch.randn(2, 200, EMBED), dim=2)
    leads = [lead(prior, *pair) for pair in zip(vectors, targets, strict=True)]
    torch.testing.assert_close(prior.leads(vectors, targets), torch.tensor(leads), rtol=0, atol=1e-5)
    expected = [one == 0 for one in leads]
    assert prior.agree(vectors, targets).tolist() == expected
    assert 10 < sum(expected) < 190


def test_without_questions_all_agree() -> None:
    network = FlowNetwork(EMBED, W, width=8, blocks=1, hidden=8, frequencies=2)
    vectors, targets = F.normalize(torch.randn(2, 9, EMBED), dim=2)
    assert Prior(network, Belongings("g", "c")).agree(vectors, targets).all()
