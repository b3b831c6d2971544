"""Prompt sets."""

import pytest

from stylewav_pl.errors import ConfigError
from stylewav_pl.evaluation.prompts import DEFAULT_PROMPTS, PromptSet, judge_note


def test_the_default_is_the_papers() -> None:
    assert dict(DEFAULT_PROMPTS["sex"].prompts) == {
        "male": "this is a photo of a boy",
        "female": "this is a photo of a girl",
    }


@pytest.mark.parametrize(
    ("trait", "prompts", "found"),
    [
        ("sex", {}, "found 0"),
        ("sex", {"male": "a boy"}, "found 1"),
        ("sex", {"male": "a boy", "female": " "}, "'female'"),
        ("sex", {"": "a boy", "female": "a girl"}, "''"),
        ("sex", {"male": "a face", "female": "a face"}, "one prompt under two labels"),
        (" ", {"male": "a boy", "female": "a girl"}, "without a name"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(trait: str, prompts: dict[str, str], found: str) -> None:
    with pytest.raises(ConfigError, match="at least two labels") as caught:
        PromptSet(trait, prompts)
    assert found in str(caught.value)


def test_a_prompt_set_does_not_change_with_its_source() -> None:
    source = {"male": "a boy", "female": "a girl"}
    prompts = PromptSet("sex", source)
    source["male"] = "a dog"
    assert prompts.sentences == ("a boy", "a girl")
    with pytest.raises(TypeError):
        prompts.prompts["male"] = "a dog"  # type: ignore[index]


def test_the_note_names_judge_and_guide() -> None:
    assert "guided by pocket and judged by ViT-L" in judge_note("pocket", "ViT-L")
    assert "flatters" in judge_note("pocket", "pocket")
