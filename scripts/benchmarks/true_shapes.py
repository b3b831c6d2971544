"""Networks of the published shapes with random weights.

And the loop of StyleCLIP and StyleWav on the same weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import open_clip
import torch
from open_clip.model import CLIP
from reference import ReferenceGenerator, ReferenceLoss
from torch import Tensor

from stylewav_pl.embedders.openclip import OpenClipEmbedder
from stylewav_pl.embedders.wav2clip import AudioNetwork, Wav2ClipEmbedder
from stylewav_pl.generators import StyleGAN2

FFHQ = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32}
SECONDS = 5


@dataclass(frozen=True)
class TrueShapes:
    """The networks, and something to hear.

    Attributes:
        generator: FFHQ's StyleGAN2 up to some resolution; not frozen yet.
        guide: ViT-B/32 with StyleCLIP's preprocessing.
        audio: Wav2CLIP's network.
        waveforms: ``[clip, time]``.
        reference: The loss of one latent ``[1, width]`` in the reference loop; marks the moment when there is
            an image.
    """

    generator: StyleGAN2
    guide: OpenClipEmbedder
    audio: Wav2ClipEmbedder
    waveforms: Tensor
    reference: Callable[[Tensor, Callable[[], None]], Tensor]


def vit_b_32() -> CLIP:
    """The guide of StyleCLIP and StyleWav, with random weights."""
    network: CLIP = open_clip.create_model("ViT-B-32-quickgelu")
    return network


def true_shapes(resolution: int, clips: int, place: torch.device) -> TrueShapes:
    """Builds everything for a generator of this resolution."""
    generator = StyleGAN2({size: width for size, width in FFHQ.items() if size <= resolution}).to(place)
    with torch.no_grad():
        for layer in generator.convolutions:
            layer.noise_strength.fill_(0.1)
    clip_model, trainable = (vit_b_32().to(place).eval() for _ in range(2))
    trainable.load_state_dict(clip_model.state_dict())
    audio = Wav2ClipEmbedder(AudioNetwork().eval()).to(place)
    waveforms = 0.1 * torch.randn(
        clips, SECONDS * audio.sample_rate, generator=torch.Generator().manual_seed(2)
    ).to(place)
    slow_generator = ReferenceGenerator(generator).to(place)
    slow_loss = ReferenceLoss(trainable, resolution, lambda: audio.embed_audio(waveforms[:1]))

    def reference(latents: Tensor, mark: Callable[[], None]) -> Tensor:
        image = slow_generator(latents)
        mark()
        return slow_loss(image).reshape(1)

    guide = OpenClipEmbedder(
        clip_model, lambda texts: torch.zeros(len(texts), 77, dtype=torch.long), "reference"
    )
    return TrueShapes(generator, guide, audio, waveforms, reference)
