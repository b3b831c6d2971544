"""What a run recorded in the guide's space.

How targets and images score with the prompts, and whether images find their own audio.

The target is what the audio encoder hears. Its scores mean something in the guide's space alone, which it
shares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from stylewav_pl.evaluation.sampling import evenly_spaced
from stylewav_pl.evaluation.statistics import Interval, NotComputable, wilson
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.rows import ResultRow

NOT_RECORDED = NotComputable("the run recorded no targets")
MAX_AUDIOS = 2000


@dataclass(frozen=True)
class GuideView:
    """Cosines in the guide's space.

    Attributes:
        rows: Clip to its row.
        prompts: One per column.
        audio_similarities: ``[clip, prompt]``, of the target with each prompt.
        image_similarities: ``[clip, prompt]``, of the final image with each prompt.
    """

    rows: Mapping[str, int]
    prompts: tuple[str, ...]
    audio_similarities: Float[np.ndarray, "clip prompt"]
    image_similarities: Float[np.ndarray, "clip prompt"]


@dataclass(frozen=True, slots=True)
class Hits:
    """Counts images that have their own audio among the nearest ``k``.

    Returns that number and how many would by chance (a share).
    """

    k: int
    right: int
    share: Interval | NotComputable
    chance: float


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How often the nearest target of an image is its own audio, in the guide's space.

    Attributes:
        audios: Among how many, one per speaker; evenly sampled where there are more than 2000.
        hits: For the nearest one and the nearest five.
        median_rank: Of the own audio, from 1; chance is ``(audios + 1) / 2``.
    """

    audios: int
    hits: tuple[Hits, ...]
    median_rank: float


def read_guide_view(run: FinishedRun) -> GuideView | NotComputable:
    """Scores every recorded target and image with the recorded prompts, cohort by cohort.

    Raises:
        RunDirectoryError: A file is damaged.
    """
    prompts = run.prompts()
    if not prompts:
        return NotComputable("the run recorded no prompts that the guide knows")
    columns = np.stack(list(prompts.values())).T.astype(np.float64)
    ids: list[str] = []
    audio_similarities, image_similarities = [], []
    for _, cohort in run.embeddings():
        ids += cohort.ids
        audio_similarities.append(cohort.targets @ columns)
        image_similarities.append(cohort.images @ columns)
    if not ids:
        return NOT_RECORDED
    return GuideView(
        {id: row for row, id in enumerate(ids)},
        tuple(prompts),
        np.concatenate(audio_similarities),
        np.concatenate(image_similarities),
    )


def read_retrieval(
    run: FinishedRun, rows: Sequence[ResultRow], most: int = MAX_AUDIOS
) -> Retrieval | NotComputable:
    """Looks for each image's own audio among those of a run.

    Of a speaker with several clips the first counts.

    Raises:
        RunDirectoryError: A file is damaged.
    """
    first = {row.voice: row.clip.id for row in reversed(rows) if row.done}
    wanted = set(evenly_spaced([row.clip.id for row in rows if first.get(row.voice) == row.clip.id], most))
    targets, images = [], []
    for _, cohort in run.embeddings():
        kept = [row for row, id in enumerate(cohort.ids) if id in wanted]
        targets.append(cohort.targets[kept])
        images.append(cohort.images[kept])
    return retrieval(np.concatenate(images), np.concatenate(targets)) if targets else NOT_RECORDED


def retrieval(
    images: Float[np.ndarray, "clip embed"], targets: Float[np.ndarray, "clip embed"]
) -> Retrieval | NotComputable:
    """Ranks the targets by their cosine to each image.

    A target that is exactly as near as the own one counts as nearer.

    Args:
        images: Unit norm.
        targets: Unit norm; row ``i`` is the own target of image ``i``.

    >>> found = retrieval(np.eye(3), np.eye(3)[[0, 2, 1]])  # the second and third are exchanged
    >>> found.hits[0].right, found.median_rank
    (1, 3.0)
    """
    count = len(images)
    if count < 2:
        return NotComputable("one audio alone is always found")
    similarities = images.astype(np.float64) @ targets.T.astype(np.float64)
    ranks = (similarities >= np.diag(similarities)[:, None]).sum(axis=1)  # the own one included
    hits = []
    for k in (1, 5):
        right = int((ranks <= k).sum())
        hits.append(Hits(k, right, wilson(right, count), min(1.0, k / count)))
    return Retrieval(count, tuple(hits), float(np.median(ranks)))
