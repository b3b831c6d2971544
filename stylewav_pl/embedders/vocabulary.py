"""A word tokenizer: the pocket CLIP model knows whole words from a closed list instead of byte pairs.

A byte-pair table would be larger than the rest of the pocket suite. Ids: 0 padding, 1 start, then the words,
and last the end mark: the CLIP text tower reads its result at the largest id of a text.
"""

import re
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from stylewav_pl.errors import ConfigError

PADDING = 0
START = 1
FIRST_WORD = 2
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation.

    Apostrophes and hyphens inside a word belong to it.

    >>> words_of("This is a photo of a MAN, salt-and-pepper beard.")
    ['this', 'is', 'a', 'photo', 'of', 'a', 'man', 'salt-and-pepper', 'beard']
    """
    return _WORD.findall(text.lower())


class Vocabulary:
    """Texts to ids of one closed word list.

    Args:
        words: The known words, each once, in lower case; their order fixes the ids.
        context_length: Number of ids per text, start and end mark included.

    >>> Vocabulary(["a", "photo"], context_length=5)(["A photo."]).tolist()
    [[1, 2, 3, 4, 0]]
    """

    def __init__(self, words: Sequence[str], context_length: int = 16) -> None:
        self.words = tuple(words)
        self.context_length = context_length
        self._ids = {word: id for id, word in enumerate(self.words, start=FIRST_WORD)}
        if len(self._ids) != len(self.words) or any(words_of(word) != [word] for word in self.words):
            raise ConfigError("A vocabulary needs single lower-case words without repetition.")

    @classmethod
    def of_texts(cls, texts: Iterable[str], context_length: int = 16) -> "Vocabulary":
        """All words of some texts, in alphabetical order."""
        return cls(sorted({word for text in texts for word in words_of(text)}), context_length)

    @property
    def size(self) -> int:
        """Rows of the embedding table: words, padding, start and end."""
        return len(self.words) + FIRST_WORD + 1

    @property
    def end(self) -> int:
        """Id of the end mark, the largest of all."""
        return self.size - 1

    def __call__(self, texts: Sequence[str]) -> Int[Tensor, "text token"]:
        """Ids of texts, padded to the context length.

        Raises:
            ConfigError: A text has no words, unknown words (the message lists the known ones) or too many
                words.
        """
        rows = [self._row(text) for text in texts]
        return torch.tensor(rows, dtype=torch.int64).reshape(len(rows), self.context_length)

    def _row(self, text: str) -> list[int]:
        words = words_of(text)
        unknown = [word for word in dict.fromkeys(words) if word not in self._ids]
        if unknown:
            raise ConfigError(
                f"The text {text!r} has words this CLIP model does not know: {', '.join(unknown)}. Use "
                f"only: {', '.join(sorted(self.words))}."
            )
        if not 0 < len(words) <= self.context_length - 2:
            raise ConfigError(
                f"The text {text!r} has {len(words)} words; this CLIP model takes 1 to "
                f"{self.context_length - 2}. Change the text."
            )
        ids = [START, *(self._ids[word] for word in words), self.end]
        return ids + [PADDING] * (self.context_length - len(ids))
