"""Where in CLIP space an audio encoder puts voices on average: over a fixed bank, so that no clip depends on a run."""

import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.embedders.base import AudioEmbedder
from stylewav_pl.pocket.voices import speak, training_speakers

VOICES = 64  # the mean of so many moves by less than .02 when they are drawn anew
SECONDS = 3.0
AGES = (16.0, 80.0)
AT_ONCE = 16


@torch.no_grad()
def mean_target(audio: AudioEmbedder) -> Float[Tensor, " embed"]:
    """Returns the mean of the targets of synthetic voices; half of the speakers are women."""
    speakers = training_speakers(VOICES, ages=AGES)
    total = torch.zeros(audio.embed_dim)
    for first in range(0, VOICES, AT_ONCE):
        chosen = speakers[first : first + AT_ONCE]
        spoken = [speak(one, 0, SECONDS, audio.sample_rate) for one in chosen]
        device = next(iter(audio.parameters()), total).device
        waveforms = [torch.from_numpy(wave).float().to(device) for wave in spoken]
        total += audio.embed_audio(waveforms).float().cpu().sum(dim=0)
    return total / VOICES
