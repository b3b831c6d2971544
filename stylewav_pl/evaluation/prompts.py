"""Which sentence stands for which population."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stylewav_pl.errors import ConfigError

REPORT_NOTICE = (
    "A generated face is not a portrait: it shows what the networks associate with a voice, not what the "
    "speaker looks like, "
    "and must not be used to identify or to judge anyone."
)


@dataclass(frozen=True)
class PromptSet:
    """One prompt per label of a trait; a face is compared with all of them.

    Attributes:
        trait: Name of the label column, e.g. ``sex``.
        prompts: Label to prompt, at least two, in the order of the tables.

    Raises:
        ConfigError: If there are fewer than two labels, an empty name, or one prompt for two labels.

    >>> PromptSet("pet", {"cat": "a photo of a cat", "dog": "a photo of a dog"}).labels
    ('cat', 'dog')
    """

    trait: str
    prompts: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuses what cannot be evaluated and freezes the mapping."""
        problem = _problem(self.trait, self.prompts)
        if problem:
            raise ConfigError(
                f"The prompts of trait {self.trait!r} must map at least two labels to different, non-empty "
                f"sentences; {problem}. "
                'Write for example {"male": "this is a photo of a boy", "female": "this is a photo of a '
                'girl"}.'
            )
        object.__setattr__(self, "prompts", MappingProxyType(dict(self.prompts)))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order given."""
        return tuple(self.prompts)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The prompts in the order given."""
        return tuple(self.prompts.values())

    @property
    def ordered(self) -> bool:
        """Tells whether the labels stand for more and more of something, in the order given.

        The trait is age, or they begin with numbers.

        >>> decades = {"20s": "a photo of a young man", "70s": "a photo of an old man"}
        >>> PromptSet("decade", decades).ordered, SEX.ordered
        (True, False)
        """
        return self.trait == "age" or all(label[:1].isdigit() for label in self.prompts)


def _problem(trait: str, prompts: Mapping[str, str]) -> str | None:
    if not trait.strip():
        return "found a trait without a name"
    if len(prompts) < 2:
        return f"found {len(prompts)}"
    empty = [label for label, prompt in prompts.items() if not label.strip() or not prompt.strip()]
    if empty:
        return f"found an empty label or prompt at {empty[0]!r}"
    if len(set(prompts.values())) < len(prompts):
        return "found one prompt under two labels"
    return None


SEX = PromptSet("sex", {"male": "this is a photo of a boy", "female": "this is a photo of a girl"})
"""The paper's prompts."""

DEFAULT_PROMPTS: Mapping[str, PromptSet] = MappingProxyType({SEX.trait: SEX})
"""Prompt sets by trait, used where a configuration names none."""


def judge_note(guide: str, judge: str) -> str:
    """Says who scored, and what follows when that is the network that was optimised against.

    >>> judge_note("pocket", "pocket")[:35]
    'Judge and guide are the same model '
    """
    if guide == judge:
        return (
            f"Judge and guide are the same model ({judge}): the scores come from the network that the faces "
            "were optimised against, "
            "which flatters them. Score again with another judge for a figure that does not."
        )
    return f"The faces were guided by {guide} and judged by {judge}."
