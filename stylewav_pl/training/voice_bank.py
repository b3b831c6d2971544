"""The voices that the audio encoder learns from.

A folder of synthesised clips with sex and age, made once, resumable.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int16, Int64
from tqdm import tqdm

from stylewav_pl.errors import ConfigError
from stylewav_pl.pocket.voices import Sex, Speaker, draw_speaker, speak
from stylewav_pl.training.espeak import Split, draw_voice, espeak_available, speak_espeak

Voices = Literal["all", "builtin"]
SECONDS = 4.5
SAMPLE_RATE = 16000
ESPEAK_SHARE = 0.7
BLOCK = 50
Clip = tuple[Int16[np.ndarray, " time"], list[float]]

# Years at the face attribute's age 0, CHILD_BELOW, OLD_ABOVE and 1; straight lines between.
AGE_SCALE = ((0.0, 0.30, 0.70, 1.0), (4.0, 15.0, 60.0, 88.0))


def years_of(age: float) -> float:
    """Years for an age on the faces' scale from 0 (youngest) to 1 (oldest).

    >>> years_of(0.5)
    37.5
    """
    return float(np.interp(age, *AGE_SCALE))


def scale_of(years: Float[np.ndarray, " clip"]) -> Float[np.ndarray, " clip"]:
    """The inverse of :func:`years_of`."""
    return np.asarray(np.interp(years, AGE_SCALE[1], AGE_SCALE[0]))


@dataclass(frozen=True)
class VoiceBank:
    """Synthesised clips.

    Attributes:
        waveforms: Mono, 16 kHz, full scale 32767; on disk, read when indexed.
        male: 1 for a male speaker, 0 for a female one.
        years: Age of the speaker.
        espeak: 1 where espeak-ng spoke, 0 for the built-in synthesiser.
    """

    waveforms: Int16[np.ndarray, "clip time"]
    male: Int64[np.ndarray, " clip"]
    years: Float[np.ndarray, " clip"]
    espeak: Int64[np.ndarray, " clip"]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.male)


def make_voice_bank(
    folder: Path,
    *,
    count: int,
    seed: int,
    voices: Voices = "all",
    split: Split = "train",
    processes: int = 1,
    progress: bool = True,
) -> VoiceBank:
    """Synthesises ``count`` clips, one speaker each.

    A folder that was begun with the same arguments is finished.

    Args:
        folder: Where the clips go; 0.14 MB each.
        count: How many.
        seed: Clip ``i`` depends on seed, split and ``i`` only.
        voices: ``all`` uses espeak-ng for most clips; ``builtin`` the built-in synthesiser alone.
        split: ``test`` has other speakers, languages and variants than ``train``.
        processes: How many synthesise side by side; changes nothing but the speed.
        progress: Whether to show a progress bar.

    Raises:
        ConfigError: espeak-ng is wanted and missing, or the folder holds other voices.
    """
    if voices == "all" and not espeak_available():
        raise ConfigError(
            "The program espeak-ng is not installed. Install it (Debian: apt install espeak-ng) or train "
            "with voices='builtin'."
        )
    folder.mkdir(parents=True, exist_ok=True)
    recipe = {"count": count, "seed": seed, "voices": voices, "split": split, "seconds": SECONDS}
    state_file = folder / "state.json"
    state: dict[str, Any] = (
        json.loads(state_file.read_text()) if state_file.is_file() else {"recipe": recipe, "rows": []}
    )
    if state["recipe"] != recipe:
        raise ConfigError(
            f"{folder} holds voices made with {state['recipe']}, but {recipe} are wanted. Give another "
            "folder or delete this one."
        )
    waves = _open(folder / "waveforms.npy", count)
    rows: list[list[float]] = state["rows"]
    clips = _clips(partial(_one_clip, seed, voices=voices, split=split), range(len(rows), count), processes)
    for wave, row in tqdm(clips, initial=len(rows), total=count, desc="voices", disable=not progress):
        waves[len(rows)] = wave
        rows.append(row)
        if len(rows) % BLOCK == 0 or len(rows) == count:
            waves.flush()
            _replace(state_file, lambda path: path.write_text(json.dumps(state)))
    table = np.array(rows)
    return VoiceBank(
        np.load(folder / "waveforms.npy", mmap_mode="r"),
        table[:, 0].astype(np.int64),
        table[:, 1],
        table[:, 2].astype(np.int64),
    )


def _clips(make: Callable[[int], Clip], numbers: range, processes: int) -> Iterator[Clip]:
    if processes == 1:
        yield from map(make, numbers)
        return
    with get_context("spawn").Pool(processes) as pool:  # a fork of a process that has used torch may hang
        yield from pool.imap(make, numbers, chunksize=4)


def _open(path: Path, count: int) -> "np.memmap[Any, np.dtype[np.int16]]":
    mode: Literal["r+", "w+"] = "r+" if path.is_file() else "w+"
    return np.lib.format.open_memmap(
        path, mode=mode, dtype=np.int16, shape=(count, round(SECONDS * SAMPLE_RATE))
    )


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside and renames, so that an interruption leaves the old file."""
    beside = path.with_name(path.name + ".new")
    write(beside)
    beside.replace(path)


def _one_clip(seed: int, i: int, *, voices: Voices, split: Split) -> Clip:
    random = np.random.default_rng([seed, i, 0 if split == "train" else 1])
    sex: Sex = "male" if i % 2 else "female"
    years = round(years_of(random.uniform()), 1)
    speaker = in_some_mood(draw_speaker(f"bank-{split}/{seed}/{i}", sex, years), random)
    espeak = voices == "all" and random.random() < ESPEAK_SHARE
    wave = (
        speak_espeak(speaker, draw_voice(speaker, split, random), random, SECONDS)
        if espeak
        else speak(speaker, i, SECONDS)
    )
    return np.asarray(np.round(wave * 32767), dtype=np.int16), [float(sex == "male"), years, float(espeak)]


def in_some_mood(speaker: Speaker, random: np.random.Generator) -> Speaker:
    """The same person calm or lively.

    Announcers and actors speak up to six semitones higher, with twice the range.

    The vocal tract stays, so an encoder that sees this learns not to judge by pitch alone.
    """
    chance = random.random()
    lively = random.uniform(0.0, 1.0) if chance < 0.2 else 0.0
    calm = random.uniform(0.0, 1.0) if chance > 0.8 else 0.0
    semitones = 6.0 * lively - 3.0 * calm + random.normal(0.0, 0.5)
    return replace(
        speaker,
        pitch=speaker.pitch * 2 ** (semitones / 12),
        pitch_range=speaker.pitch_range * (1.0 + 1.2 * lively - 0.4 * calm),
    )
