"""Where in CLIP space an audio encoder puts voices, over a fixed bank, so that no clip depends on a run.

Their mean, and the directions in which they differ: mostly sex, then age.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.embedders.base import AudioEmbedder
from stylewav_pl.pocket.voices import speak, training_speakers

VOICES = 64  # the mean of so many moves by less than .02 when they are drawn anew
SECONDS = 3.0
AGES = (5.0, 80.0)
AT_ONCE = 16


@torch.no_grad()
def voice_targets(audio: AudioEmbedder) -> Float[Tensor, "voice embed"]:
    """Returns the targets of synthetic voices; half of the speakers are women."""
    speakers = training_speakers(VOICES, ages=AGES)
    targets = []
    for first in range(0, VOICES, AT_ONCE):
        chosen = speakers[first : first + AT_ONCE]
        spoken = [speak(one, 0, SECONDS, audio.sample_rate) for one in chosen]
        device = next(iter(audio.parameters()), torch.zeros(())).device
        waveforms = [torch.from_numpy(wave).float().to(device) for wave in spoken]
        targets.append(audio.embed_audio(waveforms).float().cpu())
    return torch.cat(targets)


def mean_target(targets: Float[Tensor, "voice embed"]) -> Float[Tensor, " embed"]:
    """Returns their mean."""
    return targets.mean(dim=0)


def voice_directions(targets: Float[Tensor, "voice embed"], count: int) -> Float[Tensor, "direction embed"]:
    """Returns the ``count`` orthonormal directions in which they differ most."""
    directions: Tensor = torch.linalg.svd(targets - targets.mean(dim=0), full_matrices=False)[2]
    return directions[:count]
