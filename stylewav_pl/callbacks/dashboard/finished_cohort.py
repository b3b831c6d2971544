"""What a dashboard shows of a cohort that is done: from the process that made it, or from the journal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from stylewav_pl.pictures.images import load_face, to_bytes
from stylewav_pl.runs.finished import FinishedRun
from stylewav_pl.runs.journal import CohortRecord
from stylewav_pl.types import Clip, CohortResult, ScoreRow

Face = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class FinishedCohort:
    """A cohort with its numbers, and the way to its faces.

    Attributes:
        clips: In order.
        curves: Similarity before each step and at the end.
        scores: Of each clip; none where nothing is scored.
        face: Returns the image of the clip in this row; None where there is none to be had.
    """

    clips: Sequence[Clip]
    curves: Float[Tensor, "clip step"]
    scores: Sequence[ScoreRow]
    face: Callable[[int], Face | None]

    @classmethod
    def of_result(cls, result: CohortResult, scores: Sequence[ScoreRow]) -> "FinishedCohort":
        """Returns one that this process has made."""
        return cls(
            result.clips, result.curves, scores, lambda row: to_bytes(result.images[row]).cpu().numpy()
        )

    @classmethod
    def of_record(cls, record: CohortRecord, run: Path) -> "FinishedCohort":
        """Returns one that another process has made.

        Args:
            record: From the journal; it has at least one clip.
            run: The run directory, where the images are.
        """
        clips = [Clip(one.id, one.path, one.speaker, one.labels) for one in record.clips]
        opened = cache(lambda: FinishedRun(run))  # only for whoever wants a face: it reads the whole plan

        def face(row: int) -> Face | None:
            picture = load_face(opened(), clips[row].id)
            return None if picture is None else np.asarray(picture)

        curves = torch.tensor([one.curve for one in record.clips])
        return cls(clips, curves, [ScoreRow(one.id, one.scores) for one in record.clips], face)
