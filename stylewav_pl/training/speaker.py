"""Trains the head of the strong pocket ear: from a speaker encoder's 256 numbers into the pocket CLIP space.

Two steps. The slow one embeds thousands of augmented copies of recorded and synthetic voices by the frozen
speaker encoder; it does not depend on the CLIP model, and its result is kept. The quick one trains the head
towards mean faces; after a new CLIP model or generator it alone is run again, in about two minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.speaker import (
    FRONT_END,
    SpeakerEncoder,
    SpeakerHead,
    embed_speakers,
    load_speaker_encoder,
)
from stylewav_pl.errors import ConfigError
from stylewav_pl.generators import load_generator
from stylewav_pl.training.face_targets import (
    FaceTargets,
    Prompts,
    embed_prompts,
    make_face_targets,
    text_loss,
)
from stylewav_pl.training.moved_voices import THE_SAME, moved_at_random
from stylewav_pl.training.people_bank import group_weights
from stylewav_pl.training.recording_conditions import middle, random_condition
from stylewav_pl.training.recordings import Part, Person, Recording, part_of, read_recordings
from stylewav_pl.training.voice_bank import VoiceBank, Voices, make_voice_bank
from stylewav_pl.weights.registry import SPEAKER_ENCODER
from stylewav_pl.weights.store import save_weights

COPIES = 7  # of each recording; the first is as recorded
MOVED = 2  # further copies of each, from other mouths of the same sex and age; the first under no condition
SYNTHETIC = 2500  # synthetic voices
# Moved voices are the other women and children that so few recorded people leave out; many synthetic voices
# blur what tells real ones apart, fewer of them make the built-in children adults.
SHARES = {"recorded": 0.5, "moved": 0.25, "synthetic": 0.25}
# How often each group of recorded people is drawn. With equal shares a third of the women were taken for
# children.
GROUP_SHARES = {"girl": 1.0, "boy": 1.0, "teenager": 0.5, "woman": 4.0, "man": 1.5}
HIDDEN, MEMBERS, DROPOUT = 128, 5, 0.3
BATCH = 128
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 0.05
INPUT_NOISE = 0.05
TEXT_WEIGHT = 1.0
AT_ONCE = 16


@dataclass(frozen=True)
class SpeakerVectors:
    """Embedded voices.

    Attributes:
        vectors: Unit vectors of the speaker encoder.
        male: Of the speaker.
        years: Of the speaker.
        weight: How often each is drawn; sums to 1.
    """

    vectors: Float[Tensor, "voice width"]
    male: Bool[Tensor, " voice"]
    years: Float[Tensor, " voice"]
    weight: Float[np.ndarray, " voice"]


def train(
    output: Path,
    *,
    recordings: Path,
    seed: int = 0,
    steps: int = 2000,
    voices: Voices = "all",
    clips: int = 5000,
    clip_model: str | Path = "pocket",
    generator: str | Path | None = "pocket",
    cache: Path | None = None,
    threads: int = 2,
    device: str = "cpu",
    resume: bool = True,
    progress: bool = True,
    parts: Sequence[Part] = ("training", "validation"),
) -> None:
    """Embeds voices, trains the head and writes it (float16).

    Args:
        output: The weight file.
        recordings: Folder with a table, see :mod:`.recordings`; held-out people are never trained on.
        seed: Decides on everything random.
        steps: Optimiser steps; 2000 take a minute. After 800 unheard women and children are told apart worse.
        voices: Which synthetic voices are heard, too; see :func:`.audio.train`.
        clips: How many are synthesised; the first 2500 are used.
        clip_model: The frozen teacher.
        generator: Makes half of the faces; ``None`` for drawn faces only.
        cache: Folder of synthetic voices and embedded copies; ``<output>.voices`` when not given.
        threads: Processor cores to use.
        device: Only ``cpu``: there is nothing to gain elsewhere.
        resume: Whether embedded copies that are there already are used.
        progress: Whether to show progress bars.
        parts: Which people of the recordings; never ``held-out``.

    Raises:
        ConfigError: The recordings cannot be used, espeak-ng is wanted and missing, or another device is
            asked for.
        WeightsError: A network cannot be loaded.
    """
    if device != "cpu":
        raise ConfigError(f"The speaker head is trained on the CPU, in a minute; found --device {device}.")
    torch.set_num_threads(threads)
    folder = cache or output.with_name(output.name + ".voices")
    folder.mkdir(parents=True, exist_ok=True)
    everyone = read_recordings(recordings)
    chosen = [recording for part in parts for recording in part_of(part, everyone)]
    bank = make_voice_bank(
        folder / "synthetic", count=clips, seed=seed, voices=voices, processes=threads, progress=progress
    )
    embedded = embed_voices(chosen, bank, folder / "vectors", seed=seed, resume=resume, progress=progress)
    teacher = load_image_text_embedder(clip_model)
    faces = make_face_targets(teacher, load_generator(generator) if generator is not None else None, seed)
    head = train_head(embedded, faces, embed_prompts(teacher), seed=seed, steps=steps)
    save_head(output, head)


def save_head(output: Path, head: SpeakerHead) -> None:
    """Writes a head with the hash of the encoder that it belongs to."""
    save_weights(
        output,
        kind="audio",
        architecture="speaker",
        config={**head.config, "encoder_sha256": SPEAKER_ENCODER.sha256, "front_end": FRONT_END.config},
        tensors=head.state_dict(),
        dtype=torch.float16,
    )


def embed_voices(
    recordings: Sequence[Recording],
    bank: VoiceBank,
    folder: Path,
    *,
    seed: int,
    resume: bool = True,
    progress: bool = True,
) -> SpeakerVectors:
    """Embeds copies of all voices under random conditions; each copy is kept in a file of its own.

    Args:
        recordings: Of training people only.
        bank: Synthetic voices; at most ``SYNTHETIC`` of them are used.
        folder: Where the copies are kept.
        seed: Decides the conditions.
        resume: Whether copies that are there already are used.
        progress: Whether to show progress bars.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder = load_speaker_encoder()
    waves = [recording.waveform for recording in recordings]
    copies = []
    for copy in range(COPIES):
        file = folder / f"recorded-{len(waves)}-{seed}-{copy}.npy"
        copies.append(_kept(file, encoder, waves, [seed, copy], resume, progress, as_it_is=copy == 0))
    moved = []
    for copy in range(MOVED):
        file = folder / f"moved-{len(waves)}-{seed}-{copy}.npy"
        others: list[np.ndarray] = []  # none are needed where their vectors are kept
        if not (resume and file.is_file()):
            made = moved_at_random(recordings, copy, seed, folder / "moved", THE_SAME)
            others = [wave.astype(np.float32) / 32768 for wave in made]
        numbers = [seed, COPIES + 1 + copy]
        moved.append(_kept(file, encoder, others, numbers, resume, progress, as_it_is=copy == 0))
    count = min(SYNTHETIC, len(bank))
    spoken = [bank.waveforms[row].astype(np.float32) / 32768 for row in range(count)]
    file = folder / f"synthetic-{count}-{seed}.npy"
    synthetic = _kept(file, encoder, spoken, [seed, COPIES], resume, progress)
    people = [recording.person for recording in recordings]
    return gathered(people, copies, moved, bank, synthetic)


