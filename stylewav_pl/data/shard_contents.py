"""The clips of one shard, grouped from its members by webdataset's rule.

One name up to the first dot is one sample.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stylewav_pl.data.ignored import SUFFIXES, Ignored
from stylewav_pl.data.tar_members import Damage, TarMember, list_members
from stylewav_pl.errors import one_line
from stylewav_pl.types import NO_LABELS, SkipReason

SOUNDS = SUFFIXES | {".audio"}  # what `data shards` calls a file without a suffix
LARGEST_JSON = 1 << 20  # bytes
LONGEST_NAME = 4096  # characters, as of a path
LONGEST_TEXT = 10_000  # characters of an id, a speaker, a label
COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
NO_TEXT = "text that cannot be written to a table (NUL or half a character)"


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """A clip in a shard.

    Attributes:
        id: As its json says, else its name to the first dot.
        member: The name of its sound.
        offset: Of the sound's first byte in the shard.
        size: Of the sound, in bytes.
        speaker: As its json says.
        labels: The same.
    """

    id: str
    member: str
    offset: int
    size: int
    speaker: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something in a shard that is no clip, and why.

    ``member`` is empty where it is about the shard itself.
    """

    member: str
    reason: SkipReason
    detail: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a shard holds, in its order.

    Attributes:
        entries: The clips.
        refusals: What is no clip though it should be one.
        ignored: How many other members there are, of which kind.
    """

    entries: Sequence[SampleEntry]
    refusals: Sequence[Refusal]
    ignored: Mapping[str, int]


def search(shard: Path) -> Contents:
    """Reads every header of a shard, and every json.

    Raises:
        OSError: The shard cannot be read.
    """
    sounds: list[TarMember] = []
    facts: dict[str, TarMember] = {}
    refusals: list[Refusal] = []
    ignored = Ignored(shard.name, "member")
    for found in list_members(shard):
        if isinstance(found, Damage):
            refusals.append(Refusal("", SkipReason.UNREADABLE, _damage(found, shard)))
        elif why := _danger(found):
            refusals.append(Refusal(found.name[:LONGEST_NAME], SkipReason.UNSAFE, why))
        elif _suffix(found.name) in SOUNDS:
            sounds.append(found)
        elif _suffix(found.name) == ".json":
            facts[key_of(found.name)] = found
        elif found.is_file:
            ignored.add(found.name)
    with shard.open("rb") as file:
        reader = _Reader(file, facts)
        grouped = [reader.entry(sound) for sound in sounds]
    refusals += [entry for entry in grouped if isinstance(entry, Refusal)]
    silent = facts.keys() - {key_of(sound.name) for sound in sounds}
    refusals += [
        Refusal(facts[key].name, SkipReason.MISSING, "There is no sound beside this json.")
        for key in facts
        if key in silent
    ]
    if not shard.stat().st_size:
        refusals.append(Refusal("", SkipReason.EMPTY, "The shard has 0 bytes."))
    entries = [entry for entry in grouped if isinstance(entry, SampleEntry)]
    return Contents(entries, refusals, dict(ignored.counts))


def key_of(name: str) -> str:
    """What the members of one clip have in common.

    >>> key_of("v1.0/voice.left.wav")
    'v1.0/voice'
    """
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _suffix(name: str) -> str:
    """The kind of a member, in lower case; empty for a hidden one, which is none of ours."""
    file = name.rpartition("/")[2]
    return "" if file.startswith(".") else f".{file.rpartition('.')[2].lower()}" if "." in file else ""


def _danger(member: TarMember) -> str:
    """Why a member is not touched; empty where it may be read."""
    if member.is_folder:
        return ""
    if not member.is_file:
        return "This is a link, a device or another special entry; only files are read."
    parts = member.name.replace("\\", "/").split("/")
    if len(member.name) > LONGEST_NAME:
        return f"The name has {len(member.name):,} characters. Write the shard again with plain names."
    if "\0" in member.name:
        return f"The name is {NO_TEXT}. Write the shard again with plain names."
    if parts[0] == "" or ".." in parts or parts[0].endswith(":"):
        return (
            "The name leads out of the shard (an absolute path, or with `..`). Write the shard again "
            "with plain names."
        )
    return ""


def _damage(damage: Damage, shard: Path) -> str:
    size = shard.stat().st_size
    if damage.start == damage.end:
        return (
            "The shard does not end as a tar file does: it was cut off, and clips may be missing. Copy "
            "it again."
        )
    if damage.start == 0 and damage.end == size:
        with shard.open("rb") as file:
            start = file.read(8)
        kind = next((name for magic, name in COMPRESSED.items() if start.startswith(magic)), "")
        return (
            f"This is a {kind} file; expected a plain tar file. Decompress it."
            if kind
            else "This is not a tar file."
        )
    return (
        f"Bytes {damage.start} to {damage.end} are damaged: clips there are lost, those around are "
        "used. Copy the shard again."
    )


class _Reader:
    """Makes entries of sounds.

    A json is read once and counts for one sound, or many of one name would share a large one.

    Args:
        file: The shard.
        facts: The json of each clip.
    """

    def __init__(self, file: BinaryIO, facts: Mapping[str, TarMember]) -> None:
        self.file, self.facts = file, facts
        self._taken: dict[str, str] = {}
        self._problems: dict[str, str] = {}

    def entry(self, sound: TarMember) -> SampleEntry | Refusal:
        """The clip that a sound is, or why it is none."""
        key = key_of(sound.name)
        if not sound.is_whole:
            return Refusal(
                sound.name,
                SkipReason.UNREADABLE,
                "The shard is cut off in the middle of this clip. Copy it again.",
            )
        if key in self._taken:
            return Refusal(
                sound.name,
                SkipReason.DUPLICATE_ID,
                f"The id is taken by {self._taken[key]}. Rename one of them.",
            )
        if self.facts and key not in self.facts:
            return Refusal(
                sound.name,
                SkipReason.BAD_LABELS,
                "It has no json, and other clips of the shard have one. Write or copy the shard again.",
            )
        told = self._told(key) if self.facts else {}
        if told is None:
            return Refusal(
                sound.name,
                SkipReason.BAD_LABELS,
                f"Its json cannot be used: {self._problems[key]}. Write it again.",
            )
        self._taken[key] = sound.name
        return SampleEntry(
            _text(told.get("id")) or key,
            sound.name,
            sound.offset,
            sound.size,
            _text(told.get("speaker")),
            _labels(told) or NO_LABELS,
        )

    def _told(self, key: str) -> dict[str, Any] | None:
        """What the json of a clip says; None where it cannot be used."""
        if key in self._problems:
            return None
        try:
            return _told(self.file, self.facts[key])
        except (ValueError, RecursionError) as error:
            self._problems[key] = one_line(error)
            return None


def _told(file: BinaryIO, member: TarMember) -> dict[str, Any]:
    """What a json says, checked.

    Raises:
        ValueError: It is not such a json.
    """
    if not member.is_whole or member.size > LARGEST_JSON:
        raise ValueError(f"it is larger than {LARGEST_JSON} bytes" if member.is_whole else "it is cut off")
    file.seek(member.offset)
    told = json.loads(file.read(member.size).decode("utf-8"))
    if not isinstance(told, dict):
        raise ValueError(f"expected an object with id, speaker and labels, found a {type(told).__name__}")
    if not isinstance(told.get("labels", {}), dict):
        raise ValueError(f"expected an object as labels, found a {type(told['labels']).__name__}")
    for text in (
        _text(told.get("id")),
        _text(told.get("speaker")),
        *(part for pair in _labels(told).items() for part in pair),
    ):
        if not is_text(text):
            raise ValueError(NO_TEXT)
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"a text of {len(text):,} characters; at most {LONGEST_TEXT:,} can be used")
    return told


def is_text(text: str) -> bool:
    """Tells whether a table can hold it: without NUL and half characters."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _labels(told: Mapping[str, Any]) -> dict[str, str]:
    texts = {name: _text(value) for name, value in told.get("labels", {}).items()}
    return {name: text for name, text in texts.items() if text}


def _text(value: object) -> str:
    """A value as it stands in a table.

    Raises:
        ValueError: It is a list or an object.
    """
    if isinstance(value, list | dict):
        raise ValueError(f"expected text or a number, found a {type(value).__name__}")
    return "" if value is None else str(value).strip()
