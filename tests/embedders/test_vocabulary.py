"""Words to ids, and the errors of a closed word list."""

import pytest

from stylewav_pl.embedders.vocabulary import Vocabulary
from stylewav_pl.errors import ConfigError

WORDS = Vocabulary.of_texts(["This is a photo of a boy.", "grey-haired girl"], context_length=10)


def test_words_are_sorted_and_unique() -> None:
    assert WORDS.words == ("a", "boy", "girl", "grey-haired", "is", "of", "photo", "this")
    assert WORDS.size == 11


def test_end_mark_is_the_largest_id_of_every_text() -> None:
    ids = WORDS(["a boy", "THIS IS A PHOTO OF A GIRL!"])
    assert ids.shape == (2, 10)
    assert ids.argmax(dim=-1).tolist() == [3, 8]
    assert ids.max().item() == WORDS.end == WORDS.size - 1
    assert ids[0].tolist() == [1, 2, 3, 10, 0, 0, 0, 0, 0, 0]


def test_unknown_words_are_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"does not know: zebra, red\. Use only: a, boy, girl") as caught:
        WORDS(["a boy", "a zebra of a red zebra"])
    assert "is, of" in str(caught.value)


@pytest.mark.parametrize("text", ["", " ... ", "a a a a a a a a a"])
def test_empty_and_long_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="takes 1 to 8"):
        WORDS([text])


def test_eight_words_fit() -> None:
    assert WORDS(["a a a a a a a a"])[0].tolist() == [1, *[2] * 8, 10]


@pytest.mark.parametrize("words", [["a", "a"], ["two words"], ["Upper"], [""]])
def test_bad_word_lists_are_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="single lower-case words"):
        Vocabulary(words)
