"""The records that cross borders between packages, and the errors that a user may see.

Axis names used in every shape of this project:

* ``clip``  - one piece of audio, one latent, one image (``cohort`` when padded slots are included)
* ``time``  - audio samples; ``embed`` - CLIP space; ``width`` - one w vector; ``layer`` - one per modulated
layer * ``rgb height width`` - image, RGB, about [-1, 1]
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.errors import StyleWavError, printable, shortened

NO_LABELS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Clip:
    """One piece of audio that gets a face.

    Attributes:
        id: Unique within a run; for files the path relative to their folder without suffix.
        path: Where the audio lies, as shown to the user; ``builtin:NAME`` for synthesised voices.
        speaker: Who speaks; clips of one speaker are not independent. Empty when unknown.
        labels: Trait name to value, e.g. ``{"sex": "female"}``; clips without a trait lack its key.
        number: Which of several faces of a voice it is, from 1; 0: its only one.
    """

    id: str
    path: str
    speaker: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    number: int = 0


@dataclass(frozen=True, slots=True)
class Recording:
    """The file that a clip was when it was decoded.

    Attributes:
        path: Of the file.
        size: In bytes.
        modified: When it was last changed, in nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int


class SkipReason(str, Enum):
    """Why a clip got no face: the closed list behind ``skipped.csv``."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    SILENT = "silent"
    TOO_SHORT = "too-short"
    NOT_FINITE = "not-finite"
    DUPLICATE_ID = "duplicate-id"
    NOT_EMBEDDABLE = "not-embeddable"
    BAD_LABELS = "bad-labels"
    UNSAFE = "unsafe"


@dataclass(frozen=True, slots=True)
class Skip:
    """A clip that was left out, with the reason a person understands."""

    id: str
    path: str
    reason: SkipReason
    detail: str

    def __str__(self) -> str:
        """One line for the terminal, whatever characters the path holds."""
        place = self.path or self.id
        shown = shortened(place if place.isprintable() else ascii(place))
        return f"{shown}: {self.reason.value}, {printable(self.detail)}"


@dataclass(frozen=True)
class ClipBatch:
    """One cohort on its way into the module; a slot without a clip is padding.

    Attributes:
        cohort: Index of the cohort in the plan.
        slots: One entry per slot; ``None`` where the plan had no clip or the clip was skipped.
        waveforms: One ``[time]`` tensor per slot that has a clip, in slot order, mono, in [-1, 1].
        skips: Clips of this cohort that were skipped.
        averaged: Length in samples of the windows in which longer waveforms are embedded and averaged;
            ``None``: never.
        recordings: The files that were decoded; clips that are no file have none.
    """

    cohort: int
    slots: tuple[Clip | None, ...]
    waveforms: tuple[Tensor, ...]
    skips: tuple[Skip, ...] = ()
    averaged: int | None = None
    recordings: tuple[Recording, ...] = ()

    @property
    def live(self) -> tuple[int, ...]:
        """Slots that hold a clip."""
        return tuple(i for i, clip in enumerate(self.slots) if clip is not None)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips without the padding."""
        return tuple(clip for clip in self.slots if clip is not None)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "ClipBatch":
        """Moves the waveforms; Lightning asks for this name."""
        moved = tuple(w.to(device, non_blocking=non_blocking) for w in self.waveforms)
        return replace(self, waveforms=moved)


@dataclass(frozen=True)
class CohortResult:
    """What the optimisation of one cohort gave, padding removed: row ``i`` belongs to ``clips[i]``.

    Attributes:
        cohort: Index of the cohort in the plan.
        clips: The finished clips.
        skips: Clips of this cohort that were skipped.
        images: ``[clip, 3, R, R]``, RGB, about [-1, 1], at the final latent.
        latents: ``[clip, ...]`` in the latent space that was optimised.
        curves: ``[clip, num_steps + 1]``, cosine similarity to the target before each step and at the end.
        targets: ``[clip, embed]``, unit norm.
        frames: ``[clip, frame, 3, R, R]``, images on the way (may have no frames).
        frame_steps: The step of each frame.
        seeds: One seed per clip.
        embeddings: ``[clip, embed]``, unit norm, what the guide sees in the final images.
        starts: ``[clip, 3, r, r]``, thumbnails of the images before the first step.
        terms: By name, ``[clip]``, of the loss at the end; none where the loss is one term.
        tuning: The change of the generator that belongs to the one clip's latent; none: the generator's own.
    """

    cohort: int
    clips: tuple[Clip, ...]
    skips: tuple[Skip, ...]
    images: Float[Tensor, "clip 3 height width"]
    latents: Float[Tensor, " clip *latent"]
    curves: Float[Tensor, "clip step"]
    targets: Float[Tensor, "clip embed"]
    frames: Float[Tensor, "clip frame 3 height width"]
    frame_steps: tuple[int, ...]
    seeds: tuple[int, ...]
    embeddings: Float[Tensor, "clip embed"]
    starts: Float[Tensor, "clip 3 small small"]
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    tuning: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """CLIP scores of one clip: cosine in [-1, 1] of its image with each prompt, by prompt."""

    id: str
    scores: Mapping[str, float]


class AudioError(StyleWavError):
    """Audio that cannot be used: becomes a :class:`Skip`, never ends a run.

    Attributes:
        reason: One of the closed list.
        detail: The sentence for ``skipped.csv``.
    """

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


def as_path(source: str | Path) -> Path:
    """``source`` as a path with ``~`` expanded; as it is where there is no such user."""
    return Path(os.path.expanduser(source))
