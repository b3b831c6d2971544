"""Wav2CLIP: a ResNet over the log-power spectrogram, then an MLP into CLIP space.

Source: Wu et al. 2022, arXiv:2110.11499.

The pieces are separate because the training recipe augments between them:
waveform -> :func:`power_spectrogram` -> :func:`log_power` -> :class:`AudioNetwork` -> unit vector.

The published network standardises its spectrogram over the whole batch; here every clip is standardised by
its own mean and deviation, which is the same at batch 1 and makes a clip independent of its company.
"""

from collections import defaultdict
from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stylewav_pl.embedders.base import POCKET, AudioEmbedder, mean_of_windows
from stylewav_pl.embedders.front_end import SAMPLE_RATE, FrontEnd, Waveforms
from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.types import AudioError, SkipReason
from stylewav_pl.weights.state_dict import BUILD_ERRORS, build_checked

FFT_SIZE = 512
HOP = 353
LARGEST_BATCH = 32


def power_spectrogram(waveforms: Float[Tensor, "clip time"]) -> Float[Tensor, "clip 257 frame"]:
    """Computes the squared magnitude of the short-time Fourier transform.

    Hann window, 512 points, hop 353, centred, reflected edges.

    Args:
        waveforms: Mono, 16 kHz, in [-1, 1], more than 256 samples.

    >>> power_spectrogram(torch.zeros(2, 16_000)).shape
    torch.Size([2, 257, 46])
    """
    window = torch.hann_window(FFT_SIZE, dtype=waveforms.dtype, device=waveforms.device)
    spectrum = torch.stft(
        waveforms, FFT_SIZE, HOP, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    return spectrum.real**2 + spectrum.imag**2


def log_power(power: Float[Tensor, "clip frequency frame"]) -> Float[Tensor, "clip frequency frame"]:
    """Natural logarithm with the floor of the published model.

    >>> round(float(log_power(torch.zeros(1, 1, 1))), 2)
    -16.12
    """
    return torch.log(power + 1e-7)


def log_spectrogram(waveforms: Float[Tensor, "clip time"]) -> Float[Tensor, "clip 257 frame"]:
    """What :class:`AudioNetwork` takes: :func:`log_power` of :func:`power_spectrogram`."""
    return log_power(power_spectrogram(waveforms))


def standardize(spectrogram: Float[Tensor, "clip frequency frame"]) -> Float[Tensor, "clip frequency frame"]:
    """Zero mean and unit deviation, clip by clip.

    >>> standardize(torch.tensor([[[1.0, 3.0]], [[10.0, 30.0]]])).tolist()
    [[[-0.7071067690849304, 0.7071067690849304]], [[-0.7071067690849304, 0.7071067690849304]]]
    """
    deviation, mean = torch.std_mean(spectrogram, dim=(1, 2), keepdim=True)
    return (spectrogram - mean) / (deviation + 1e-9)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, features: Float[Tensor, "clip inputs h w"]) -> Float[Tensor, "clip outputs h2 w2"]:
        """The block's output after its last ReLU."""
        shortcut = features if self.downsample is None else self.downsample(features)
        features = F.relu(self.bn1(self.conv1(features)))
        return F.relu(self.bn2(self.conv2(features)) + shortcut)


