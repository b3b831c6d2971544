"""``weights inspect`` and ``weights convert``.

What is in a weight file of any known format, and the same in the project's own.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stylewav_pl.embedders import (
    AUDIOCLIP_MARK,
    LANGUAGEBIND_MARK,
    load_audio_embedder,
    load_image_text_embedder,
)
from stylewav_pl.embedders.photo_encoder import is_photo_encoder, load_photo_encoder
from stylewav_pl.embedders.stored import StoredAudioEmbedder
from stylewav_pl.errors import WeightsError, printable
from stylewav_pl.generators import load_generator
from stylewav_pl.generators.formats import read_published
from stylewav_pl.generators.loading import check
from stylewav_pl.generators.stored import StoredGenerator
from stylewav_pl.weights.contents import read_contents
from stylewav_pl.weights.digest import sha256_of
from stylewav_pl.weights.marks import ZIP_START
from stylewav_pl.weights.registry import ENTRIES, check_readable
from stylewav_pl.weights.state_dict import read_state_dict
from stylewav_pl.weights.store import describe, is_own_format, read_weights

CLIP_MARK = "logit_scale"
AUDIO_MARKS = ("audio_transform.", AUDIOCLIP_MARK, LANGUAGEBIND_MARK)


def inspect_file(path: Path) -> None:
    """Prints what a weight file is, every dimension and every tensor; it may be of any published format.

    Raises:
        WeightsError: There is no such file, or it holds no weights that can be used here.
    """
    if not path.is_file():
        raise WeightsError(f"No weight file at {path}. Expected the path of an existing file.")
    check_readable(path)
    if is_own_format(path) and (kind := describe(path).get("kind", "")) != "generator":
        file = read_weights(path, kind)
        _print_facts(path, {"kind": kind, "architecture": file.architecture, **file.config}, file.tensors)
        return
    if tensors := _photo_encoder_tensors(path):
        _print_facts(path, _photo_encoder_facts(path), tensors)
        return
    try:
        published = read_published(path)
    except WeightsError:
        if is_own_format(path) or not (tensors := _encoder_tensors(path)):
            raise
        _print_facts(path, _encoder_facts(path, tensors), tensors)
        return
    family = check(path, published)
    facts: dict[str, Any] = {
        "kind": "generator",
        "family": published.family,
        "format": published.format,
    }
    facts |= family.described(published.config)
    if family.mean:
        facts["mean w"] = (
            "in the file"
            if family.mean in published.tensors
            else "not in the file; estimated when it is loaded"
        )
    _print_facts(path, facts, published.tensors)


def _photo_encoder_tensors(path: Path) -> Mapping[str, Tensor]:
    """All tensors of e4e's file; empty for any other file."""
    with path.open("rb") as file:
        if file.read(len(ZIP_START)) != ZIP_START:  # as torch has written since before e4e
            return {}
    try:
        content = read_contents(path)
    except WeightsError:
        return {}
    return dict(content["state_dict"]) if is_photo_encoder(content) else {}


def _photo_encoder_facts(path: Path) -> dict[str, Any]:
    """What e4e's encoder is, found by loading it; its file holds a generator, too.

    Raises:
        WeightsError: It does not load.
    """
    encoder = load_photo_encoder(path)
    return {"kind": "photo_encoder", "architecture": "e4e", "vectors": encoder.num_ws, "w_dim": encoder.w_dim}


def _encoder_tensors(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a published Wav2CLIP or CLIP model; empty for any other file."""
    try:
        tensors = read_state_dict(path)
    except WeightsError:
        return {}
    return tensors if CLIP_MARK in tensors or _is_audio(tensors) else {}


def _is_audio(tensors: Mapping[str, Tensor]) -> bool:
    return any(name.startswith(AUDIO_MARKS) for name in tensors)


def _encoder_facts(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """What an encoder is, found by loading it.

    Raises:
        WeightsError: It does not load.
    """
    if not _is_audio(tensors):
        clip = load_image_text_embedder(path)
        facts = {"kind": "image_text", "architecture": clip.space.model, "weights": clip.space.weights}
        return facts | {"image_size": clip.image_size, "embed_dim": clip.embed_dim}
    audio = load_audio_embedder(path)
    return {
        "kind": "audio",
        "architecture": audio.architecture if isinstance(audio, StoredAudioEmbedder) else "wav2clip",
        "sample_rate": audio.sample_rate,
        "embed_dim": audio.embed_dim,
        "space": str(audio.space),
    }


def convert_file(source: str, target: Path) -> None:
    """Writes a generator of any published format, or an audio encoder of others, as safetensors, float32.

    It renders the same images bit for bit.

    Raises:
        WeightsError: ``source`` holds no generator, or is ``target`` itself, or ``target`` cannot be written.
    """
    if target.is_dir():
        raise WeightsError(
            f"{target} is a folder. Expected the name of a file to write, such as "
            f"{target / 'generator.safetensors'}."
        )
    if target.exists() and Path(source).expanduser().exists() and target.samefile(Path(source).expanduser()):
        raise WeightsError(f"{target} would overwrite what it is made from. Name another file.")
    if (ear := _audio_embedder(source)) is not None:
        _write(ear, target)
        print(
            f"{target}  {target.stat().st_size / 1e6:.1f} MB, {ear.architecture}, SHA-256 {sha256_of(target)}"
        )
        return
    generator = load_generator(source)
    if not isinstance(generator, StoredGenerator):
        raise WeightsError(
            f"{source!r} has no weights to convert. Expected a weight file or a registry name of a generator."
        )
    _write(generator, target)
    print(
        f"{target}  {target.stat().st_size / 1e6:.1f} MB, {generator.resolution} px, SHA-256 "
        f"{sha256_of(target)}"
    )


def _audio_embedder(source: str) -> StoredAudioEmbedder | None:
    """The audio encoder of a source, where it is one that can be converted."""
    path = Path(source).expanduser()
    named = [entry for entry in ENTRIES if entry.name == source and entry.kind == "audio"]
    if not named and (not path.is_file() or not _is_audio(_encoder_tensors(path))):
        return None
    ear = load_audio_embedder(source)
    if isinstance(ear, StoredAudioEmbedder):
        return ear
    raise WeightsError(
        f"{source!r} is an audio encoder that is used as it is. Expected a generator, AudioCLIP or "
        "LanguageBind."
    )


def _write(network: StoredAudioEmbedder | StoredGenerator, target: Path) -> None:
    """Writes a network in the project's own format.

    Raises:
        WeightsError: The target cannot be written.
    """
    try:
        network.to_file(target)
    except OSError as error:
        reason = error.strerror or error
        raise WeightsError(
            f"{target} cannot be written ({reason}). Name a file in a folder that can be written and has "
            "room."
        ) from error


def _print_facts(path: Path, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    count = sum(tensor.numel() for tensor in tensors.values())
    print(printable(str(path)))
    for name, fact in {
        **facts,
        "numbers": f"{count:,} in {len(tensors)} tensors",
        "SHA-256": sha256_of(path),
    }.items():
        text = fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)
        print(f"{name:<13} {printable(text)}")
    for name, tensor in tensors.items():
        print(f"  {printable(name):<48} {tuple(tensor.shape)}")
