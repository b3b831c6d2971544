"""What images should come near, or keep away from: voices, texts and pictures, each with a weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stylewav_pl.errors import ConfigError
from stylewav_pl.ranges import check_number
from stylewav_pl.types import Clip, as_path

OWN = "clip"
KINDS = ("audio", "text", "image", "column")
Combine = Literal["terms", "embeddings"]
NEGATIVE = -4.0  # of a text to keep away from: at -1 most glasses stay where a face begins with some


@dataclass(frozen=True)
class Prompt:
    """One thing that every clip's image should come near; exactly one of the first four is given.

    Attributes:
        audio: ``clip``: the clip's own voice; or a recording, or a list of recordings whose vectors are
            averaged.
        text: Words.
        image: A picture; its central square is used.
        column: Name of a label (a column of the table that lists the clips) that holds words for each clip; a
            clip without them is not pulled.
        weight: How strongly, beside the other prompts; below 0: away from it, but only while the image is
            nearer to it than random faces are.
        stop: Where it pulls no more, in standard deviations of random faces from their mean; ``null``: never,
            and for a negative weight at their mean.
        neutral: For ``objective.direction``: the text that a text is compared with (``a person``).
        templates: Sentences with ``{}`` in which the words are embedded and averaged; ``imagenet``: CLIP's
            80; ``null``: the words as they are.

    Raises:
        ConfigError: It is none, or two things at once.
    """

    audio: str | list[str] | None = None
    text: str | None = None
    image: str | None = None
    column: str | None = None
    weight: float = 1.0
    stop: float | None = None
    neutral: str | None = None
    templates: list[str] | Literal["imagenet"] | None = None

    def __post_init__(self) -> None:
        """Checks it alone."""
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ConfigError(
                f"Expected a prompt to have one of {', '.join(KINDS)}, found "
                f"{' and '.join(given) or 'none'}. Correct model.prompts."
            )
        if not getattr(self, self.kind):
            raise ConfigError(f"Expected something in {self.kind}, found nothing. Correct model.prompts.")
        check_number("model.prompts.weight", self.weight, least=-1000, most=1000)
        check_number("model.prompts.stop", self.stop, least=-100, most=100)
        if not self.weight:
            raise ConfigError(f"The prompt {self.name} has the weight 0. Remove it from model.prompts.")
        wordless = [name for name in ("neutral", "templates") if getattr(self, name) is not None]
        if wordless and not self.has_words:
            raise ConfigError(
                f"{wordless[0]} belongs to texts, and the prompt {self.name} is none. Correct model.prompts."
            )
        if isinstance(self.templates, list) and not all("{}" in template for template in self.templates):
            raise ConfigError(
                f"Expected {{}} in each of the templates of {self.name}, found {self.templates}. Correct "
                "model.prompts."
            )

    @property
    def kind(self) -> str:
        """``audio``, ``text``, ``image`` or ``column``."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def is_own_voice(self) -> bool:
        """Whether it is the clip's own voice, unlike for each."""
        return self.audio == OWN

    @property
    def has_words(self) -> bool:
        """Whether it is a text."""
        return self.text is not None or self.column is not None

    @property
    def recordings(self) -> list[str]:
        """The files of other voices."""
        if self.audio is None or self.is_own_voice:
            return []
        return [self.audio] if isinstance(self.audio, str) else list(self.audio)

    @property
    def files(self) -> list[Path]:
        """Everything that is read."""
        return [as_path(name) for name in (*self.recordings, *([self.image] if self.image else []))]

    @property
    def name(self) -> str:
        """What it is called in tables."""
        if self.is_own_voice:
            return "voice"
        value = getattr(self, self.kind)
        return f"{self.kind}: {value if isinstance(value, str) else ', '.join(value)}"


VOICE_ALONE = (Prompt(audio=OWN),)


def voice_and_words(
    text: str | Sequence[str] = (), weight: float = 1.0, negative: str | Sequence[str] = ()
) -> list[Prompt] | None:
    """Returns the prompts of a voice beside texts; ``None`` without any.

    Args:
        text: What faces should come near, beside their voice.
        weight: Of each text; the voice has 1.
        negative: What they should keep away from.

    >>> [(prompt.name, prompt.weight) for prompt in voice_and_words("a man", 0.5, "glasses")]
    [('voice', 1.0), ('text: a man', 0.5), ('text: glasses', -4.0)]
    """
    towards, away = ([one] if isinstance(one, str) else list(one) for one in (text, negative))
    if not (towards or away):
        return None
    return [
        *VOICE_ALONE,
        *(Prompt(text=words, weight=weight) for words in towards),
        *(Prompt(text=words, weight=NEGATIVE) for words in away),
    ]


def is_voice_alone(prompts: Sequence[Prompt] | None) -> bool:
    """Whether the prompts say no more than no prompts do: come near to the clip's own voice.

    >>> is_voice_alone(None), is_voice_alone([Prompt(audio="clip")]), is_voice_alone([Prompt(text="a man")])
    (True, True, False)
    """
    return prompts is None or (len(prompts) == 1 and prompts[0].is_own_voice and _is_plain(prompts[0]))


def _is_plain(prompt: Prompt) -> bool:
    return prompt.weight == 1 and prompt.stop is None


def check_prompts(prompts: Sequence[Prompt] | None, combine: Combine) -> None:
    """Refuses prompts that contradict each other.

    Raises:
        ConfigError: They do.
    """
    if combine not in ("terms", "embeddings"):
        raise ConfigError(f"Expected model.combine to be terms or embeddings, found {combine!r}. Correct it.")
    if prompts is not None and not prompts:
        raise ConfigError(
            "Expected at least one prompt in model.prompts, found none. Add one, or set it to null."
        )
    names = [prompt.name for prompt in prompts or ()]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(
            f"model.prompts names {twice[0]!r} more than once. Keep one, with the sum of the weights."
        )
    if combine == "terms":
        return
    if prompts is None or len(prompts) < 2:
        raise ConfigError(
            "model.combine is embeddings, but model.prompts names fewer than two to combine. Add one, or set "
            "it to terms."
        )
    if stops := [prompt.name for prompt in prompts if prompt.stop is not None]:
        raise ConfigError(
            "model.combine is embeddings: the prompts are one target, where none can stop alone, and "
            f"{stops[0]} has a stop. Remove it, or set model.combine to terms."
        )
    if prompts[0].weight < 0:
        raise ConfigError(
            f"model.combine is embeddings, and its first prompt ({prompts[0].name}) has a negative weight: "
            "others are added to it. Begin with one of positive weight."
        )


def check_columns(columns: Sequence[str], clips: Sequence[Clip]) -> None:
    """Refuses a label that no clip has: most likely it is spelled otherwise.

    Args:
        columns: The labels that prompts name.
        clips: All of a run.

    Raises:
        ConfigError: There is such a label.
    """
    known = sorted({label for clip in clips for label in clip.labels}) if columns else []
    for column in columns if clips else ():
        if column not in known:
            raise ConfigError(
                f"model.prompts takes words from the column {column}, which no clip has; found "
                f"{', '.join(known) or 'no labels at all'}. Correct it, or add the column to the table of "
                "the clips."
            )