def gathered(
    people: Sequence[Person],
    recorded: Sequence[Float[np.ndarray, "voice width"]],
    moved: Sequence[Float[np.ndarray, "voice width"]],
    bank: VoiceBank,
    synthetic: Float[np.ndarray, "voice2 width"],
) -> SpeakerVectors:
    """Weighs kinds of voices and groups of people.

    Args:
        people: Of each recording.
        recorded: Vectors of each copy of the recordings.
        moved: The same of moved voices.
        bank: Synthetic voices.
        synthetic: Vectors of the first of them.
    """
    copies = len(recorded) + len(moved)
    male = [person.sex == "male" for person in people] * copies
    years = [person.years for person in people] * copies
    weight = group_weights(people, GROUP_SHARES)
    weights = np.concatenate(
        [
            SHARES["recorded"] * np.tile(weight / len(recorded), len(recorded)),
            SHARES["moved"] * np.tile(weight / len(moved), len(moved)),
            np.full(len(synthetic), SHARES["synthetic"] / len(synthetic)),
        ]
    )
    return SpeakerVectors(
        torch.from_numpy(np.concatenate([*recorded, *moved, synthetic])),
        torch.tensor([*male, *(bank.male[: len(synthetic)] == 1)]),
        torch.tensor([*years, *bank.years[: len(synthetic)]], dtype=torch.float32),
        weights / weights.sum(),
    )


@torch.no_grad()
def _kept(
    file: Path,
    encoder: SpeakerEncoder,
    waves: Sequence[np.ndarray],
    seed: Sequence[int],
    resume: bool,
    progress: bool,
    as_it_is: bool = False,
) -> Float[np.ndarray, "voice width"]:
    if resume and file.is_file():
        return np.asarray(np.load(file))
    rows: list[np.ndarray] = []
    for start in tqdm(range(0, len(waves), AT_ONCE), desc=file.stem, disable=not progress):
        heard = []
        for number in range(start, min(start + AT_ONCE, len(waves))):
            random = np.random.default_rng([*seed, number])
            others = [waves[i] for i in random.integers(len(waves), size=6)]
            wave = middle(waves[number], 5.0) if as_it_is else random_condition(waves[number], others, random)
            heard.append(torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32)))
        rows.append(embed_speakers(encoder, FRONT_END, heard).numpy())
    vectors = np.concatenate(rows)
    beside = file.with_suffix(".new.npy")
    np.save(beside, vectors)
    beside.replace(file)
    return vectors


def train_head(
    voices: SpeakerVectors, faces: FaceTargets, prompts: Prompts, *, seed: int, steps: int
) -> SpeakerHead:
    """Trains all members of a head side by side.

    The loss is 1 - cosine to the mean face, and the prompts' cross-entropy.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    targets = faces.of(voices.male, voices.years)
    head = SpeakerHead(voices.vectors.shape[1], HIDDEN, targets.shape[1], MEMBERS, DROPOUT).train()
    optimiser = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rows = torch.from_numpy(random.choice(len(voices.vectors), BATCH, p=voices.weight))
        vectors = voices.vectors[rows]
        vectors = F.normalize(vectors + INPUT_NOISE * torch.randn_like(vectors), dim=-1)
        loss = torch.zeros(())
        for said in head.each(vectors):
            loss = loss + 1 - (said * targets[rows]).sum(dim=-1).mean()
            loss = loss + TEXT_WEIGHT * text_loss(said, prompts, voices.male[rows], voices.years[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return head.eval()
