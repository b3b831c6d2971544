"""What a visitor asks for, and what that is in the words of the Python call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

from stylewav_pl.generators.base import Generator
from stylewav_pl.studio.beginning import Beginning

EVERYTHING = "everything"
NEAR = 1.0  # standard deviations: further from a given face, twenty steps smear it
# By resolution, as StyleGAN's paper parts them: 4 to 8 pixels, 16 to 32, and above (arXiv:1812.04948).
FIRST_LAYERS = {"coarse: pose and shape": 0, "middle: features and hair": 4, "fine: colours": 8}


@dataclass(frozen=True)
class Settings:
    """What a visitor asks for.

    Attributes:
        count: Faces, at least 1.
        steps: Optimisation steps; ``None``: as many as this beginning and these words need.
        seed: Decides everything random.
        control: Also faces led by another voice.
        beginning: Where faces begin.
        words: What they should show beside the voice; empty: nothing.
        weight: How strongly, beside the voice's 1.
        negative: What they should not show; empty: nothing.
        layers: Which w vectors may move, such as ``0-3``; ``None``: one w moves for all of them.
        reach: How far it may move, in standard deviations; infinite: as far as the steps lead; ``None``:
            :data:`NEAR` from an earlier face or a photo, else as far as the steps lead.
    """

    count: int
    steps: int | None
    seed: int
    control: bool = False
    beginning: Beginning = field(default_factory=Beginning)
    words: str = ""
    weight: float = 1.0
    negative: str = ""
    layers: str | None = None
    reach: float | None = None

    @property
    def faces(self) -> int:
        """How many there are: one where all would begin at the same place."""
        return 1 if self.beginning.is_one_place else self.count

    @property
    def has_words(self) -> bool:
        """Whether anything but the voice leads."""
        return bool(self.words.strip() or self.negative.strip())

    @contextmanager
    def asked(self) -> Iterator[dict[str, Any]]:
        """Gives what the Python call takes, but for the steps.

        Raises:
            ConfigError: There is nothing where faces should begin.
            WeightsError: A file holds no latent.
        """
        with self.beginning.asked() as start:
            asked = {"count": self.faces, "side_by_side": self.faces, "seed": self.seed, **start}
            if self.words.strip():
                asked |= {"text": self.words.strip(), "text_weight": self.weight}
            if self.negative.strip():
                asked["negative"] = self.negative.strip()
            if self.layers is not None:
                asked["layers"] = [self.layers]
                if asked.get("latent_space", "W") == "W":
                    asked["latent_space"] = "WPlus"  # one w for all layers cannot move in some of them
            reach = self._reach(str(asked.get("latent_space")))
            if reach < inf:
                asked["reach"] = reach
            yield asked

    def _reach(self, space: str) -> float:
        if self.reach is not None:
            return self.reach
        is_near = self.beginning.is_earlier_face and space != "S"  # S has no such bounds
        return NEAR if is_near else inf


def parts_of(generator: Generator) -> dict[str, str | None]:
    """Returns the layers of which a visitor can choose, by name.

    A generator of few layers has fewer parts.
    """
    parts: dict[str, str | None] = {EVERYTHING: None}
    names, firsts = list(FIRST_LAYERS), [first for first in FIRST_LAYERS.values() if first < generator.num_ws]
    if len(firsts) == 1:
        return parts
    for name, first, end in zip(names, firsts, [*firsts[1:], generator.num_ws], strict=False):
        parts[name] = f"{first}-{end - 1}"
    return parts
