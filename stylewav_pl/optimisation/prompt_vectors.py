"""From prompts to vectors in CLIP space.

Those that are alike for all clips once, the others cohort by cohort.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from stylewav_pl.data.audio import decode
from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.errors import ConfigError, one_line
from stylewav_pl.optimisation.prompts import Prompt
from stylewav_pl.optimisation.targets import drop_clips
from stylewav_pl.types import AudioError, ClipBatch, SkipReason, as_path

MOST_PIXELS = 100_000_000  # of a picture; a larger one could exhaust the memory


class PromptVectors:
    """Embeds prompts.

    Args:
        prompts: In order.
        guide: Embeds texts and pictures.
        audio: Embeds recordings.

    Raises:
        ConfigError: A text, picture or recording cannot be embedded.
    """

    def __init__(self, prompts: Sequence[Prompt], guide: ImageTextEmbedder, audio: AudioEmbedder) -> None:
        self.prompts, self.guide, self.audio = prompts, guide, audio
        self.fixed = {
            prompt.name: vector for prompt in prompts if (vector := self._embed(prompt)) is not None
        }
        self.neutral = {
            prompt.name: self._words(prompt, prompt.neutral) for prompt in prompts if prompt.neutral
        }

    @property
    def columns(self) -> list[str]:
        """The labels that hold words."""
        return [prompt.column for prompt in self.prompts if prompt.column is not None]

    def of(
        self, prompt: Prompt, batch: ClipBatch, targets: Float[Tensor, "cohort embed"]
    ) -> tuple[Float[Tensor, "cohort embed"], Bool[Tensor, " cohort"]]:
        """Returns the vector of each slot, zero where it has none, and where it has one."""
        live = targets.new_zeros(len(targets), dtype=torch.bool)
        live[list(batch.live)] = True
        if prompt.is_own_voice:
            return targets, live
        if prompt.column is None:
            vectors = self.fixed[prompt.name].to(targets).repeat(len(targets), 1)
            return torch.where(live[:, None], vectors, 0.0), live
        vectors = torch.zeros_like(targets)
        for slot, clip in enumerate(batch.slots):
            words = "" if clip is None else clip.labels.get(prompt.column, "")
            live[slot] = bool(words)
            if words:
                vectors[slot] = self._words(prompt, words).to(targets)
        return vectors, live

    def without_unknown_words(
        self, batch: ClipBatch, targets: Float[Tensor, "cohort embed"]
    ) -> tuple[ClipBatch, Float[Tensor, "cohort embed"]]:
        """Returns the batch without the clips whose result is no finite number.

        Nothing of theirs can be written.
        """
        targets, refused = targets.clone(), dict[str, list[int]]()
        for prompt in self.prompts:
            for slot, clip in enumerate(batch.slots):
                words = clip.labels.get(prompt.column, "") if clip is not None and prompt.column else ""
                try:
                    self._words(prompt, words or None)
                except ConfigError as error:
                    refused.setdefault(str(error), []).append(slot)
        for detail, slots in refused.items():
            targets[slots] = 0.0
            batch = drop_clips(batch, slots, SkipReason.BAD_LABELS, detail)
        return batch, targets

    @torch.no_grad()
    def _embed(self, prompt: Prompt) -> Float[Tensor, " embed"] | None:
        if prompt.text is not None:
            return self._words(prompt, prompt.text)
        if prompt.image is not None:
            device = next(iter(self.guide.parameters()), torch.zeros(())).device
            return self.guide.embed_image(read_picture(prompt.image).to(device)[None])[0].float()
        if prompt.recordings:
            check_audio_space(prompt, self.guide, self.audio)
            heard = [self._hear(name) for name in prompt.recordings]
            return F.normalize(torch.stack(heard).mean(dim=0), dim=-1)
        return None

    def _hear(self, name: str) -> Float[Tensor, " embed"]:
        try:
            waveform = decode(as_path(name), self.audio.sample_rate)
        except AudioError as error:
            raise ConfigError(
                f"The recording {name} of model.prompts cannot be used: {error}. Correct it."
            ) from error
        device = next(iter(self.audio.parameters()), torch.zeros(())).device
        return self.audio.embed_audio([waveform.to(device)])[0].float()

    @torch.no_grad()
    def _words(self, prompt: Prompt, words: str | None) -> Float[Tensor, " embed"]:
        """The mean of the words in each template, at unit length."""
        if words is None:
            return torch.zeros(self.guide.embed_dim)
        try:
            vectors = self.guide.embed_text(sentences(prompt, words)).float()
        except ConfigError as error:
            raise ConfigError(f"The prompt {prompt.name}: {error}") from error
        return vectors[0] if len(vectors) == 1 else F.normalize(vectors.mean(dim=0), dim=-1)


def sentences(prompt: Prompt, words: str) -> list[str]:
    """Returns the words in each template of a prompt.

    >>> sentences(Prompt(text="a man", templates=["a photo of {}", "{}"]), "a man")
    ['a photo of a man', 'a man']
    """
    if prompt.templates is None:
        return [words]
    if prompt.templates == "imagenet":
        from open_clip import OPENAI_IMAGENET_TEMPLATES  # takes seconds to import

        return [str(template(words)) for template in OPENAI_IMAGENET_TEMPLATES]
    return [template.replace("{}", words) for template in prompt.templates]


def check_audio_space(prompt: Prompt, guide: ImageTextEmbedder, audio: AudioEmbedder) -> None:
    """Refuses a voice in a space that is not the guide's.

    Raises:
        ConfigError: Its cosine with an image would mean nothing.
    """
    if guide.embed_dim != audio.embed_dim or not guide.space.may_be(audio.space):
        raise ConfigError(
            f"The prompt {prompt.name} is heard in the space {audio.space} ({audio.embed_dim} numbers), and "
            f"the guide sees in {guide.space} ({guide.embed_dim}): a voice can be a prompt only in the space "
            "that its encoder was trained to reach. Choose the guide that belongs to model.audio."
        )


def read_picture(name: str) -> Float[Tensor, "3 height width"]:
    """Reads the central square of a picture, RGB in [-1, 1].

    Raises:
        ConfigError: It is no picture.
    """
    try:
        with Image.open(as_path(name)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise ConfigError(
                    f"The picture {name} of model.prompts has {opened.width} x {opened.height} pixels. Make "
                    "it smaller."
                )
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ConfigError(
            f"The picture {name} of model.prompts cannot be read ({one_line(error)}). Expected PNG, JPEG or "
            "WebP."
        ) from error
    side = min(picture.size)
    square = ImageOps.fit(picture, (side, side))
    pixels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).view(side, side, 3)
    return pixels.permute(2, 0, 1).float() / 127.5 - 1
