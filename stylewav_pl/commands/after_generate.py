"""What ``generate`` makes beside the results: a contact sheet, films from start to end, scores in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from stylewav_pl.commands.render import (
    SECONDS,
    Rendering,
    evenly,
    pictures_on_the_way,
    read_latent,
    write,
)
from stylewav_pl.commands.tuned_faces import read_tuning
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.evaluation.heard import QUESTIONS, Questions
from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.files import write_whole
from stylewav_pl.module import StyleWav
from stylewav_pl.optimisation.tuning import tuned
from stylewav_pl.pictures.grid import picture_grid
from stylewav_pl.pictures.images import load_face, readable
from stylewav_pl.pictures.video import FRAMES_PER_SECOND, encode_video
from stylewav_pl.runs.embeddings import CohortEmbeddings
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.journal import ClipRecord
from stylewav_pl.runs.members import MARK
from stylewav_pl.runs.plan import stem_of
from stylewav_pl.types import Clip, ClipBatch

if TYPE_CHECKING:
    from stylewav_pl.commands.experiment import ExperimentCLI

SHEET, VIDEOS = "sheet.png", "videos"
MOST_VOICES = 40  # on the sheet
MOST_TOLD = 20  # in the terminal
SHEET_PIXELS = 160


def show(cli: "ExperimentCLI", video: bool, in_words: bool | None) -> None:
    """Makes what is asked for beside the results, and says it.

    Args:
        cli: Has just made them.
        video: Whether films are wanted.
        in_words: Whether scores in words are; ``None``: where the guide is the pocket one.

    Raises:
        ConfigError: The guide does not know a word of the prompts.
        RunDirectoryError: A file is damaged.
    """
    run, module = FinishedRun(cli.settings.path), cli.model
    voices = voices_of(run, cli.datamodule.count)
    if cli.networks.model["guide"] == "pocket" if in_words is None else in_words:
        voices = put_in_words(run, voices, module.guide)
        for voice in voices[:MOST_TOLD]:
            print(voice)
        if len(voices) > MOST_TOLD:
            print(f"  and {len(voices) - MOST_TOLD} more")
    if sheet := write_sheet(run, voices):
        print(f"  sheet    {sheet}")
    if video:
        write_films(run, module, cli.networks.generator_sha256)
        print(f"  films    {run.path / VIDEOS}")


@dataclass(frozen=True)
class Voice:
    """The faces of one recording.

    Attributes:
        name: Its id.
        members: Of its faces.
        heard: What its encoder hears, one word for each question; empty where nobody asked.
        seen: The same of each face, by the guide.
    """

    name: str
    members: tuple[str, ...]
    heard: tuple[str, ...] = ()
    seen: tuple[tuple[str, ...], ...] = ()

    def __str__(self) -> str:
        """One line for the terminal."""
        faces = " | ".join(map(", ".join, self.seen))
        return f"  {readable(self.name)}: heard: {', '.join(self.heard)}; seen in the face: {faces}"


def voices_of(run: FinishedRun, count: int) -> list[Voice]:
    """Returns the voices of a run with their faces, in plan order."""
    members: dict[str, list[str]] = {}
    for record in run.records():
        name = record.id.rpartition(MARK)[0] if count > 1 else record.id
        members.setdefault(name, []).append(record.id)
    return [Voice(name, tuple(ids)) for name, ids in members.items()]


@torch.no_grad()
def put_in_words(
    run: FinishedRun,
    voices: Sequence[Voice],
    guide: ImageTextEmbedder,
    questions: Questions = QUESTIONS,
) -> list[Voice]:
    """Asks what is heard in each voice and seen in its faces: the word whose prompt is nearest.

    Args:
        run: Has recorded what was heard and what the guide saw.
        voices: To be asked about.
        guide: Of the run.
        questions: By name: prompt by word.

    Raises:
        ConfigError: The guide does not know a word of the prompts.
        RunDirectoryError: A file is damaged.
    """
    texts = {
        name: guide.embed_text(list(prompts.values())).cpu().float().numpy()
        for name, prompts in questions.items()
    }

    def words(vector: Float[np.ndarray, " embed"]) -> tuple[str, ...]:
        return tuple(
            list(prompts)[int(np.argmax(texts[name] @ vector))] for name, prompts in questions.items()
        )

    heard: dict[str, tuple[str, ...]] = {}
    seen: dict[str, tuple[str, ...]] = {}
    for _, cohort in run.embeddings():
        for id, target, image in zip(cohort.ids, cohort.targets, cohort.images, strict=True):
            heard[id], seen[id] = words(target), words(image)
    return [
        replace(voice, heard=heard[voice.members[0]], seen=tuple(seen[id] for id in voice.members))
        for voice in voices
        if set(voice.members) <= seen.keys()
    ]


def write_sheet(run: FinishedRun, voices: Sequence[Voice]) -> Path | None:
    """Writes ``sheet.png``: the faces of each voice in a row under its name; None where there is no image.

    Of many voices an evenly spaced sample is shown.
    """
    rows, notes = {}, {}
    for voice in evenly_spaced(list(voices), MOST_VOICES):
        faces = [face for id in voice.members if (face := load_face(run, id)) is not None]
        if faces:
            title = readable(voice.name)
            rows[title], notes[title] = faces, ", ".join(voice.heard)
    if not rows:
        return None
    picture = picture_grid(rows, columns=8, size=SHEET_PIXELS, notes=notes)
    path = run.path / SHEET
    write_whole(path, lambda file: picture.save(file, format="PNG", optimize=True))
    return path


def write_films(run: FinishedRun, module: StyleWav, generator_sha256: str) -> list[Path]:
    """Writes a film of each face from its start to its end into ``videos/``; those that are there stay.

    The start is drawn again from the clip's seed and from what was heard, which the run has recorded.

    Raises:
        ConfigError: The latents are of other networks than the module's.
        RunDirectoryError: A latent is missing or damaged.
    """
    rendering = Rendering(video="auto")
    records = {record.id: record for record in run.records()}
    shares = evenly(round(FRAMES_PER_SECOND * SECONDS))
    written = []
    for id, origin in _origins(run, module, records, rendering):
        goal = read_latent(run, id, module, generator_sha256).to(module.device)
        with tuned(module.generator, read_tuning(run, id, module)):
            frames = pictures_on_the_way(module, goal, rendering, shares, origin)
        path = film_path(run, id, rendering)
        write(run, path, encode_video(frames, rendering.suffix, id, records[id].seed))
        written.append(path)
    return written


def film_path(run: FinishedRun, id: str, rendering: Rendering) -> Path:
    """Where the film of a clip lies."""
    return run.path / VIDEOS / f"{stem_of(id)}.{rendering.suffix}"


def _origins(
    run: FinishedRun, module: StyleWav, records: Mapping[str, ClipRecord], rendering: Rendering
) -> Iterator[tuple[str, Float[Tensor, "*latent"]]]:
    """Yields each clip that has no film yet, and where its latent began."""
    size = module.latents.shape[0]
    for _, cohort in run.embeddings():
        rows = iter(
            [
                row
                for row, id in enumerate(cohort.ids)
                if id in records and not film_path(run, id, rendering).exists()
            ]
        )
        while chosen := list(islice(rows, size)):
            yield from zip(
                [cohort.ids[row] for row in chosen], starts_of(module, cohort, chosen, records), strict=True
            )


def starts_of(
    module: StyleWav, cohort: CohortEmbeddings, rows: Sequence[int], records: Mapping[str, ClipRecord]
) -> Float[Tensor, " clip *latent"]:
    """Returns the latents at which clips of a cohort began."""
    ids = [cohort.ids[row] for row in rows]
    if module.given is not None:
        return torch.stack([module.given.of(id) for id in ids]).to(module.device)
    targets = torch.from_numpy(cohort.targets[list(rows)]).to(module.mean_latent)
    clips = tuple(Clip(id, "", labels=records[id].labels) for id in ids)
    return module.initial_latents([records[id].seed for id in ids], targets, ClipBatch(0, clips, ()))
