"""What can be done with a finished run without optimising anything: score its images again, render its latents again."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from stylewav_pl.callbacks import ClipScore
from stylewav_pl.callbacks.images import from_picture, to_picture
from stylewav_pl.callbacks.writer import write_png
from stylewav_pl.commands.finish import Scoring, finish_run, record_prompts
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.evaluation.page import Sounds
from stylewav_pl.module import StyleWav
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.journal import ClipRecord
from stylewav_pl.runs.results import read_skips
from stylewav_pl.types import Clip, ConfigError, RunDirectoryError, SkipReason

BATCH = 64


def score_again(run: RunDirectory, guide: ImageTextEmbedder, clip_score: ClipScore, scoring: Scoring, device: torch.device, sounds: Sounds) -> None:
    """Scores the written images with other prompts or another judge; tables, statistics and report follow.

    Args:
        run: A run with finished clips.
        guide: What the run was guided by.
        clip_score: Prompts and judge, set up.
        scoring: The same in words, for the statistics.
        device: Where the judge works.
        sounds: Where the clips' audio is to be had.

    Raises:
        ConfigError: There is nothing to score with.
        RunDirectoryError: The run has no finished clip, or an image is gone.
    """
    if not clip_score.texts:
        raise ConfigError("No prompts to score with: set clip_score.prompts in the configuration.")
    scores: dict[str, dict[str, float]] = {}
    clips = finished_clips(run)
    run.acquire()
    for batch in batches(clips):
        images = torch.stack([read_image(run.image_path(record.id)) for record in batch]).to(device)
        rows = clip_score.score(images, tuple(Clip(record.id, record.path) for record in batch))
        scores |= {row.id: dict(row.scores) for row in rows}
    run.write_scores(scores)
    record_prompts(run, guide, clip_score.texts)
    duplicates = [skip for skip in read_skips(run) if skip.reason is SkipReason.DUPLICATE_ID]  # in no journal: they never were in the plan
    finish_run(run, run.read_plan(1), scoring, duplicates, sounds)
    run.release()


def render_again(run: RunDirectory, module: StyleWav, generator_sha256: str) -> list[Path]:
    """Renders every stored latent into ``rendered/`` of the run.

    Raises:
        ConfigError: The latents belong to another generator or latent space.
        RunDirectoryError: The run has no finished clip, or a latent is gone.
    """
    paths = []
    for batch in batches(finished_clips(run)):
        latents = torch.stack([read_latent(run.latent_path(record.id), module, generator_sha256) for record in batch])
        with torch.no_grad():
            images = module.render(latents.to(module.device))
        for record, image in zip(batch, images, strict=True):
            path = run.path / "rendered" / run.image_path(record.id).name
            write_png(path, to_picture(image), record.id, record.seed)
            paths.append(path)
    return paths


def finished_clips(run: RunDirectory) -> list[ClipRecord]:
    """The clips that have a face, in plan order.

    Raises:
        RunDirectoryError: There is none.
    """
    records = run.finished()
    clips = [clip for index in sorted(records) for clip in records[index].clips]
    if not clips:
        raise RunDirectoryError(f"{run.path} has no finished clips. Expected the directory of an earlier `stylewav-pl fit`; name it with --run DIR.")
    return clips


def batches(clips: Sequence[ClipRecord], size: int = BATCH) -> Iterator[list[ClipRecord]]:
    """The clips in groups of at most ``size``."""
    rest = iter(clips)
    while batch := list(islice(rest, size)):
        yield batch


def read_image(path: Path) -> Float[Tensor, "3 height width"]:
    """A written image, RGB in [-1, 1].

    Raises:
        RunDirectoryError: The file is missing or damaged.
    """
    try:
        with Image.open(path) as picture:
            return from_picture(picture)
    except OSError as error:
        raise RunDirectoryError(f"The image {path} cannot be read ({error}). Restore it, or run fit again with --restart.") from error


def read_latent(path: Path, module: StyleWav, generator_sha256: str) -> Float[Tensor, "*latent"]:
    """A written latent, checked to belong to the module's generator and latent space.

    Raises:
        ConfigError: It belongs to others.
        RunDirectoryError: The file is missing.
    """
    if not path.is_file():
        raise RunDirectoryError(f"The latent {path} is missing. It is written when writer.latents is true.")
    with safe_open(path, framework="pt") as file:
        found = file.metadata()
        latent: Tensor = file.get_tensor("latent")
    expected = {"space": module.latent_space.name, "generator_sha256": generator_sha256}
    for name, value in expected.items():
        if found.get(name) != value:
            raise ConfigError(
                f"{path} has {name} {found.get(name)!r}, the configuration means {value!r}. Use the configuration of the run (config.yaml in it)."
            )
    return latent
