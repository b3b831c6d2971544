"""An ear on top of a pretrained speaker encoder.

Mel bands -> LSTM -> 256 numbers -> a small head -> CLIP space.

The encoder is the one of Resemblyzer (Apache-2.0), trained to tell thousands of speakers apart by the loss of
Wan et al. 2018, "Generalized End-to-End Loss for Speaker Verification" (arXiv:1710.10467). Its weights are
read from the installed wheel (:mod:`stylewav_pl.weights.wheel`); the network is torch's own LSTM. Only the
head is trained here and ships.

Differences to the wheel's own code: pauses are cut by their energy instead of by a voice detector that needs
a compiler, the level is always set instead of only raised, and speech shorter than 1.6 s is repeated instead
of padded with silence.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
import torchaudio
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from stylewav_pl.embedders.base import POCKET, AudioEmbedder, mean_of_windows
from stylewav_pl.embedders.front_end import SAMPLE_RATE, FrontEnd, Waveforms, at_level, without_pauses
from stylewav_pl.errors import WeightsError, one_line
from stylewav_pl.types import AudioError, SkipReason
from stylewav_pl.weights.contents import read_contents
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.state_dict import BUILD_ERRORS, build_checked, check_finite

FFT_SIZE, HOP, BANDS = 400, 160, 40  # 25 and 10 ms
FRAMES = 160  # of one window: 1.6 s
FRAME_STEP = 77  # between windows: 1.3 a second
COVERAGE = 0.75  # of its frames that the last window must have
SHORTEST = FFT_SIZE  # samples
SCALE = 8.0  # unit vectors are small for a linear layer: their numbers are around 1 / 16
LARGEST_BATCH = 64
FRONT_END = FrontEnd(pause_decibels=35.0, seconds=FRAMES * HOP / SAMPLE_RATE, level=-30.0)


class SpeakerEncoder(nn.Module):
    """Resemblyzer's network: the last hidden state of a stacked LSTM, a linear layer, a ReLU, unit length.

    Args:
        bands: Of the mel spectrogram.
        hidden: Width of the LSTM.
        width: Of the result.
        layers: Of the LSTM.
    """

    def __init__(self, bands: int = BANDS, hidden: int = 256, width: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.bands, self.width = bands, width
        self.lstm = nn.LSTM(bands, hidden, layers, batch_first=True)
        self.linear = nn.Linear(hidden, width)

    def forward(self, mels: Float[Tensor, "window frame band"]) -> Float[Tensor, "window width"]:
        """Embeds windows of mel power (not its logarithm)."""
        _, (hidden, _) = self.lstm(mels)
        return F.normalize(F.relu(self.linear(hidden[-1])), dim=-1)


@cache
def mel_filters(bands: int) -> Float[Tensor, "band frequency"]:
    """Returns the filters of ``librosa.filters.mel``, whose import would take two seconds more."""
    with torch.device("cpu"):
        filters: Tensor = torchaudio.functional.melscale_fbanks(
            FFT_SIZE // 2 + 1, 0.0, SAMPLE_RATE / 2, bands, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
    return filters.T.contiguous()


def mel_power(waveform: Float[Tensor, " time"], bands: int = BANDS) -> Float[Tensor, "frame band"]:
    """Returns the power in mel bands, as ``librosa.feature.melspectrogram`` computes it."""
    window = torch.hann_window(FFT_SIZE).to(waveform)
    spectrum = torch.stft(waveform, FFT_SIZE, HOP, window=window, pad_mode="constant", return_complex=True)
    return (mel_filters(bands).to(waveform) @ (spectrum.real**2 + spectrum.imag**2)).T


def partials(waveform: Float[Tensor, " time"], bands: int = BANDS) -> Float[Tensor, "window frame band"]:
    """Returns the mel power of a prepared waveform's windows.

    They are 1.6 s long, 0.77 s apart, the last padded with silence.
    """
    starts = window_starts(len(waveform))
    missing = (starts[-1] + FRAMES) * HOP - len(waveform)
    mel = mel_power(F.pad(waveform, (0, max(0, missing))), bands)
    return torch.stack([mel[start : start + FRAMES] for start in starts])


def window_starts(samples: int) -> list[int]:
    """First frame of each window; a last window that would be mostly silence is left out.

    >>> window_starts(16_000), window_starts(40_000), window_starts(48_000)
    ([0], [0, 77], [0, 77, 154])
    """
    frames = -(-(samples + 1) // HOP)
    starts = list(range(0, max(1, frames - FRAMES + FRAME_STEP + 1), FRAME_STEP))
    covered = (samples - starts[-1] * HOP) / (FRAMES * HOP)
    return starts[:-1] if covered < COVERAGE and len(starts) > 1 else starts


class SpeakerHead(nn.Module):
    """The mean of several small networks from speaker embeddings to CLIP space.

    Args:
        inputs: Width of the speaker embedding.
        hidden: Width of each network's hidden layer.
        embed_dim: Width of CLIP space.
        members: How many networks; each starts elsewhere, and their mean is steadier than any.
        dropout: Probability while training.
    """

    def __init__(
        self,
        inputs: int = 256,
        hidden: int = 128,
        embed_dim: int = 512,
        members: int = 3,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.config: Mapping[str, Any] = {
            "inputs": inputs,
            "hidden": hidden,
            "embed_dim": embed_dim,
            "members": members,
            "dropout": dropout,
        }
        self.embed_dim = embed_dim
        self.members = nn.ModuleList(
            nn.Sequential(
                nn.Linear(inputs, hidden), nn.SiLU(), nn.Dropout(dropout), nn.Linear(hidden, embed_dim)
            )
            for _ in range(members)
        )

    def each(self, speakers: Float[Tensor, "clip inputs"]) -> Float[Tensor, "member clip embed"]:
        """What each member says, at unit length."""
        return torch.stack([F.normalize(member(SCALE * speakers), dim=-1) for member in self.members])

    def forward(self, speakers: Float[Tensor, "clip inputs"]) -> Float[Tensor, "clip embed"]:
        """Embeds unit vectors of the speaker encoder; unit L2 norm."""
        return F.normalize(self.each(speakers).mean(dim=0), dim=-1)


class SpeakerEmbedder(AudioEmbedder):
    """A frozen speaker encoder and its head: waveforms to unit vectors in the pocket CLIP space.

    Args:
        encoder: See :class:`SpeakerEncoder`.
        head: See :class:`SpeakerHead`.
        front_end: How waveforms are prepared; its windows are the encoder's own.
    """

    def __init__(self, encoder: SpeakerEncoder, head: SpeakerHead, front_end: FrontEnd) -> None:
        super().__init__()
        self.sample_rate = SAMPLE_RATE
        self.embed_dim = head.embed_dim
        self.space = POCKET
        self.encoder, self.head, self.front_end = encoder, head, front_end
        self.freeze()

    @torch.no_grad()
    def embed_audio(self, waveforms: Waveforms) -> Float[Tensor, "clip embed"]:
        """See :meth:`AudioEmbedder.embed_audio`.

        Raises:
            AudioError: A waveform is too short for one frame.
        """
        embedded: Tensor = self.head(self.embed_speakers(waveforms))
        return embedded

    @torch.no_grad()
    def embed_speakers(self, waveforms: Waveforms) -> Float[Tensor, "clip width"]:
        """Embeds speakers, before the head: the mean of a clip's windows, at unit length again.

        Raises:
            AudioError: A waveform is too short for one frame.
        """
        return embed_speakers(self.encoder, self.front_end, waveforms)


def embed_speakers(
    encoder: SpeakerEncoder, front_end: FrontEnd, waveforms: Waveforms
) -> Float[Tensor, "clip width"]:
    """Embeds speakers: each waveform is prepared by itself, windows of several meet in one batch.

    Raises:
        AudioError: A waveform is too short for one frame.
    """
    weight = encoder.linear.weight
    if len(waveforms) == 0:
        return weight.new_empty(0, encoder.width)
    prepared = (_prepared(waveform.to(weight), front_end) for waveform in waveforms)
    windows = [partials(speech, encoder.bands) for speech in prepared]
    embedded = torch.cat([encoder(batch) for batch in torch.split(torch.cat(windows), LARGEST_BATCH)])
    return mean_of_windows(embedded, [len(clip) for clip in windows])


def _prepared(waveform: Float[Tensor, " time"], front_end: FrontEnd) -> Float[Tensor, " time2"]:
    if len(waveform) < SHORTEST:
        raise AudioError(
            SkipReason.TOO_SHORT,
            f"The speaker encoder needs at least {SHORTEST} samples, found {len(waveform)}.",
        )
    speech = without_pauses(waveform, front_end.pause_decibels)
    if front_end.level is not None:
        speech = at_level(speech, front_end.level)
    shortest = round(front_end.seconds * SAMPLE_RATE)
    return speech.repeat(-(-shortest // len(speech)))[:shortest] if len(speech) < shortest else speech


def build_speaker_encoder(tensors: Mapping[str, Tensor]) -> SpeakerEncoder:
    """Builds the encoder of a state dict in Resemblyzer's layout; every dimension is read from it.

    Raises:
        WeightsError: It has another layout.
    """
    tensors = {name: value for name, value in tensors.items() if name.startswith(("lstm.", "linear."))}
    try:
        layers = sum(name.startswith("lstm.weight_hh_l") for name in tensors)
        bands, hidden = tensors["lstm.weight_ih_l0"].shape[1], tensors["lstm.weight_hh_l0"].shape[1]
        width = tensors["linear.weight"].shape[0]
        return build_checked(lambda: SpeakerEncoder(bands, hidden, width, layers), tensors, layers)
    except BUILD_ERRORS as error:
        raise WeightsError(
            f"These weights are no speaker encoder in Resemblyzer's layout (lstm.*, linear.*): "
            f"{one_line(error)}. Install resemblyzer again."
        ) from error


def build_speaker_head(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> SpeakerHead:
    """Builds the head of a weight file.

    Raises:
        WeightsError: The tensors do not fit the configuration.
    """
    try:
        members = int(config["members"])
        return build_checked(lambda: SpeakerHead(**config), tensors, members)
    except BUILD_ERRORS as error:
        raise WeightsError(
            f"These weights do not fit a speaker head with {dict(config)}: {one_line(error)}. Train it again."
        ) from error


def load_speaker_encoder(expected_sha256: str | None = None) -> SpeakerEncoder:
    """Reads the encoder from the installed wheel, inertly.

    Args:
        expected_sha256: The file that a head was trained on.

    Raises:
        WeightsError: The wheel is missing, or holds another file.
    """
    path = resolve("resemblyzer", "speaker")
    if expected_sha256 not in (None, sha256_of(path)):
        raise WeightsError(
            f"The head was trained on another speaker encoder (SHA-256 {expected_sha256}) than {path}. Train "
            "it again with `stylewav-pl pocket train speaker`."
        )
    content = read_contents(path)
    state = content.get("model_state") if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path} holds no entry model_state. Install resemblyzer again.")
    encoder = build_speaker_encoder({str(name): value for name, value in state.items()})
    check_finite(encoder, path)
    return encoder


def load_speaker_embedder(
    config: Mapping[str, Any], tensors: Mapping[str, Tensor], front_end: FrontEnd | None
) -> SpeakerEmbedder:
    """Puts a head's weight file and the encoder of the installed wheel together.

    Raises:
        WeightsError: The wheel is missing, or file and encoder do not fit.
    """
    settings = dict(config)
    encoder = load_speaker_encoder(settings.pop("encoder_sha256", None))
    head = build_speaker_head(settings, tensors)
    if settings.get("inputs") != encoder.width:
        raise WeightsError(
            f"The head takes {settings.get('inputs')} numbers, the speaker encoder gives {encoder.width}. "
            "Train it again with `stylewav-pl pocket train speaker`."
        )
    return SpeakerEmbedder(encoder, head, front_end or FRONT_END)
