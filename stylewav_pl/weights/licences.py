"""Licences that must be accepted before a download, and how that is done.

In advance, so that a job never waits for an answer.

A licence is accepted once, by ``--accept-licence NAME`` of ``stylewav-pl weights fetch`` or by naming it in
``STYLEWAV_ACCEPT_LICENCE`` (several with commas); the cache remembers it. Licences that allow any use, such
as MIT, need no acceptance.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from stylewav_pl.errors import WeightsError
from stylewav_pl.weights import cache

ACCEPT = "STYLEWAV_ACCEPT_LICENCE"


@dataclass(frozen=True)
class Licence:
    """A licence that allows less than any use.

    Attributes:
        name: What ``--accept-licence`` takes.
        title: What it calls itself.
        url: Its text.
        terms: The limit to know, in one sentence.
    """

    name: str
    title: str
    url: str
    terms: str


_NVIDIA_TERMS = (
    "Research or evaluation only, no commercial use (section 3.3); the limit applies to derived works too."
)

RESTRICTED = {
    licence.name: licence
    for licence in (
        Licence(
            "nvidia-stylegan2",
            "Nvidia Source Code License-NC",
            "https://nvlabs.github.io/stylegan2/license.html",
            _NVIDIA_TERMS,
        ),
        Licence(
            "nvidia-stylegan2-ada",
            "NVIDIA Source Code License for StyleGAN2 with Adaptive Discriminator Augmentation (ADA)",
            "https://nvlabs.github.io/stylegan2-ada-pytorch/license.html",
            _NVIDIA_TERMS,
        ),
        Licence(
            "cc-by-nc-4.0",
            "Creative Commons Attribution-NonCommercial 4.0 International",
            "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
            "No commercial use; whoever passes it on names its authors (sections 2 and 3).",
        ),
        Licence(
            "nvidia-stylegan3",
            "NVIDIA Source Code License for StyleGAN3",
            "https://github.com/NVlabs/stylegan3/blob/main/LICENSE.txt",
            _NVIDIA_TERMS,
        ),
    )
}


def describe(name: str) -> str:
    """The licence and, where there is one, the limit to know.

    >>> describe("MIT")
    'MIT'
    """
    licence = RESTRICTED.get(name)
    return f"{licence.title}. {licence.terms} {licence.url}" if licence else name


def is_accepted(name: str) -> bool:
    """Tells whether weights under this licence may be fetched without asking again."""
    return name not in RESTRICTED or name in _named_by_environment() or name in cache.read(cache.LICENCES)


def accept(names: Iterable[str]) -> None:
    """Remembers that licences were accepted.

    Raises:
        WeightsError: There is no such licence, or the cache cannot be written.
    """
    for name in names:
        if name not in RESTRICTED:
            raise WeightsError(
                f"Expected the name of a licence to accept ({', '.join(RESTRICTED)}), found {name!r}. "
                "Others need no acceptance."
            )
        cache.keep(cache.LICENCES, name, cache.now())


def require(name: str, weights: str) -> None:
    """Returns if the licence was accepted, now in the environment or ever before.

    Args:
        name: The licence.
        weights: Who needs it, for the message.

    Raises:
        WeightsError: It was not; the message shows the terms and how to accept them.
    """
    if name not in RESTRICTED or name in cache.read(cache.LICENCES):
        return
    if name in _named_by_environment():
        accept([name])
        return
    raise WeightsError(
        f"{weights} comes under a licence that must be accepted first.\n  {describe(name)}\n"
        f"If you accept it: stylewav-pl weights fetch {weights} --accept-licence {name}\n"
        f"or, in a job that nobody watches: {ACCEPT}={name}"
    )


def _named_by_environment() -> list[str]:
    return [name.strip() for name in os.environ.get(ACCEPT, "").split(",")]
