"""An ensemble of guides: other CLIP models that see texts and pictures, too, each in a space of its own.

A face that several models take for what a text says is less likely to be a trick on one of them. Source: the
weighted ensemble of StyleGAN-NADA (Gal et al. 2021, arXiv:2108.00946); what differs: every model's cosine is
measured on its own scale of random faces, so that equal weights pull equally.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.embedders.preprocess import Preprocess
from stylewav_pl.errors import ConfigError
from stylewav_pl.optimisation.loss import Seen, Term
from stylewav_pl.optimisation.prior_start import hash_of
from stylewav_pl.optimisation.prompts import Combine, Prompt
from stylewav_pl.ranges import check_number

Look = Callable[[Tensor, int], Tensor]
"""From images and a step's number to what a guide sees in augmented copies, ``[view, cohort, embed]``."""


@dataclass(frozen=True)
class OtherGuide:
    """A CLIP model beside the guide, for texts and pictures; it has no voice in its space.

    Attributes:
        source: Registry name, weight file or ``open_clip:MODEL/TAG[@FILE]``.
        weight: Of what it sees, above 0; the guide itself has 1. A prompt's own weight is shared out among
            all of them by these, so that it means the same with one guide and with five.
        preprocess: How images reach it: ``clip`` or ``reference``, see ``model.preprocess``.

    Raises:
        ConfigError: The weight is out of its range.
    """

    source: str
    weight: float = 1.0
    preprocess: Preprocess = "clip"

    def __post_init__(self) -> None:
        """Checks the weight."""
        check_number("model.guides.weight", self.weight, above=0, most=1000)

    def load(self) -> "WeightedGuide":
        """Returns the network.

        Raises:
            WeightsError: It is missing, damaged or of the wrong kind.
        """
        network = load_image_text_embedder(self.source, preprocess=self.preprocess)
        return WeightedGuide(network, self.weight, self.source)


@dataclass(frozen=True)
class WeightedGuide:
    """A built one.

    Attributes:
        network: Sees.
        weight: See :class:`OtherGuide`.
        name: In tables.
    """

    network: ImageTextEmbedder
    weight: float
    name: str


def load_guides(guides: Sequence[OtherGuide] | None, beside: str | ImageTextEmbedder) -> list[WeightedGuide]:
    """Returns the networks of a setting.

    Args:
        guides: The setting.
        beside: The guide itself.

    Raises:
        ConfigError: Two of them, or one and the guide, are the same file.
        WeightsError: One is missing, damaged or of the wrong kind.
    """
    check_files(guides or (), beside)
    return [guide.load() for guide in guides or ()]


def check_files(guides: Sequence[OtherGuide], beside: str | ImageTextEmbedder) -> None:
    """Refuses a network that would count twice under two names: files are compared by their content.

    Those without a file (built in place, or the doubles of tests) are not compared.

    Raises:
        ConfigError: There is one.
    """
    if not guides:
        return
    known = {hash_of(beside, "image_text"): f"model.guide ({beside})"}
    for guide in guides:
        # in Python it may be a path, and it never is a class: a name or a file
        found = hash_of(str(guide.source), "image_text", setting="")
        if found is not None and found in known:
            raise ConfigError(
                f"Expected another CLIP model in model.guides than {known[found]}, found the same file at "
                f"{guide.source}: it would count twice. Remove it, or name another; weights below 1 let the "
                "guide count more than the others."
            )
        known[found] = f"model.guides ({guide.source})"


def others_of(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Returns what other guides can see: all but voices, which are heard in one space alone.

    >>> [prompt.name for prompt in others_of([Prompt(audio="clip"), Prompt(text="a man")])]
    ['text: a man']
    """
    return [prompt for prompt in prompts if prompt.audio is None]


def check_guides(
    guides: Sequence[WeightedGuide],
    guide: ImageTextEmbedder,
    prompts: Sequence[Prompt] | None,
    combine: Combine,
) -> None:
    """Refuses other guides that have nothing to see, or cannot be weighed against each other.

    Raises:
        ConfigError: It is so.
    """
    if not guides:
        return
    if not others_of(prompts or ()):
        raise ConfigError(
            f"model.guides ({guides[0].name}) see texts and pictures, and model.prompts has none: a voice is "
            f"valid only in the space that its encoder was trained to reach ({guide.space}). Add a text or a "
            "picture, or remove the guides."
        )
    if combine == "embeddings":
        raise ConfigError(
            "model.combine is embeddings, and vectors of model.guides lie in other spaces: they cannot be "
            "added. Set it to terms, or remove the guides."
        )
    names = [one.name for one in guides]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(
            f"model.guides names {twice[0]} more than once. Keep one, with the sum of the weights."
        )


class SeenBy:
    """Shows terms what another guide sees, at one look for all of them.

    Args:
        network: The other guide.
        look: What it sees in augmented copies; ``None``: there are none.
    """

    def __init__(self, network: ImageTextEmbedder, look: Look | None) -> None:
        self.network, self.look = network, look
        self._last: tuple[Seen, Seen] | None = None

    def term(self, term: Term) -> Term:
        """Returns a term of what this guide sees."""
        return lambda seen: term(self(seen))

    def __call__(self, seen: Seen) -> Seen:
        """Returns the same step with this guide's embeddings in place of the other's."""
        if self._last is None or self._last[0] is not seen:
            embeddings = self.network.embed_image(seen.images)
            copies = None
            if seen.copies is not None and self.look is not None:
                copies = self.look(seen.images, seen.step)
            self._last = (seen, replace(seen, embeddings=embeddings, copies=copies))
        return self._last[1]


def shared_out(weights: Sequence[float]) -> tuple[float, list[float]]:
    """Returns the share of the guide, which has the weight 1, and those of the others; they add up to 1.

    >>> shared_out([1.0, 2.0])
    (0.25, [0.25, 0.5])
    """
    whole = 1.0 + sum(weights)
    return 1.0 / whole, [weight / whole for weight in weights]


def freeze(guides: Sequence[WeightedGuide]) -> nn.ModuleList:
    """Freezes the networks, and returns them as what moves to a device together."""
    return nn.ModuleList(guide.network.eval().requires_grad_(False) for guide in guides)
