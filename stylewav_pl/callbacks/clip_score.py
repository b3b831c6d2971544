"""CLIP score: how near each final image is to a list of prompts, watched by a judge."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from stylewav_pl.embedders import load_image_text_embedder
from stylewav_pl.embedders.base import ImageTextEmbedder
from stylewav_pl.errors import ConfigError
from stylewav_pl.evaluation.population_score import PopulationScore
from stylewav_pl.optimisation.objective import cosine_similarity
from stylewav_pl.pictures.images import from_bytes, to_bytes
from stylewav_pl.types import Clip, CohortResult, ScoreRow


class ClipScore(Callback):
    """Scores the images of each finished cohort with every prompt, and adds the rows to the step's outputs.

    The judge sees images as they are written (8 bit), so that scoring the files of a run again gives the same
    numbers. The judge should be another CLIP model than the guide; scoring with the guide mostly measures
    that optimisation worked.
    """

    def __init__(
        self,
        prompts: Mapping[str, Mapping[str, str]] | None = None,
        judge: str | ImageTextEmbedder | None = None,
    ) -> None:
        """Names prompts and judge; networks are loaded by :meth:`prepare`.

        Args:
            prompts: For each trait the prompt of each label, e.g. ``{"sex": {"male": "this is a photo of a
                boy", ...}}``. None or empty: nothing is scored.
            judge: Registry name or weight file of the CLIP model that scores, or a built one; None: the
                guide.
        """
        self.prompts = {trait: dict(by_label) for trait, by_label in (prompts or {}).items()}
        self.judge_source = judge
        self.judge: ImageTextEmbedder | None = None
        self._targets: Tensor | None = None
        # the processes of a job share nothing while they work: this one's clips alone, and never a wait for
        # the others
        self.means = PopulationScore(len(self.populations), len(self.texts), sync_on_compute=False)

    @property
    def texts(self) -> tuple[str, ...]:
        """Every prompt once, in order."""
        return tuple(dict.fromkeys(text for by_label in self.prompts.values() for text in by_label.values()))

    @property
    def populations(self) -> tuple[tuple[str, str], ...]:
        """Trait and label of every population that has a prompt, in order."""
        return tuple((trait, label) for trait, by_label in self.prompts.items() for label in by_label)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Prepares itself, unless a command has done so already to refuse a wrong judge early."""
        self.prepare(getattr(pl_module, "guide", None), pl_module.device)

    def prepare(self, guide: Any, device: torch.device) -> None:
        """Loads the judge once and embeds the prompts.

        Args:
            guide: The judge of runs that name none.
            device: Where a judge of its own works.

        Raises:
            ConfigError: A prompt has words that the judge does not know.
        """
        if not self.texts or self.judge is not None:
            return
        judge = guide if self.judge_source is None else self.judge_source
        if isinstance(judge, str):
            judge = load_image_text_embedder(judge, device=str(device), setting="--clip_score.judge")
        if not isinstance(judge, ImageTextEmbedder):
            raise ConfigError(
                f"Expected a CLIP model as judge, found {type(judge).__name__}. Correct clip_score.judge."
            )
        self.judge = judge
        with torch.no_grad():
            self._targets = judge.embed_text(list(self.texts)).to(device)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Scores a finished cohort; ``outputs["scores"]`` is for the callbacks that follow."""
        result: CohortResult = outputs["result"]
        rows = outputs["scores"] = self.score(result.images, result.clips)
        self.count(rows, result.clips)

    def count(self, rows: Sequence[ScoreRow], clips: Sequence[Clip]) -> None:
        """Adds scored clips to the running means.

        Args:
            rows: Of each clip.
            clips: In the same order.
        """
        if self.texts and rows:
            members = [
                [clip.labels.get(trait) == label for trait, label in self.populations] for clip in clips
            ]
            self.means.update(
                torch.tensor([[row.scores[text] for text in self.texts] for row in rows]),
                torch.tensor(members),
            )

    @torch.no_grad()
    def score(
        self, images: Float[Tensor, "clip 3 height width"], clips: tuple[Clip, ...]
    ) -> tuple[ScoreRow, ...]:
        """One row per clip: cosine of its image, rounded to 8 bit, with each prompt."""
        if self.judge is None or self._targets is None or not clips:
            return tuple(ScoreRow(clip.id, {}) for clip in clips)
        # a judge of its own is loaded before Lightning moves the module to its device
        embeddings = self.judge.to(images.device).embed_image(from_bytes(to_bytes(images)))
        columns = [
            cosine_similarity(embeddings, target.expand_as(embeddings)).tolist()
            for target in self._targets.to(embeddings)
        ]
        return tuple(
            ScoreRow(clip.id, dict(zip(self.texts, row, strict=True)))
            for clip, row in zip(clips, zip(*columns, strict=True), strict=True)
        )

    def running_means(self) -> dict[tuple[str, str, str], float]:
        """Mean score so far of this process's clips by trait, label and prompt of that trait.

        Populations without clips are left out.
        """
        if not self.means.update_called:
            return {}
        return {
            (trait, label, text): mean
            for (trait, label), row in zip(self.populations, self.means.compute().tolist(), strict=True)
            for text, mean in zip(self.texts, row, strict=True)
            if text in self.prompts[trait].values() and not math.isnan(mean)
        }
