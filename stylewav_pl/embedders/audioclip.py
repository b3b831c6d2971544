"""AudioCLIP's ear: a ResNeXt with attention, trained into the space of CLIP's ResNet-50.

Source: Guzhov et al., "AudioCLIP: Extending CLIP to Image, Text and Audio" (2021, arXiv:2106.13043) and
"ESResNe(X)t-fbsp" (2021, arXiv:2104.11587). With partial training the image and text towers stay OpenAI's;
with full training they change, and the file brings them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import Bottleneck, ResNet

from stylewav_pl.embedders.audioclip_front_end import BANDS, SAMPLE_RATE, WINDOW, decibels
from stylewav_pl.embedders.base import Space
from stylewav_pl.embedders.stored import StoredAudioEmbedder

OPENAI_RN50 = Space("RN50", "openai")
KERNELS = ((3, 1), (1, 5), (3, 1), (1, 5), (3, 5))  # frequency, time, frequency, time, both
STAGES = 4


@dataclass(frozen=True)
class ResNeXtShape:
    """Sizes of the network.

    Attributes:
        blocks: In each of the four stages.
        groups: Of the 3x3 convolutions.
        width_per_group: Of the first stage.
        embed_dim: Width of the embedding.
        bins: Frequencies of the front end.
    """

    blocks: tuple[int, ...]
    groups: int
    width_per_group: int
    embed_dim: int
    bins: int

    def __post_init__(self) -> None:
        """Refuses sizes that make no network.

        Raises:
            ValueError: They cannot be.
        """
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if len(self.blocks) != STAGES or min(*self.blocks, self.groups, self.width_per_group, self.bins) < 1:
            raise ValueError(f"a network with {asdict(self)}")


class Attention(nn.Module):
    """Weights between 0 and 1 for the features of a stage, from those before it."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv_depth = nn.Conv2d(inputs, inputs, kernel, padding=padding, groups=inputs)
        self.conv_point = nn.Conv2d(inputs, outputs, 1)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(
        self, before: Float[Tensor, "clip inputs h w"], size: torch.Size
    ) -> Float[Tensor, "clip outputs h2 w2"]:
        """At the height and width of the stage's output."""
        pooled = F.adaptive_max_pool2d(before, list(size))
        weights: Tensor = self.bn(self.conv_point(self.conv_depth(pooled))).sigmoid()
        return weights


class AudioClipNetwork(nn.Module):
    """Decibels to embedding, not normalised; the front end's parameters are among its tensors."""

    window: Tensor

    def __init__(self, shape: ResNeXtShape) -> None:
        super().__init__()
        self.shape = shape
        self.resnet = ResNet(
            Bottleneck,
            list(shape.blocks),
            num_classes=shape.embed_dim,
            groups=shape.groups,
            width_per_group=shape.width_per_group,
        )
        widths = [64, 256, 512, 1024, 2048, 2048]
        self.attention = nn.ModuleList(
            Attention(widths[index], widths[index + 1], kernel) for index, kernel in enumerate(KERNELS)
        )
        self.register_buffer("window", torch.ones(WINDOW))
        self.fbsp = nn.ParameterDict(
            {name: nn.Parameter(torch.ones(shape.bins)) for name in ("m", "fb", "fc")}
        )

    def forward(self, spectrogram: Float[Tensor, "clip 3 band frame"]) -> Float[Tensor, "clip embed"]:
        """Stage by stage, each times its attention."""
        net = self.resnet
        x = net.maxpool(net.relu(net.bn1(net.conv1(spectrogram))))
        stages = (net.layer1, net.layer2, net.layer3, net.layer4, net.avgpool)
        for stage, attention in zip(stages, self.attention, strict=True):
            after = stage(x)
            x = after * attention(x, after.shape[2:])
        embedding: Tensor = net.fc(x.flatten(1))
        return embedding


class AudioClip(StoredAudioEmbedder):
    """The frozen encoder: 44.1 kHz waveforms to unit vectors.

    A waveform is used in its whole length and never padded: the network hears decibels down to -180, so that
    digital silence is as loud to it as anything else.

    Args:
        network: With its weights.
        space: Of which CLIP model.
    """

    architecture = "audioclip"
    network: AudioClipNetwork

    def __init__(self, network: AudioClipNetwork, space: Space = OPENAI_RN50) -> None:
        super().__init__()
        self.network, self.space = network, space
        self.sample_rate, self.embed_dim = SAMPLE_RATE, network.shape.embed_dim
        self.freeze()

    @property
    def config(self) -> dict[str, Any]:
        """See :class:`StoredAudioEmbedder`."""
        shape = asdict(self.network.shape)
        return {**shape, "blocks": list(self.network.shape.blocks), "towers": self.space.towers}

    @classmethod
    def from_file(cls, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "AudioClip":
        """See :meth:`StoredAudioEmbedder.from_file`; ``towers`` tells which image tower belongs to it."""
        sizes = {**config, "blocks": tuple(config["blocks"])}
        towers = str(sizes.pop("towers", ""))
        shape = ResNeXtShape(**sizes)
        network = cls.build(lambda: AudioClipNetwork(shape), tensors, sum(shape.blocks))
        return cls(network, Space("RN50", "", towers) if towers else OPENAI_RN50)

    @torch.no_grad()
    def embed_audio(
        self, waveforms: Float[Tensor, "clip time"] | Sequence[Float[Tensor, " _"]]
    ) -> Float[Tensor, "clip embed"]:
        """See :meth:`AudioEmbedder.embed_audio`; one clip at a time.

        Raises:
            AudioError: A waveform is shorter than one window of 38 ms.
        """
        weight = self.network.resnet.fc.weight
        embeddings: Tensor = weight.new_empty(len(waveforms), self.embed_dim)
        kernels = self.network.fbsp
        for row, waveform in enumerate(waveforms):
            spectrogram = decibels(
                waveform, self.network.window, kernels["m"], kernels["fb"], kernels["fc"]
            ).to(weight)
            bands = spectrogram[: len(spectrogram) // BANDS * BANDS].view(BANDS, -1, spectrogram.shape[1])
            embeddings[row] = F.normalize(self.network(bands[None]), dim=-1)[0]
        return embeddings
