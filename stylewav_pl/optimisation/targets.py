"""From the clips of a cohort to their targets."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from stylewav_pl.data.window import windows_of
from stylewav_pl.embedders.base import AudioEmbedder
from stylewav_pl.runs.members import leaders
from stylewav_pl.types import ClipBatch, Skip, SkipReason

NOT_EMBEDDABLE = "the audio encoder gave numbers that are not finite"
DIVERGED = (
    "The optimisation left the finite numbers. Lower the learning rate of model.optimizer or the weights of "
    "model.objective, or compute in float32 (model.speed.precision)."
)


@torch.no_grad()
def embed_targets(
    batch: ClipBatch, audio: AudioEmbedder, like: Tensor
) -> tuple[ClipBatch, Float[Tensor, "cohort embed"]]:
    """Embeds the audio of a cohort.

    Args:
        batch: The cohort.
        audio: The audio encoder.
        like: Gives the type and the device of the result.

    Returns:
        The batch without the clips whose embedding is not finite, and the target of each slot: unit norm, or
        zero in a padded slot, which then has no gradient.
    """
    targets = like.new_zeros(len(batch.slots), audio.embed_dim)
    if batch.waveforms:
        with torch.autocast(like.device.type, enabled=False):  # once per clip: precision costs nothing
            targets[list(batch.live)] = _embed(batch, audio).to(targets)
    lost = [slot for slot in batch.live if not targets[slot].isfinite().all()]
    targets[lost] = 0.0
    return drop_clips(batch, lost, SkipReason.NOT_EMBEDDABLE, NOT_EMBEDDABLE), targets


def _embed(batch: ClipBatch, audio: AudioEmbedder) -> Float[Tensor, "clip embed"]:
    """Embeds each voice once, also where it gets several faces."""
    shared = leaders([clip.id for clip in batch.clips], {clip.id: clip for clip in batch.clips})
    rows = {id: row for row, id in enumerate(dict.fromkeys(shared.values()))}
    waveforms = [waveform for id, waveform in zip(shared, batch.waveforms, strict=True) if shared[id] == id]
    if batch.averaged is None:
        embedded = audio.embed_audio(waveforms)
    else:
        embedded = audio.embed_windows([windows_of(waveform, batch.averaged) for waveform in waveforms])
    return embedded[[rows[leader] for leader in shared.values()]]


def drop_diverged(batch: ClipBatch, finite: Bool[Tensor, " cohort"]) -> ClipBatch:
    """Returns the batch without the clips whose result is no finite number.

    Nothing of theirs can be written.
    """
    lost = [slot for slot in batch.live if not finite[slot]]
    return drop_clips(batch, lost, SkipReason.NOT_FINITE, DIVERGED)


def drop_clips(batch: ClipBatch, lost: Sequence[int], reason: SkipReason, detail: str) -> ClipBatch:
    """Returns the batch with the clips of the ``lost`` slots turned into skips."""
    clips = [clip for slot in lost if (clip := batch.slots[slot]) is not None]
    skips = [Skip(clip.id, clip.path, reason, detail) for clip in clips]
    pairs = zip(batch.live, batch.waveforms, strict=True)
    waveforms = tuple(waveform for slot, waveform in pairs if slot not in lost)
    slots = tuple(None if slot in lost else clip for slot, clip in enumerate(batch.slots))
    return replace(batch, slots=slots, waveforms=waveforms, skips=(*batch.skips, *skips))
