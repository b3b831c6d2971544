"""Frozen networks from a signal (audio, image, text) to a unit vector in CLIP space."""

from pathlib import Path

from stylewav_pl.embedders.base import OPENAI_VIT_B_32, POCKET, AudioEmbedder, ImageTextEmbedder, Space
from stylewav_pl.embedders.front_end import read_front_end
from stylewav_pl.embedders.linear import LinearAudioEmbedder, LinearImageTextEmbedder
from stylewav_pl.embedders.preprocess import Preprocess
from stylewav_pl.embedders.wav2clip import Wav2ClipEmbedder, build_audio_network
from stylewav_pl.errors import WeightsError
from stylewav_pl.weights.open_clip_name import parse_open_clip
from stylewav_pl.weights.registry import resolve
from stylewav_pl.weights.state_dict import check_finite_tensors, read_state_dict
from stylewav_pl.weights.store import WeightFile, is_own_format, read_weights

__all__ = [
    "AudioEmbedder",
    "ImageTextEmbedder",
    "LinearAudioEmbedder",
    "LinearImageTextEmbedder",
    "Space",
    "Wav2ClipEmbedder",
    "load_audio_embedder",
    "load_image_text_embedder",
    "matching_guide",
]

AUDIOCLIP_MARK = "audio.conv1.weight"
LANGUAGEBIND_MARK = "vision_model.embeddings.patch_embedding.weight"
WAV2CLIP_GUIDE = "open_clip:ViT-B-32-quickgelu/openai"

GUIDES = {
    OPENAI_VIT_B_32: WAV2CLIP_GUIDE,
    Space("RN50", "openai"): "open_clip:RN50-quickgelu/openai",
    Space("ViT-L-14", "datacomp_xl_s13b_b90k"): "open_clip:ViT-L-14/datacomp_xl_s13b_b90k",
}
"""Sources of the CLIP models that published audio encoders were trained to reach."""


def load_audio_embedder(source: str | Path, device: str = "cpu") -> AudioEmbedder:
    """A frozen audio embedder.

    Args:
        source: A registry name (``pocket``, ``pocket-speaker``; ``pocket-auto`` for the better one that is
            there), ``linear`` for the untrained double, or the path of a weight file: this project's own
            format, the published ``Wav2CLIP.pt``, or the audio encoders of AudioCLIP and LanguageBind, told
            apart by content.
        device: Where it will run.

    Raises:
        WeightsError: The source is unknown, damaged, or of another kind or architecture.
    """
    if source == "linear":
        return LinearAudioEmbedder().to(device)
    path = resolve(source, "audio")
    if is_own_format(path):
        return _read_audio_embedder(path).to(device)
    return _read_published_audio(path).to(device)


def load_image_text_embedder(
    source: str | Path, device: str = "cpu", preprocess: Preprocess = "clip", setting: str | None = None
) -> ImageTextEmbedder:
    """A frozen CLIP model for images and texts.

    Args:
        source: A registry name (``pocket``), ``linear`` for the untrained double, a model of the
            ``open_clip`` library (``open_clip:ViT-B-32-quickgelu/openai``, see
            :mod:`stylewav_pl.weights.open_clip_name`), or the path of a weight file: this project's own
            format or one of OpenAI's, told apart by content.
        device: Where it will run.
        preprocess: How images become the network's input, see :mod:`stylewav_pl.embedders.preprocess`; the
            double has no choice.
        setting: See :func:`~stylewav_pl.weights.registry.resolve`.

    Raises:
        WeightsError: The source is unknown, damaged, or of another kind or architecture.
    """
    if source == "linear":
        return LinearImageTextEmbedder().to(device)
    # open_clip takes seconds to import: only who needs it pays.
    from stylewav_pl.embedders.openclip import OpenClipEmbedder, pocket_vocabulary, read_pocket_clip
    from stylewav_pl.embedders.openclip_published import load_published_clip

    name, path = parse_open_clip(source), resolve(source, "image_text", setting)
    if name or not is_own_format(path):
        return load_published_clip(name, path, preprocess).to(device)
    file = _read(path, "image_text", "openclip")
    network = read_pocket_clip(file.config, file.tensors)
    return OpenClipEmbedder(network, pocket_vocabulary(file.config), preprocess, space=POCKET).to(device)


def matching_guide(audio: str | Path) -> str:
    """Source of the CLIP model whose space an audio encoder was trained to reach.

    The pocket one where its file does not tell.

    Raises:
        WeightsError: See :func:`load_audio_embedder`.
    """
    space = load_audio_embedder(audio).space
    if space.towers:  # the file holds the CLIP model, too
        return str(resolve(audio, "audio"))
    return GUIDES.get(space, "pocket")


def _read_published_audio(path: Path) -> AudioEmbedder:
    """An audio encoder as its authors publish it.

    Their packages, and torchaudio, import much: only who needs it pays.
    """
    tensors = read_state_dict(path)
    if LANGUAGEBIND_MARK in tensors:
        from stylewav_pl.embedders.languagebind_published import load_languagebind

        return load_languagebind(tensors, path)
    if AUDIOCLIP_MARK in tensors:
        from stylewav_pl.embedders.audioclip_published import load_audioclip

        return load_audioclip(tensors, path)
    from stylewav_pl.embedders.wav2clip_published import PublishedWav2Clip

    return PublishedWav2Clip(tensors, path)


def _read_audio_embedder(path: Path) -> AudioEmbedder:
    file = _read(path, "audio", "wav2clip", "speaker", "languagebind-audio", "audioclip")
    if file.architecture == "languagebind-audio":
        from stylewav_pl.embedders.languagebind import LanguageBindAudio

        return LanguageBindAudio.load(file.config, file.tensors, path)
    if file.architecture == "audioclip":
        from stylewav_pl.embedders.audioclip import AudioClip

        return AudioClip.load(file.config, file.tensors, path)
    config = dict(file.config)
    front_end = config.pop("front_end", None)
    prepared = read_front_end(front_end) if front_end is not None else None
    if file.architecture == "speaker":
        # torchaudio takes a while to import: only who needs it pays.
        from stylewav_pl.embedders.speaker import load_speaker_embedder

        return load_speaker_embedder(config, file.tensors, prepared)
    return Wav2ClipEmbedder(build_audio_network(config, file.tensors), prepared)


def _read(path: Path, kind: str, *architectures: str) -> WeightFile:
    file = read_weights(path, kind)
    if file.architecture not in architectures:
        needed = " or ".join(map(repr, architectures))
        raise WeightsError(
            f"{file.path} holds the architecture {file.architecture!r}, but {needed} is needed here."
        )
    check_finite_tensors(file.tensors, path)
    return file
