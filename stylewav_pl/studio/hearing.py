"""What an encoder hears in a voice, in words: how near its target is to prompts about sex and age."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.evaluation.heard import QUESTIONS, SHARPNESS, Questions

EXCERPT_SECONDS = 1.5
MOST_EXCERPTS = 6


@dataclass(frozen=True)
class Answer:
    """How strongly one word fits a voice.

    Attributes:
        word: Such as ``female``.
        share: Softmax over the words of the question, in [0, 1], from the whole recording.
        low: The least share that any excerpt of the recording gives.
        high: The largest.
    """

    word: str
    share: float
    low: float
    high: float


def excerpts(waveform: Float[Tensor, " time"], sample_rate: int) -> list[Float[Tensor, " part"]]:
    """Returns overlapping parts of a recording; the whole alone where it is hardly longer than one.

    Args:
        waveform: ``[time]``.
        sample_rate: In Hz.

    >>> [len(part) for part in excerpts(torch.zeros(48_000), 16_000)]
    [24000, 24000, 24000]
    """
    length = round(EXCERPT_SECONDS * sample_rate)
    if len(waveform) < 1.5 * length:
        return [waveform]
    count = min(MOST_EXCERPTS, 2 * len(waveform) // length - 1)
    starts = torch.linspace(0, len(waveform) - length, count).long().tolist()
    return [waveform[start : start + length] for start in starts]


@contextmanager
def one_thread() -> Iterator[None]:
    """Computes in the caller's thread alone.

    The steps of a recurrent network are too small to share: on two cores with other work to do the threads
    waited for each other a hundred times as long as one of them takes alone.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def hear(
    waveform: Float[Tensor, " time"],
    audio: AudioEmbedder,
    guide: ImageTextEmbedder,
    questions: Questions = QUESTIONS,
) -> Mapping[str, Sequence[Answer]]:
    """Asks what a voice sounds like.

    Args:
        waveform: ``[time]``, mono, at the encoder's sample rate.
        audio: Embeds the voice and its excerpts.
        guide: Embeds the prompts; of the same space.
        questions: By name: prompt by word.

    Returns:
        By name, one answer for each word in the order given.
    """
    parts = [waveform, *excerpts(waveform, audio.sample_rate)]
    embedded = audio.embed_audio(parts)  # [whole and parts, embed]
    heard = {}
    for name, prompts in questions.items():
        texts = guide.embed_text(list(prompts.values())).to(embedded)
        shares = (SHARPNESS * embedded @ texts.T).softmax(dim=1)  # [whole and parts, word]
        whole, low, high = shares[0], shares.amin(dim=0), shares.amax(dim=0)
        rows = zip(prompts, whole.tolist(), low.tolist(), high.tolist(), strict=True)
        heard[name] = tuple(Answer(*row) for row in rows)
    return heard
