"""``data``: what sources of recordings hold, and their clips as files.

A folder or a Common Voice release, its selection as shards, and the built-in voices as files.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from stylewav_pl.commands.arguments import expand_configs, read_configs
from stylewav_pl.commands.configuration import Document, read_configuration
from stylewav_pl.commands.data_section import build_data
from stylewav_pl.commands.options import Options
from stylewav_pl.commands.places import sources_of
from stylewav_pl.commands.trusted_classes import names_in
from stylewav_pl.data import BuiltinVoices, ClipDataModule, CommonVoice
from stylewav_pl.data.funnel import table
from stylewav_pl.data.shard_writer import write_shards
from stylewav_pl.errors import ConfigError, TooManySkipsError, printable
from stylewav_pl.session.finalize import nothing_listed
from stylewav_pl.types import Skip

SAMPLE_RATE = 16_000


def run(command: str, options: list[str]) -> int:
    """Runs ``voices``, ``check``, ``common-voice`` or ``shards``."""
    asked = parser().parse_args(expand_configs(options))
    match asked.action:
        case "voices":
            write_voices(asked.output, asked.per_sex)
        case "check":
            check(asked.sources, asked.config or [])
        case "common-voice":
            show_funnel(asked.root, asked.config)
        case "shards":
            shards(asked.config, asked.output, asked.clips_per_shard)
    return 0


def parser() -> argparse.ArgumentParser:
    """The options of ``data``."""
    options = Options(prog="stylewav-pl data", description="Audio that goes in.")
    actions = options.add_subparsers(dest="action", required=True, metavar="ACTION")
    voices = actions.add_parser("voices", help="write built-in voices as wav files, to listen to them")
    voices.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    voices.add_argument("--per-sex", type=int, default=4, metavar="N", help="voices of each sex (default: 4)")
    check = actions.add_parser(
        "check", help="decode every clip and say what can be used, and why the rest would be skipped"
    )
    check.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="audio file, folder, table (.csv, .tsv, .parquet) or shards (.tar, with braces or http); "
        "patterns, too",
    )
    check.add_argument("--config", action="append", metavar="YAML", help="experiment: its sources instead")
    release = actions.add_parser(
        "common-voice", help="how many clips of an unpacked release each rule of a configuration leaves"
    )
    release.add_argument("root", type=Path, metavar="ROOT", help="the folder that unpacking gave")
    writing = actions.add_parser(
        "shards", help="write the clips of a configuration as webdataset shards, for your own storage"
    )
    writing.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    writing.add_argument(
        "--clips-per-shard", type=int, default=1000, metavar="N", help="clips in each file (default: 1000)"
    )
    for action in (release, writing):
        action.add_argument(
            "--config",
            action="append",
            required=True,
            metavar="YAML",
            help="experiment; may be repeated, later ones count",
        )
    return options


def show_funnel(root: Path, configs: Sequence[str]) -> None:
    """Prints how the configuration's selection comes about in the release at ``root``.

    Raises:
        ConfigError: The configuration uses no Common Voice, or a population is short of clips.
    """
    sources = [source for source in load_data(configs).sources if isinstance(source, CommonVoice)]
    if not sources:
        raise ConfigError(
            f"{' + '.join(configs)} has no source CommonVoice. Take one that has, e.g. sex.yaml."
        )
    for source in sources:
        source.root, source.address = root.expanduser(), ""
        print(f"{table(source.funnel)}\n")


def shards(configs: Sequence[str], output: Path, clips_per_shard: int) -> None:
    """Writes the clips of a configuration as webdataset shards and says what was left out."""
    data = load_data(configs)
    if not data.list_clips():
        raise ConfigError(nothing_listed(data.early_skips, data.ignored))
    skips = write_shards(data, output, clips_per_shard)
    for skip in skips:
        print(f"  left out: {skip}")
    print(f"{len(data.list_clips()) + len(data.early_skips) - len(skips)} clips in {output}")
    print("For your own storage: Common Voice asks its users not to publish copies.")


def load_data(configs: Sequence[str]) -> ClipDataModule:
    """The data of an experiment alone: no network is loaded.

    Raises:
        ConfigError: A file is missing or is no such configuration.
    """
    documents = read_configs([f"--config={name}" for name in configs])
    merged: dict[str, Any] = {}
    for document in documents:
        merged |= _section(document)
    merged.pop("count", None)  # clips are looked at here, not faces
    return build_data(merged, names_in([], [merged]), documents)


def _section(document: Document) -> Mapping[str, Any]:
    section = document.value.get("data", {})
    if not isinstance(section, str):
        return section  # type: ignore[no-any-return]  # read_configuration has looked
    path = document.path.parent / section
    if not path.is_file():
        raise ConfigError(
            f"{document.place_of('data')}: expected settings or a YAML file for data, found {section!r}."
        )
    return read_configuration(path).value


def write_voices(output: Path, per_sex: int) -> None:
    """Writes held-out built-in voices to ``female/`` and ``male/`` below ``output``, 16 kHz, 16 bit."""
    import soundfile

    data = ClipDataModule([BuiltinVoices(per_sex)], num_workers=0, high_pass=None)
    for clip in data.list_clips():
        waveform = data.load(clip.id)
        assert not isinstance(waveform, Skip)  # built-in voices are always whole
        path = output / clip.labels["sex"] / f"{Path(clip.id).name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, waveform.numpy(), SAMPLE_RATE, subtype="PCM_16")
        print(path)


def check(sources: Sequence[str], configs: Sequence[str]) -> None:
    """Prints how many clips there are, their labels, and the reason of each that a run would skip.

    Raises:
        ConfigError: There is neither a source nor a configuration, or there are both, or one is wrong, or
            there is no clip.
        TooManySkipsError: None of the clips can be used.
    """
    if bool(sources) == bool(configs):
        raise ConfigError(
            "Expected sources to check (files, folders, tables, shards), or the --config of an experiment, "
            "and not both."
        )
    named, ignored = sources_of(sources) if sources else ([], [])
    if sources and not named:
        raise ConfigError(nothing_listed((), ignored))
    data = load_data(configs) if configs else ClipDataModule(named)
    clips, ignored = data.list_clips(), [*ignored, *data.ignored]
    if not clips and not data.early_skips:
        raise ConfigError(nothing_listed((), ignored))
    labels = Counter(clip.labels.get("sex", "unlabelled") for clip in clips)
    print(
        f"{len(clips)} clips: "
        f"{', '.join(f'{count} {printable(label)}' for label, count in sorted(labels.items())) or 'none'}"
    )
    reasons: Counter[str] = Counter()
    for skip in chain(
        data.early_skips, (loaded for clip in clips if isinstance(loaded := data.load(clip.id), Skip))
    ):
        reasons[skip.reason.value] += 1
        print(f"  cannot use {skip}")
    for one in ignored:
        print(f"  {one}")
    total = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    usable = len(clips) + len(data.early_skips) - reasons.total()
    print(f"{usable} can be used, {reasons.total()} would be skipped{f' ({total})' if total else ''}")
    if not usable:
        raise TooManySkipsError("None of the clips can be used: a run would end with this exit code.")
