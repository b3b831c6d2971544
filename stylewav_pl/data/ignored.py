"""What a source finds and does not look at, told in words: nothing is left out silently."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from stylewav_pl.errors import printable

SUFFIXES = frozenset(
    {".wav", ".wave", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".mp4", ".webm", ".mka"}
    | {".wma", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64", ".sph", ".amr", ".awb"}
    | {".3gp", ".3gpp", ".3g2", ".m4b", ".mov", ".spx", ".ape", ".wv", ".tta"}
)
ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
TABLES = (".csv", ".tsv", ".parquet")
HIDDEN, BARE, OTHERS = "hidden", "without suffix", "of other kinds"
MAX_KINDS = 50  # counted apart; a hostile shard may have a million
MAX_TOLD = 6
_SUFFIX = re.compile(r"\.\w{1,12}")


@dataclass(slots=True)
class Ignored:
    """What was not looked at in one place, or that nothing is there.

    Attributes:
        place: A folder, a table or a shard, as shown to people.
        noun: What is counted: file, member, row.
        counts: How many of which kind; see :func:`kind_of`. None at all: the place is empty.
    """

    place: str
    noun: str = "file"
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, name: str) -> None:
        """Counts one more, by its name."""
        kind = kind_of(name)
        known = kind in self.counts or len(self.counts) < MAX_KINDS
        self.counts[kind if known else OTHERS] += 1

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __str__(self) -> str:
        if not self.counts:
            return printable(f"{self.place}: empty, not one {self.noun} is there.")
        told = [f"{count:,} {kind}" for kind, count in self.counts.most_common(MAX_TOLD)]
        more = ", ..." if len(self.counts) > MAX_TOLD else ""
        count = self.counts.total()
        total = f"{count:,} {self.noun}{'' if count == 1 else 's'}"
        return printable(f"{self.place}: ignored {total} ({', '.join(told)}{more}). {_advice(self.counts)}")


def kind_of(name: str) -> str:
    """Returns what a file is by its name: its suffix, or two where the one before says what it is about.

    >>> kind_of("a/voice.wav.data"), kind_of("v1.2/notes.TXT"), kind_of("voices.tar.gz"), kind_of("a/.b.wav")
    ('.wav.data', '.txt', '.tar.gz', 'hidden')
    >>> kind_of("README"), kind_of("Dr. Who, an interview")
    ('without suffix', 'without suffix')
    """
    path = PurePath(name)
    if path.name.startswith("."):
        return HIDDEN
    last = path.suffix.lower()
    if not _SUFFIX.fullmatch(last):
        return BARE
    before = path.with_suffix("").suffix.lower()
    return before + last if before in SUFFIXES | ARCHIVES else last


def is_sound(name: str) -> bool:
    """Returns whether a file is one of audio by its name; hidden ones are none.

    >>> is_sound("a/voice.WAV"), is_sound(".voice.wav"), is_sound("voice.wav.part")
    (True, False, False)
    """
    path = PurePath(name)
    return not path.name.startswith(".") and path.suffix.lower() in SUFFIXES


def _advice(counts: Mapping[str, int]) -> str:
    last = {f".{kind.rpartition('.')[2]}" for kind in counts}
    advice = ["Sounds are found by the last suffix of their name (.wav, .mp3, .flac, .ogg, .opus, ...)."]
    if last & ARCHIVES:
        advice.append("Archives are not opened: unpack them, or name shards (.tar) themselves.")
    if last & set(TABLES):
        advice.append("A table of recordings is named itself.")
    return " ".join(advice)
