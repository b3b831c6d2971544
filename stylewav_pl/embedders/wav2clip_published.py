"""The published Wav2CLIP, computed by its authors' own package ``wav2clip``.

Source: Wu et al. 2022, arXiv:2110.11499.

The package ties its widths to the published ones; the pocket encoder needs others, which is why
:mod:`stylewav_pl.embedders.wav2clip` has a network of its own. Where both exist they agree.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from wav2clip.model.encoder import ResNetExtractor

from stylewav_pl.embedders.base import OPENAI_VIT_B_32, AudioEmbedder
from stylewav_pl.embedders.front_end import SAMPLE_RATE
from stylewav_pl.embedders.wav2clip import FFT_SIZE, check_length
from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.weights.state_dict import check_finite

ENCODER, TRANSFORM = "audio_encoder.", "audio_transform."


class PublishedWav2Clip(AudioEmbedder):
    """The frozen network of ``Wav2CLIP.pt``.

    Waveforms to unit vectors in the space of OpenAI's CLIP ViT-B/32.

    Args:
        tensors: State dict in the published layout, ``audio_encoder.*`` and ``audio_transform.*``; other
            entries are ignored.
        path: Where it was read from, for messages.

    Raises:
        WeightsError: The layout is another one, shapes do not fit, or a number is not finite.
    """

    def __init__(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        super().__init__()
        self.network = _build(tensors, path)
        self.sample_rate = SAMPLE_RATE
        self.embed_dim = int(self.network.transform.sequential[-1].out_features)
        self.space = OPENAI_VIT_B_32
        self.freeze()

    @torch.no_grad()
    def embed_audio(
        self, waveforms: Float[Tensor, "clip time"] | Sequence[Float[Tensor, " _"]]
    ) -> Float[Tensor, "clip embed"]:
        """See :meth:`AudioEmbedder.embed_audio`.

        One clip at a time, because the network standardises over all that it is given.

        Raises:
            AudioError: A waveform is too short for one window.
        """
        weight = next(self.network.parameters())
        embeddings: Tensor = weight.new_empty(len(waveforms), self.embed_dim)
        for row, waveform in enumerate(waveforms):
            check_length(waveform)
            embeddings[row] = F.normalize(self.network(waveform.to(weight)[None]), dim=-1)[0]
        return embeddings


def _build(tensors: Mapping[str, Tensor], path: Path) -> ResNetExtractor:
    checkpoint = {name: tensor for name, tensor in tensors.items() if name.startswith((ENCODER, TRANSFORM))}
    first, last = (checkpoint.get(f"{TRANSFORM}sequential.{layer}.weight") for layer in (0, 3))
    if first is None or last is None or first.ndim != 2 or last.ndim != 2:
        raise WeightsError(
            f"{path} is no audio encoder: expected the published Wav2CLIP layout (tensors {ENCODER}* and "
            f"{TRANSFORM}*) or a file of this "
            f"project's own format; found {len(tensors)} tensors such as {', '.join(list(tensors)[:4])}."
        )
    # A constant; some copies of the file lack it.
    checkpoint.setdefault(f"{ENCODER}spectrogram.window", torch.hann_window(FFT_SIZE))
    units = [first.shape[1], first.shape[0], last.shape[0]]
    try:
        network = ResNetExtractor(checkpoint, scenario="frozen", transform=True, mlp_layers_units=units)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not fit the published Wav2CLIP: {one_line(error)}. Fetch Wav2CLIP.pt again."
        ) from error
    check_finite(network, path)
    return network
