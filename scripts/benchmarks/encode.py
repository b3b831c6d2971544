"""Audio files per second.

Decoding and resampling in two processes, embedding with a network of Wav2CLIP's shape.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile
import torch

from stylewav_pl.data import BuiltinVoices, ClipDataModule, Folder, Window
from stylewav_pl.embedders.wav2clip import AudioNetwork, Wav2ClipEmbedder
from stylewav_pl.optimisation.hardware import keep_freed_memory
from stylewav_pl.runs.plan import Plan

RATE, COHORT = 48_000, 20


def measure(clips: int) -> dict[str, Any]:
    """Writes mp3 files of 5 s at 48 kHz, then reads and embeds them as a run does."""
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        voices = Path(folder) / "voices"
        write(voices, clips)
        encoder = Wav2ClipEmbedder(AudioNetwork().eval())
        data = ClipDataModule([Folder(path=voices)], cohort_size=COHORT, num_workers=2)
        plan = Plan(COHORT).extended(clip.id for clip in data.list_clips())
        data.assign(plan.cohorts)
        began = time.perf_counter()
        decoded = list(data.train_dataloader())
        middle = time.perf_counter()
        for batch in decoded:
            encoder.embed_audio(batch.waveforms)
        embedded = time.perf_counter()
        for batch in data.train_dataloader():  # decoding goes on behind the embedding
            encoder.embed_audio(batch.waveforms)
        ended = time.perf_counter()
    seconds = {
        "decode and resample": middle - began,
        "embed": embedded - middle,
        "both at once": ended - embedded,
    }
    return {
        "clips": clips,
        "threads": torch.get_num_threads(),
        **{f"{name} [clips/s]": clips / taken for name, taken in seconds.items()},
    }


def write(folder: Path, clips: int) -> None:
    """A few built-in voices, each under many names, in a new folder."""
    folder.mkdir()
    source = BuiltinVoices(per_sex=2)
    sounds = [source.read(clip, RATE, Window(5.0)).numpy() for clip in source.list_clips()]
    for number in range(clips):
        soundfile.write(folder / f"{number:04d}.mp3", sounds[number % len(sounds)], RATE)
