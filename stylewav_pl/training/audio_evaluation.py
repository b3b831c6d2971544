"""How well the audio encoder tells sex and age of voices it has never heard, asked in words.

Nearest text prompt.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stylewav_pl.embedders import load_audio_embedder, load_image_text_embedder
from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.pocket.faces import CHILD_BELOW, OLD_ABOVE, PROMPT_SETS
from stylewav_pl.training.voice_bank import VoiceBank, make_voice_bank, scale_of

AGE_MARGIN = 0.05  # ages nearer than this to a border between the groups are not asked about
BATCH = 50


def evaluate(
    audio: str | Path,
    *,
    clip_model: str | Path = "pocket",
    folder: Path,
    count: int = 600,
    voices: str = "all",
    progress: bool = False,
) -> dict[str, float]:
    """Accuracies of an audio weight file on held-out synthetic speakers.

    Args:
        audio: A registry name or the path of an audio weight file.
        clip_model: The CLIP model that reads the prompts.
        folder: Where the test voices are kept, made if missing.
        count: How many test voices.
        voices: ``all`` for espeak-ng and built-in voices, ``builtin`` for the latter alone.
        progress: Whether to show a progress bar for the synthesis.

    Returns:
        Name of the measure to accuracy; see :func:`accuracies`.
    """
    bank = make_voice_bank(
        folder,
        count=count,
        seed=0,
        voices="all" if voices == "all" else "builtin",
        split="test",
        progress=progress,
    )
    return accuracies(load_audio_embedder(audio), load_image_text_embedder(clip_model), bank)


def accuracies(audio: AudioEmbedder, clip_model: ImageTextEmbedder, bank: VoiceBank) -> dict[str, float]:
    """Balanced accuracies by text prompts; chance is 0.5 for sex and 0.33 for age.

    ``sex, adults`` uses boy/girl on adults and old people; ``sex, children`` on children; ``man/woman``,
    ``espeak`` and ``builtin`` are the adults asked otherwise or split by synthesiser; ``age`` is child,
    adult, old away from the borders.
    """
    embedded = embed_bank(audio, bank)
    age = torch.from_numpy(scale_of(bank.years))
    sex = 1 - torch.from_numpy(bank.male)  # prompt sets name the male first
    grown, espeak = age > CHILD_BELOW, torch.from_numpy(bank.espeak) == 1
    group = (age > CHILD_BELOW).long() + (age > OLD_ABOVE).long()
    clear = ((age - CHILD_BELOW).abs() > AGE_MARGIN) & ((age - OLD_ABOVE).abs() > AGE_MARGIN)
    boy_girl = nearest_prompt(embedded, clip_model, "boy-girl")
    answers: Mapping[str, tuple[Tensor, Tensor, Tensor]] = {
        "sex, adults": (boy_girl, sex, grown),
        "sex, children": (boy_girl, sex, ~grown),
        "sex, adults, espeak": (boy_girl, sex, grown & espeak),
        "sex, adults, builtin": (boy_girl, sex, grown & ~espeak),
        "sex, adults, man/woman": (nearest_prompt(embedded, clip_model, "man-woman"), sex, grown),
        "age": (nearest_prompt(embedded, clip_model, "child-adult-old"), group, clear),
    }
    return {
        name: balanced(said[asked], truth[asked])
        for name, (said, truth, asked) in answers.items()
        if asked.any()
    }


@torch.no_grad()
def embed_bank(audio: AudioEmbedder, bank: VoiceBank) -> Float[Tensor, "clip embed"]:
    """Embeddings of all clips of a bank."""
    blocks = [bank.waveforms[start : start + BATCH] for start in range(0, len(bank), BATCH)]
    return torch.cat(
        [audio.embed_audio(torch.from_numpy(block.astype(np.float32) / 32768)) for block in blocks]
    )


@torch.no_grad()
def nearest_prompt(
    embedded: Float[Tensor, "clip embed"], clip_model: ImageTextEmbedder, prompt_set: str
) -> Int[Tensor, " clip"]:
    """Index of the most similar prompt of a prompt set, for each clip."""
    return (embedded @ clip_model.embed_text(PROMPT_SETS[prompt_set].prompts()).T).argmax(dim=1)


def balanced(said: Int[Tensor, " clip"], truth: Int[Tensor, " clip"]) -> float:
    """Mean over the true classes of the share that was told right.

    >>> balanced(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 1]))
    0.75
    """
    right: Bool[Tensor, " clip"] = said == truth
    return float(
        torch.stack([right[truth == value].float().mean() for value in sorted(set(truth.tolist()))]).mean()
    )
