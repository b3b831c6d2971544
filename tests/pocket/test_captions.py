"""The captions: only known words, only true statements, and prompt sets that fit the facts."""

import re
from random import Random

import pytest
import torch
from torch import Tensor

from stylewav_pl.pocket.faces import (
    FACT_NAMES,
    PROMPT_SETS,
    TEMPLATES,
    UNCLEAR,
    WORDS,
    Z_DIM,
    Attributes,
    Caption,
    attributes_of,
    caption,
    facts_of,
    fits,
)
from stylewav_pl.pocket.faces.captions import FACTS


@pytest.fixture(scope="module")
def attributes() -> Attributes:
    return attributes_of(torch.randn(1500, Z_DIM, generator=torch.Generator().manual_seed(3)))


@pytest.fixture(scope="module")
def facts(attributes: Attributes) -> Tensor:
    return facts_of(attributes)


@pytest.fixture(scope="module")
def captions(facts: Tensor) -> list[Caption]:
    rng = Random(0)
    return [caption(row, rng) for row in facts.tolist()]


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def test_words_are_unique() -> None:
    assert len(set(WORDS)) == len(WORDS)


def test_captions_use_known_words_only(captions: list[Caption]) -> None:
    assert {word for one in captions for word in words_of(one.text)} <= set(WORDS)


def test_prompts_use_known_words_only() -> None:
    prompts = [
        prompt for one in PROMPT_SETS.values() for template in TEMPLATES for prompt in one.prompts(template)
    ]
    assert {word for prompt in prompts for word in words_of(prompt)} <= set(WORDS)


def test_captions_vary(captions: list[Caption]) -> None:
    assert len({one.text for one in captions}) > 1000


def test_captions_state_only_what_is_true(captions: list[Caption], facts: Tensor) -> None:
    stated = torch.tensor([one.stated for one in captions])
    assert fits(stated, facts).diagonal().all()
    assert not fits(stated, facts).all()


@pytest.mark.parametrize(
    ("words", "fact", "value"),
    [
        (("boy", "man", "gentleman", "guy", "male"), "sex", "male"),
        (("girl", "woman", "lady", "female"), "sex", "female"),
        (("bald",), "baldness", "bald"),
        (("smiling", "happy"), "smile", "smiling"),
        (("curly",), "curl", "curly"),
        (("blond", "blonde"), "hair_colour", "blond"),
    ],
)
def test_words_appear_exactly_where_their_fact_is_stated(
    captions: list[Caption], words: tuple[str, ...], fact: str, value: str
) -> None:
    place, index = FACT_NAMES.index(fact), FACTS[fact].index(value)
    for one in captions:
        assert bool(set(words) & set(words_of(one.text))) == (one.stated[place] == index), one.text


def test_with_and_without_agree_with_the_glasses(captions: list[Caption]) -> None:
    place = FACT_NAMES.index("glasses")
    for one in captions:
        match = re.search(r"(with|has|wearing|without|no) (glasses|spectacles)", one.text)
        expected = UNCLEAR if match is None else int(match.group(1) in {"without", "no"})
        assert one.stated[place] == expected, one.text


def test_no_caption_calls_a_child_a_man(captions: list[Caption], facts: Tensor) -> None:
    children = [one for one, row in zip(captions, facts, strict=True) if row[FACT_NAMES.index("age")] == 0]
    assert children
    assert not any(
        {"man", "woman", "lady", "gentleman", "adult", "old"} & set(words_of(one.text)) for one in children
    )


@pytest.mark.parametrize("name", list(PROMPT_SETS))
def test_prompt_sets_have_a_phrase_for_each_answer(name: str, facts: Tensor) -> None:
    index, clear = PROMPT_SETS[name].answers(facts)
    assert len(PROMPT_SETS[name].phrases) == len(FACTS[PROMPT_SETS[name].fact])
    assert set(index[clear].tolist()) == set(range(len(PROMPT_SETS[name].phrases)))
    assert clear.float().mean() > 0.3


def test_boys_are_male(attributes: Attributes, facts: Tensor) -> None:
    index, clear = PROMPT_SETS["boy-girl"].answers(facts)
    assert PROMPT_SETS["boy-girl"].prompts()[0] == "this is a photo of a boy"
    assert (attributes.sex[clear & (index == 0)] > 0.35).all()
    assert (attributes.sex[~clear].abs() <= 0.35).all()


def test_man_and_woman_leave_children_out(attributes: Attributes, facts: Tensor) -> None:
    _, clear = PROMPT_SETS["man-woman"].answers(facts)
    assert attributes.age[clear].min() > 0.3


def test_a_silent_caption_fits_everyone(facts: Tensor) -> None:
    silent = torch.full((1, len(FACT_NAMES)), UNCLEAR)
    assert fits(silent, facts).all()
