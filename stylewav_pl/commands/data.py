"""``data``: the built-in voices as audio files, and what a folder of recordings holds."""

import argparse
from collections import Counter
from pathlib import Path

from stylewav_pl.data import BuiltinVoices, ClipDataModule, Folder
from stylewav_pl.types import Skip

SAMPLE_RATE = 16_000


def run(command: str, options: list[str]) -> int:
    """Runs ``voices`` or ``check``."""
    parser = argparse.ArgumentParser(prog="stylewav-pl data", description="Audio that goes in.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    voices = actions.add_parser("voices", help="write built-in voices as wav files, to listen to them")
    voices.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    voices.add_argument("--per-sex", type=int, default=4, metavar="N", help="voices of each sex (default: 4)")
    check = actions.add_parser("check", help="decode every file of a folder and say what can be used")
    check.add_argument("folder", type=Path, metavar="DIR")
    asked = parser.parse_args(options)
    if asked.action == "voices":
        write_voices(asked.output, asked.per_sex)
    else:
        check_folder(asked.folder)
    return 0


def write_voices(output: Path, per_sex: int) -> None:
    """Writes held-out built-in voices to ``female/`` and ``male/`` below ``output``, 16 kHz, 16 bit."""
    import soundfile

    data = ClipDataModule([BuiltinVoices(per_sex)], num_workers=0)
    for clip in data.list_clips():
        waveform = data.load(clip.id)
        assert not isinstance(waveform, Skip)  # built-in voices are always whole
        path = output / clip.labels["sex"] / f"{Path(clip.id).name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, waveform.numpy(), SAMPLE_RATE, subtype="PCM_16")
        print(path)


def check_folder(folder: Path) -> None:
    """Prints labels, usable clips and the reason of each other one."""
    data = ClipDataModule([Folder(folder)], num_workers=0)
    clips = data.list_clips()
    skips = [*data.duplicates, *(loaded for clip in clips if isinstance(loaded := data.load(clip.id), Skip))]
    labels = Counter(clip.labels.get("sex", "unlabelled") for clip in clips)
    print(f"{len(clips)} audio files: {', '.join(f'{count} {label}' for label, count in sorted(labels.items())) or 'none'}")
    for skip in skips:
        print(f"  cannot use {skip.path}: {skip.reason.value}, {skip.detail}")
