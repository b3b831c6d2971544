"""``test``: scores the images of a finished run again."""

import io
from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from stylewav_pl.callbacks import ClipScore
from stylewav_pl.callbacks.progress import progress_bar
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.errors import ConfigError, RunDirectoryError
from stylewav_pl.pictures.images import from_picture
from stylewav_pl.report.clips import Sounds
from stylewav_pl.runs.directory import RunDirectory
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.journal import ClipRecord
from stylewav_pl.session.finalize import Scoring, finalize_run, record_prompts
from stylewav_pl.types import Clip, SkipReason

BATCH = 64


def rescore(
    run: RunDirectory,
    guide: ImageTextEmbedder,
    clip_score: ClipScore,
    scoring: Scoring,
    device: torch.device,
    sounds: Sounds,
    progress: bool | None = None,
) -> None:
    """Scores the written images with other prompts or another judge; tables, statistics and report follow.

    Args:
        run: A run with finished clips.
        guide: What the run was guided by.
        clip_score: Prompts and judge, set up.
        scoring: The same in words, for the statistics.
        device: Where the judge works.
        sounds: Where the clips' audio is to be had.
        progress: False: no bar.

    Raises:
        ConfigError: There is nothing to score with.
        RunDirectoryError: The run has no finished clip, or an image is gone.
    """
    if not clip_score.texts:
        raise ConfigError("No prompts to score with: set clip_score.prompts in the configuration.")
    scores: dict[str, dict[str, float]] = {}
    finished = FinishedRun(run.path)
    clips = finished_clips(finished)
    run.acquire()
    planned = frozenset(finished.plan.ids)
    # in no journal: they never were in the plan
    early = [
        skip for skip in finished.skips if skip.reason is SkipReason.DUPLICATE_ID or skip.id not in planned
    ]
    with progress_bar(finished.journals.number_of_clips, "scores", progress) as bar:
        for batch in batches(clips):
            images = torch.stack([read_image(finished, record.id) for record in batch]).to(device)
            rows = clip_score.score(images, tuple(Clip(record.id, record.path) for record in batch))
            scores |= {row.id: dict(row.scores) for row in rows}
            bar.update(len(batch))
    run.write_scores(scores)
    record_prompts(run, guide, clip_score.texts)
    finalize_run(run, finished.plan, scoring, early, sounds)
    run.release()


def finished_clips(run: FinishedRun) -> Iterator[ClipRecord]:
    """The clips that have a face, in plan order.

    Raises:
        RunDirectoryError: There is none.
    """
    if not run.journals.number_of_clips:
        raise RunDirectoryError(
            f"{run.path} has no finished clips. Expected the directory of an earlier `stylewav-pl fit`; "
            "name it with --run DIR."
        )
    return run.records()


def batches(clips: Iterable[ClipRecord], size: int = BATCH) -> Iterator[list[ClipRecord]]:
    """The clips in groups of at most ``size``."""
    rest = iter(clips)
    while batch := list(islice(rest, size)):
        yield batch


def read_image(run: FinishedRun, id: str) -> Float[Tensor, "3 height width"]:
    """A written image, RGB in [-1, 1].

    Raises:
        RunDirectoryError: It is missing or damaged.
    """
    try:
        with Image.open(io.BytesIO(run.image(id))) as picture:
            return from_picture(picture)
    except OSError as error:
        raise RunDirectoryError(
            f"The image of {id} in {run.path} cannot be read ({error}). Restore it, or run fit again with "
            "--restart. "
            "A run with writer.image none has latents only."
        ) from error
