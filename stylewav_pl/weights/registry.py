"""Names of weights: from ``pocket`` to the file that holds them."""

import os
import re
from pathlib import Path

from stylewav_pl.errors import ConfigError, WeightsError
from stylewav_pl.weights.addresses import RemoteFile, address_of
from stylewav_pl.weights.entry import Entry, PackagedWeights
from stylewav_pl.weights.open_clip_name import FORMS, parse_open_clip
from stylewav_pl.weights.published import PUBLISHED
from stylewav_pl.weights.wheel import WheelWeights

# 0.1.4 is the last release. Without dependencies: one of them (webrtcvad) needs a compiler, and none is used.
SPEAKER_ENCODER = WheelWeights(
    "resemblyzer",
    "speaker",
    "Apache-2.0",
    "speaker encoder (GE2E), 256 numbers; what pocket-speaker builds on",
    package="resemblyzer",
    file="resemblyzer/pretrained.pt",
    sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    install="pip install --no-deps resemblyzer==0.1.4",
)
AUTO = "pocket-auto"
SMALL_EAR, STRONG_EAR = "pocket", "pocket-speaker"

_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
WEIGHT_SUFFIXES = frozenset({".pt", ".pth", ".pkl", ".safetensors", ".ckpt", ".bin"})
SETTINGS = {
    "generator": "--model.generator",
    "image_text": "--model.guide",
    "audio": "--model.audio",
    "prior": "--model.start.prior",
    "identity": "--model.identity",
    "photo_encoder": "--model.start.inversion.encoder",
}
# A CLIP model may tell whose a face is, too.
NAMED_KINDS = {"identity": ("identity", "image_text")}
CLIP_KINDS = ("image_text", "identity")

ENTRIES: tuple[Entry, ...] = (
    PackagedWeights(
        "pocket",
        "generator",
        "MIT",
        "StyleGAN2 of cartoon faces, 128 px",
        "pocket/weights/generator.safetensors",
    ),
    PackagedWeights(
        "pocket-vqgan",
        "generator",
        "MIT",
        "VQGAN of cartoon faces, 64 px; latents of its own (latent_space: Codes)",
        "pocket/weights/vqgan.safetensors",
    ),
    PackagedWeights(
        "pocket",
        "image_text",
        "MIT",
        "CLIP of cartoon faces and their captions",
        "pocket/weights/clip.safetensors",
    ),
    PackagedWeights(
        "pocket-judge",
        "image_text",
        "MIT",
        "another CLIP of cartoon faces, to score what the guide made",
        "pocket/weights/judge.safetensors",
    ),
    PackagedWeights(
        "pocket", "audio", "MIT", "Wav2CLIP-style encoder of voices", "pocket/weights/audio.safetensors"
    ),
    PackagedWeights(
        STRONG_EAR,
        "audio",
        "MIT",
        "voices by a speaker encoder (needs resemblyzer) and a head of our own",
        "pocket/weights/speaker.safetensors",
    ),
    PackagedWeights(
        "pocket",
        "prior",
        "MIT",
        "from the pocket CLIP space to latents of the pocket generator",
        "pocket/weights/prior.safetensors",
    ),
    PackagedWeights(
        "pocket-identity",
        "identity",
        "MIT",
        "whose a cartoon face is, whatever its sex, age, hair and glasses; for edits",
        "pocket/weights/identity.safetensors",
    ),
    SPEAKER_ENCODER,
    *PUBLISHED,
)


def choose_ear(source: str) -> str:
    """Replaces ``pocket-auto`` by the best pocket audio encoder that this machine has; other names stay.

    >>> choose_ear("wav2clip")
    'wav2clip'
    """
    if source != AUTO:
        return source
    return SMALL_EAR if SPEAKER_ENCODER.path is None else STRONG_EAR


def resolve(source: str | Path, kind: str, setting: str | None = None) -> Path:
    """Finds the weight file that ``source`` means; weights of others are fetched if they are not there yet.

    A registry name comes first; write ``./pocket`` for a file of that name.

    Args:
        source: A registry name, the path or the address of a file (see :mod:`.addresses`), or a CLIP model
            of the ``open_clip`` library (see :mod:`.open_clip_name`).
        kind: ``generator``, ``image_text``, ``audio``, ``prior``, ``identity`` (also of ``image_text``),
            ``photo_encoder`` or ``speaker``.
        setting: Which option of an experiment takes a class in this place, for the message; by default the
            one of the kind, none if empty.

    Raises:
        WeightsError: ``source`` is neither a name of this kind nor an existing file, or cannot be fetched.
    """
    if isinstance(source, str) and kind == "audio":
        source = choose_ear(source)
    kinds = NAMED_KINDS.get(kind, (kind,))
    named = {entry.name: entry for entry in ENTRIES if entry.kind in kinds}
    if isinstance(source, str) and source in named:
        return named[source].locate()
    if open_clip_model := parse_open_clip(source):
        if kind not in CLIP_KINDS:
            raise WeightsError(f"{source} is a CLIP model, but weights of kind {kind!r} are needed here.")
        return named.get(open_clip_model.by_openai, open_clip_model).locate()
    if fetched := _fetched(source):
        return fetched
    path = Path(source).expanduser()
    if path.is_file():
        check_readable(path)
        return path
    setting = SETTINGS.get(kind) if setting is None else setting
    if _CLASS_PATH.fullmatch(str(source)) and path.suffix not in WEIGHT_SUFFIXES and setting:
        raise WeightsError(
            f"{source} is no weight name of kind {kind!r} and no file. If it is a class, an experiment says "
            f"so: {setting}.class_path {source} (in a configuration: {{class_path: {source}}})."
        )
    names = ", ".join(sorted(named)) or "there is none"
    also = f", or {FORMS}" if kind in CLIP_KINDS else ""
    found = f"the folder {source}" if path.is_dir() else f"{str(source)!r}, which is neither"
    raise WeightsError(
        f"Expected a weight name of kind {kind!r} ({names}) or the path of an existing file{also}; found "
        f"{found}."
    )


def _fetched(source: str | Path) -> Path | None:
    """What an address gives; None for what is none."""
    try:
        address = address_of(source)
        return RemoteFile(address, "The weights at").locate() if address else None
    except ConfigError as error:
        raise WeightsError(str(error)) from error


def entries_named(names: list[str]) -> list[Entry]:
    """The entries of these names, of every kind; all entries without names.

    Raises:
        WeightsError: There is no such name.
    """
    known = {entry.name for entry in ENTRIES}
    for name in names:
        if name not in known:
            raise WeightsError(f"No weights are named {name!r}. Expected one of: {', '.join(sorted(known))}.")
    return [entry for entry in ENTRIES if not names or entry.name in names]


def check_readable(path: Path) -> None:
    """Refuses a file that this user may not open.

    Raises:
        WeightsError: That is so.
    """
    if not os.access(path, os.R_OK):
        raise WeightsError(f"{path} may not be read by this user. Change its permissions, or copy it.")
