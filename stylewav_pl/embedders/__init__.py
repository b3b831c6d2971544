"""Frozen networks from a signal (audio, image, text) to a unit vector in CLIP space."""

from pathlib import Path

from stylewav_pl.embedders.base import AudioEmbedder, ImageTextEmbedder
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.embedders.preprocess import Preprocess
from stylewav_pl.embedders.wav2clip import Wav2ClipEmbedder, build_audio_network
from stylewav_pl.types import WeightsError
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.store import WeightFile, read_weights

__all__ = [
    "AudioEmbedder",
    "ImageTextEmbedder",
    "LinearAudioEmbedder",
    "LinearImageTextEmbedder",
    "Wav2ClipEmbedder",
    "load_audio_embedder",
    "load_image_text_embedder",
]


def load_audio_embedder(source: str | Path, device: str = "cpu") -> AudioEmbedder:
    """A frozen audio embedder.

    Args:
        source: A registry name (``pocket``), ``linear`` for the untrained double, or the path of a weight file.
        device: Where it will run.

    Raises:
        WeightsError: The source is unknown, damaged, or of another kind or architecture.
    """
    if source == "linear":
        return LinearAudioEmbedder().to(device)
    file = _read(source, "audio", "wav2clip")
    return Wav2ClipEmbedder(build_audio_network(file.config, file.tensors)).to(device)


def load_image_text_embedder(source: str | Path, device: str = "cpu", preprocess: Preprocess = "clip") -> ImageTextEmbedder:
    """A frozen CLIP model for images and texts.

    Args:
        source: A registry name (``pocket``), ``linear`` for the untrained double, or the path of a weight file.
        device: Where it will run.
        preprocess: How images become the network's input, see :mod:`stylewav_pl.embedders.preprocess`; the double has no choice.

    Raises:
        WeightsError: The source is unknown, damaged, or of another kind or architecture.
    """
    if source == "linear":
        return LinearImageTextEmbedder().to(device)
    # open_clip takes seconds to import: only who needs it pays.
    from stylewav_pl.embedders.openclip import OpenClipEmbedder, pocket_vocabulary, read_pocket_clip

    file = _read(source, "image_text", "openclip")
    network = read_pocket_clip(file.config, file.tensors)
    return OpenClipEmbedder(network, pocket_vocabulary(file.config), preprocess).to(device)


def _read(source: str | Path, kind: str, architecture: str) -> WeightFile:
    file = read_weights(resolve(source, kind), kind)
    if file.architecture != architecture:
        raise WeightsError(f"{file.path} holds the architecture {file.architecture!r}, but {architecture!r} is needed here.")
    return file