class ResNet18(nn.Module):
    """ResNet-18 with one input channel.

    ``width`` 64 is the published size, the output has ``8 * width`` features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(ResidualBlock(width, width), ResidualBlock(width, width))
        self.layer2 = nn.Sequential(ResidualBlock(width, 2 * width, 2), ResidualBlock(2 * width, 2 * width))
        self.layer3 = nn.Sequential(
            ResidualBlock(2 * width, 4 * width, 2), ResidualBlock(4 * width, 4 * width)
        )
        self.layer4 = nn.Sequential(
            ResidualBlock(4 * width, 8 * width, 2), ResidualBlock(8 * width, 8 * width)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Float[Tensor, "clip 1 h w"]) -> Float[Tensor, "clip feature"]:
        """Features averaged over frequency and time."""
        features: Tensor = self.maxpool(F.relu(self.bn1(self.conv1(image))))
        features = self.layer4(self.layer3(self.layer2(self.layer1(features))))
        return features.mean(dim=(2, 3))


class Projection(nn.Module):
    """The MLP from encoder features to CLIP space; layer names as in the published checkpoint."""

    def __init__(self, features: int, hidden: int, embed_dim: int, dropout: float) -> None:
        super().__init__()
        self.sequential = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, embed_dim)
        )

    def forward(self, features: Float[Tensor, "clip feature"]) -> Float[Tensor, "clip embed"]:
        """Not normalised."""
        projected: Tensor = self.sequential(features)
        return projected


class AudioNetwork(nn.Module):
    """Log-power spectrogram to embedding, trainable.

    Parameter names ``audio_encoder.*`` and ``audio_transform.*``.

    Args:
        width: Channels of the first stage; 64 is the published network, the pocket one has 16.
        hidden: Width of the MLP's hidden layer (published: 512).
        embed_dim: Width of CLIP space.
        dropout: Probability in the MLP while training.
    """

    def __init__(
        self, width: int = 64, hidden: int = 512, embed_dim: int = 512, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.config: Mapping[str, Any] = {
            "width": width,
            "hidden": hidden,
            "embed_dim": embed_dim,
            "dropout": dropout,
        }
        self.embed_dim = embed_dim
        self.audio_encoder = ResNet18(width)
        self.audio_transform = Projection(8 * width, hidden, embed_dim, dropout)

    def forward(self, log_spectrograms: Float[Tensor, "clip frequency frame"]) -> Float[Tensor, "clip embed"]:
        """Embeddings of spectrograms from :func:`log_spectrogram`, standardised per clip here.

        Not normalised to unit length.
        """
        features = self.audio_encoder(standardize(log_spectrograms).unsqueeze(1))
        embedding: Tensor = self.audio_transform(features)
        return embedding


def build_audio_network(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> AudioNetwork:
    """The network of a weight file.

    Args:
        config: Arguments of :class:`AudioNetwork`.
        tensors: Its state dict.

    Raises:
        WeightsError: The tensors do not fit the configuration.
    """
    try:
        return build_checked(lambda: AudioNetwork(**config), tensors, layers=0)
    except BUILD_ERRORS as error:
        raise WeightsError(
            f"These audio weights do not fit the Wav2CLIP layout with {dict(config)}: {one_line(error)}. "
            "Fetch them again."
        ) from error


class Wav2ClipEmbedder(AudioEmbedder):
    """A frozen encoder of this project's own format, such as the pocket one: waveforms to unit vectors.

    Args:
        network: See :class:`AudioNetwork`.
        front_end: How waveforms are prepared; ``None`` gives them to the network as they are.
    """

    def __init__(self, network: AudioNetwork, front_end: FrontEnd | None = None) -> None:
        super().__init__()
        self.front_end = front_end
        self.sample_rate = SAMPLE_RATE
        self.embed_dim = network.embed_dim
        self.space = POCKET
        self.network = network.to(memory_format=torch.channels_last)  # a quarter faster on a CPU
        self.freeze()

    @torch.no_grad()
    def embed_audio(self, waveforms: Waveforms) -> Float[Tensor, "clip embed"]:
        """See :meth:`AudioEmbedder.embed_audio`; clips of equal length share a batch, others never meet.

        Raises:
            AudioError: A waveform is too short for one window.
        """
        if self.front_end is None:
            return self._embed_as_they_are(waveforms)
        for waveform in waveforms:
            check_length(waveform)
        windows = [list(self.front_end.windows(waveform)) for waveform in waveforms]
        embeddings = self._embed_as_they_are(list(chain.from_iterable(windows)))
        return mean_of_windows(embeddings, [len(clip) for clip in windows])

    def _embed_as_they_are(self, waveforms: Waveforms) -> Float[Tensor, "clip embed"]:
        weight = next(self.network.parameters())
        embeddings = torch.empty(len(waveforms), self.embed_dim, dtype=weight.dtype, device=weight.device)
        for rows in _rows_of_equal_length(waveforms):
            batch = torch.stack([waveforms[row].to(weight) for row in rows])
            embeddings[rows] = F.normalize(self.network(log_spectrogram(batch)), dim=-1)
        return embeddings


def check_length(waveform: Float[Tensor, " time"]) -> None:
    """Refuses what the reflected edges of the first window do not fit into.

    Raises:
        AudioError: 256 samples or fewer.
    """
    if waveform.shape[-1] <= FFT_SIZE // 2:
        raise AudioError(
            SkipReason.TOO_SHORT,
            f"Wav2CLIP needs more than {FFT_SIZE // 2} samples, found {waveform.shape[-1]}.",
        )


def _rows_of_equal_length(waveforms: Waveforms) -> list[list[int]]:
    """Indices of waveforms grouped by length, at most ``LARGEST_BATCH`` in a group."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, waveform in enumerate(waveforms):
        check_length(waveform)
        groups[waveform.shape[-1]].append(row)
    return [
        rows[start : start + LARGEST_BATCH]
        for rows in groups.values()
        for start in range(0, len(rows), LARGEST_BATCH)
    ]
